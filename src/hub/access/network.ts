import { isIP, isIPv6 } from 'node:net';

/**
 * What counts as one address where attempts are counted. Of IPv6 it is the /64, all of which one host may have (RFC 4291, section
 * 2.5.1); an IPv4 address within IPv6 counts as itself (RFC 4291, section 2.5.5.2; RFC 6052, section 2.1).
 *
 * @param address as a socket or `X-Forwarded-For` has it; what is no address counts as it is
 */
export function networkOf(address: string): string {
  // A zone, as in fe80::1%eth0, says through which interface, and no more.
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) return address;
  const groups = groupsOf(plain);
  const start = groups.slice(0, 6).join(':');
  if (start === '0:0:0:0:0:ffff' || start === '64:ff9b:0:0:0:0') return embedded(groups);
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** The eight groups of an IPv6 address, without zeros before them and in small letters. */
function groupsOf(address: string): string[] {
  // URL writes every address in one way, an IPv4 address at its end as two groups (WHATWG URL, section 3.3).
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const split = (text: string) => (text === '' ? [] : text.split(':'));
  if (tail === undefined) return split(head);
  const [left, right] = [split(head), split(tail)];
  return [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
}

function embedded(groups: readonly string[]): string {
  return groups
    .slice(6)
    .map((group) => parseInt(group, 16))
    .flatMap((pair) => [pair >> 8, pair & 0xff])
    .join('.');
}

/** An address, or all that begin as it does. */
export interface AddressRange {
  readonly address: string;
  readonly version: 4 | 6;
  /** How many bits of it count. */
  readonly bits: number;
}

/**
 * Reads `ADDRESS` or `ADDRESS/BITS` (RFC 4632, section 3.1; RFC 4291, section 2.3); undefined for what is neither. No bits at all
 * would be everybody, whom nobody means.
 */
export function parseRange(text: string): AddressRange | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || rest.length > 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : 0;
  return bits >= 1 && bits <= most ? { address, version, bits } : undefined;
}
