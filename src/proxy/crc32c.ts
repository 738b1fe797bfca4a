/**
 * CRC32C, the checksum of the PROXY header's checksum TLV (Castagnoli; RFC 4960 appendix B).
 *
 * One table, one byte at a time: only headers that carry the TLV come here, and they are a few dozen bytes long. Pure;
 * it never changes what it reads.
 */

/** The polynomial 1EDC6F41 with its bits in the order in which they arrive: the lowest first. */
const REVERSED_POLYNOMIAL = 0x82f63b78;

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ (remainder & 1 ? REVERSED_POLYNOMIAL : 0);
  }
  return remainder;
});

/** The CRC32C of `bytes`; of these behind others when `before` is the CRC32C of the others. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
