import type { ClientInfo, Message } from '../sdk/resources.js';

/** A client as it is called: by its name, or by its number where it has none. */
export function nameOf(client: { readonly index: number; readonly name: string | null }): string {
  return client.name ?? `Client ${client.index}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

export function clock(time: Date): string {
  return CLOCK.format(time);
}

export function exactTime(time: Date): string {
  return EXACT.format(time);
}

export function dayOf(time: Date): string {
  return DAY.format(time);
}

/** Such as `5 minutes ago`. @param now milliseconds since 1970 */
export function ago(time: Date, now: number): string {
  const seconds = Math.max(0, (now - time.getTime()) / 1000);
  if (seconds < 60) return AGO.format(-Math.round(seconds / 10) * 10, 'second');
  if (seconds < 3600) return AGO.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 86_400) return AGO.format(-Math.round(seconds / 3600), 'hour');
  return AGO.format(-Math.round(seconds / 86_400), 'day');
}

export function lastSeen(client: ClientInfo, now: number): string {
  return `last seen ${ago(new Date(client.lastSeenAt), now)}`;
}

/** A message in one line, of 200 characters at most. */
export function summary(message: Message): string {
  const text = message.text ?? JSON.stringify(message.data);
  const line = text.replace(/\s+/g, ' ');
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

export function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}
