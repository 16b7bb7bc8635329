import type { ClientInfo } from '../hub/clients.js';
import type { ReadState } from '../hub/hub.js';

/** A client as the API shows it: with times as RFC 3339 has them. */
export function clientJson(client: ClientInfo) {
  return {
    ...client,
    connectedAt: new Date(client.connectedAt).toISOString(),
    lastSeenAt: new Date(client.lastSeenAt).toISOString(),
    rooms: [...client.rooms],
  };
}

/** How far a client has read, as the API shows it: ids, null where nothing is read yet. */
export function readStateJson({ marks, unread }: ReadState) {
  const id = (mark: number | undefined) => (mark ? String(mark) : null);
  return {
    mailbox: id(marks.mailbox),
    everyone: id(marks.everyone),
    rooms: Object.fromEntries([...(marks.rooms ?? [])].flatMap(([room, mark]) => (mark ? [[room, String(mark)]] : []))),
    unread: { ...unread, rooms: Object.fromEntries(unread.rooms) },
  };
}
