/** Names a client for ever: a positive integer, handed out in order of connection, never twice. */
export type ClientIndex = number & { readonly __clientIndex: unique symbol };

/** Takes a number for an index; undefined where it cannot be one. */
export function asClientIndex(value: number): ClientIndex | undefined {
  return Number.isSafeInteger(value) && value > 0 ? (value as ClientIndex) : undefined;
}

/** The series of their numbers. */
export const CLIENTS = 'client';
