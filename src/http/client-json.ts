import type { ClientInfo } from '../hub/clients.js';

/** A client as the API shows it: with times as RFC 3339 has them. */
export function clientJson(client: ClientInfo) {
  return {
    ...client,
    connectedAt: new Date(client.connectedAt).toISOString(),
    lastSeenAt: new Date(client.lastSeenAt).toISOString(),
    rooms: [...client.rooms],
  };
}

/** The same for people: the line that LIST has printed since the first version. */
export function clientLine({ index, socket }: ClientInfo): string {
  return socket === null ? `Client ${index} is away.\n` : `Client ${index} is at socket ${socket}.\n`;
}
