import { UsageError } from './exit-code.js';

/** Seconds. */
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** A time as people write it, such as `90d`, in seconds. @throws UsageError */
export function readDuration(flag: string, text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? NaN);
  if (seconds > 0) return seconds;
  throw new UsageError(`${flag} takes a time such as 30m, 12h, 90d or 2w, not ${JSON.stringify(text)}.`);
}

/** The moment that comes so much later, or that was written whole (RFC 3339). @throws UsageError */
export function readMoment(flag: string, text: string, now: number): Date {
  if (!/^\d{4}-\d\d-\d\d(T.+)?$/.test(text)) return new Date(now + readDuration(flag, text) * 1000);
  const date = new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new UsageError(`${flag} takes a time such as 90d, or a date such as 2027-01-31, not ${JSON.stringify(text)}.`);
}
