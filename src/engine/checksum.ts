import { crc32 } from 'node:zlib';

/** The length of a checksum as text. */
export const CHECKSUM_LENGTH = 8;

/**
 * The CRC-32 of bytes, or of a text as UTF-8. It finds every change of up to 32 bits in a row, and all but one in four thousand
 * million others.
 * @param before the checksum of what stands before these bytes
 */
export function checksum(bytes: Uint8Array | string, before = 0): number {
  return crc32(bytes, before);
}

/** A checksum as eight hexadecimal digits. */
export function checksumText(value: number): string {
  return value.toString(16).padStart(CHECKSUM_LENGTH, '0');
}
