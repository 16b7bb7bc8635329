import type { ClientInfo } from '../hub/clients.js';

/** A client for people: the line that LIST has printed since the first version. */
export function clientLine({ index, socket }: ClientInfo): string {
  return socket === null ? `Client ${index} is away.\n` : `Client ${index} is at socket ${socket}.\n`;
}
