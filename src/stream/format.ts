import { placeText } from '../hub/credentials.js';
import type { Delivery } from '../hub/feeds.js';
import { messageJson } from '../hub/message.js';
import type { PresenceDelivery, PresenceEvent } from '../hub/presence.js';
import { clientJson } from './json.js';

/** The names of the events that are not messages. */
export type EventName = 'welcome' | 'gap' | 'presence' | 'read' | 'invited' | 'bye';

/**
 * How events become bytes. All data given to it is JSON on one line, which is what keeps anything that anybody sends from
 * beginning a new line, field or event.
 */
export interface Format {
  readonly name: 'sse' | 'ndjson';
  readonly contentType: string;
  /** An event that is not a message. `id` is a cursor; `retry` in milliseconds is said where the format can. */
  event(name: EventName, data: string, options?: { readonly id?: string; readonly retry?: number }): Buffer;
  /**
   * A message, or that one was deleted, up to and with its sequence number: the same bytes for every stream, so made once for all of them. What
   * {@link tail} gives must follow, except after a message that was relayed, which has no place and ends here.
   */
  message(delivery: Delivery): Buffer;
  /** Changes of who there is, one event each: the same bytes for every stream, so made once for all of them. */
  presence(delivery: PresenceDelivery): Buffer;
  /** What ends each message of one stream, in ASCII: the rest of its cursor. */
  tail(cursorSuffix: string): string;
  /** Says that the link is alive. */
  readonly heartbeat: Buffer;
}

/** Server-Sent Events (WHATWG HTML, section 9.2). */
export const sse: Format = {
  name: 'sse',
  contentType: 'text/event-stream',

  event(name, data, { id, retry } = {}) {
    const lines = [];
    if (retry !== undefined) lines.push(`retry: ${retry}`);
    lines.push(`event: ${name}`);
    if (id !== undefined) lines.push(`id: ${id}`);
    lines.push(`data: ${data}`, '', '');
    return Buffer.from(lines.join('\n'));
  },

  message(delivery) {
    return (delivery.frames.sse ??= sseFrame(delivery));
  },

  presence(delivery) {
    return (delivery.frames.sse ??= presenceFrames(sse, delivery));
  },

  tail(cursorSuffix) {
    return `${cursorSuffix}\n\n`;
  },

  heartbeat: Buffer.from(':\n\n'),
};

/** One JSON object a line: the same events for those who would rather read lines than parse SSE. */
export const ndjson: Format = {
  name: 'ndjson',
  contentType: 'application/x-ndjson',

  event(name, data, { id } = {}) {
    return Buffer.from(`{"event":"${name}","id":${id === undefined ? 'null' : `"${id}"`},"data":${data}}\n`);
  },

  message(delivery) {
    return (delivery.frames.ndjson ??= ndjsonFrame(delivery));
  },

  presence(delivery) {
    return (delivery.frames.ndjson ??= presenceFrames(ndjson, delivery));
  },

  tail(cursorSuffix) {
    return `${cursorSuffix}"}\n`;
  },

  // A blank line would be no JSON, and a reader of lines parses each one.
  heartbeat: Buffer.from('{"event":"heartbeat","id":null,"data":null}\n'),
};

function sseFrame(delivery: Delivery): Buffer {
  const { seq, position, low, deletion } = delivery;
  const content = deletion ? `event: deleted\ndata: ${deletion.json}` : `data: ${jsonOf(delivery)}`;
  return Buffer.from(`${content}\n${seq === null ? '\n' : `id: ${placeText(position, low)}`}`);
}

function ndjsonFrame(delivery: Delivery): Buffer {
  const { seq, position, low, deletion } = delivery;
  const content = deletion ? `"deleted","data":${deletion.json}` : `"message","data":${jsonOf(delivery)}`;
  return Buffer.from(`{"event":${content},"id":${seq === null ? 'null}\n' : `"${placeText(position, low)}`}`);
}

function jsonOf({ seq, body, isMarkedLate }: Delivery): string {
  return messageJson(seq, Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(), isMarkedLate);
}

function presenceFrames(format: Format, { events }: PresenceDelivery): Buffer {
  return Buffer.concat(events.map((event) => format.event('presence', presenceJson(event))));
}

function presenceJson({ change, client, room }: PresenceEvent): string {
  return JSON.stringify({ change, client: clientJson(client), room });
}
