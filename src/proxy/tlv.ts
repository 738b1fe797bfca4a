/**
 * The TLVs behind the addresses of a PROXY v2 header (proxy-protocol.txt 2.2): a type byte, the length in two bytes, the
 * value.
 *
 * Every TLV is walked, those inside the SSL TLV too, so that no length can point outside the header; their values are
 * not kept, since nothing behind postern is told of them. Only the checksum is verified. A type may come several times
 * and an unknown one is passed over. Pure; it never changes what it reads.
 */
import { crc32c } from "./crc32c.ts";

export const tlvTypes = { crc32c: 0x03, uniqueId: 0x05, ssl: 0x20 } as const;

/** The type and the length. */
export const TLV_HEAD_BYTES = 3;
export const CHECKSUM_BYTES = 4;
/** The specification's own bound (2.2.5). */
export const UNIQUE_ID_BYTES_MAX = 128;

/** The client flags (1) and the verify result (4), before the TLVs inside (2.2.6). */
const SSL_HEAD_BYTES = 5;

const noChecksum = new Uint8Array(CHECKSUM_BYTES);

/** What is wrong with the TLVs that lie between `start` and `end`, where the header in `bytes` ends; null when nothing is. */
export function tlvFault(
  bytes: Uint8Array,
  start: number,
  end: number,
): "proxy-malformed" | "proxy-checksum" | null {
  let checksumAt: number | null = null;
  const sound = walk(bytes, start, end, (type, valueStart, valueEnd) => {
    switch (type) {
      case tlvTypes.crc32c:
        // With two of them neither says what the other was when it was computed.
        if (checksumAt !== null || valueEnd - valueStart !== CHECKSUM_BYTES) return false;
        checksumAt = valueStart;
        return true;
      case tlvTypes.uniqueId:
        return valueEnd - valueStart <= UNIQUE_ID_BYTES_MAX;
      case tlvTypes.ssl:
        return (
          valueEnd - valueStart >= SSL_HEAD_BYTES &&
          walk(bytes, valueStart + SSL_HEAD_BYTES, valueEnd, () => true)
        );
      default:
        return true;
    }
  });
  if (!sound) return "proxy-malformed";
  return checksumAt === null || checksumFits(bytes, checksumAt, end) ? null : "proxy-checksum";
}

/** Shows each TLV to `visit`; false when one does not fit, or when `visit` said false. */
function walk(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (type: number, valueStart: number, valueEnd: number) => boolean,
): boolean {
  let at = start;
  while (at < end) {
    const valueStart = at + TLV_HEAD_BYTES;
    if (valueStart > end) return false;
    const valueEnd = valueStart + ((bytes[at + 1]! << 8) | bytes[at + 2]!);
    if (valueEnd > end || !visit(bytes[at]!, valueStart, valueEnd)) return false;
    at = valueEnd;
  }
  return true;
}

/** The checksum counts its own four bytes as zero (2.2.3). They are not zeroed: `bytes` may be a buffer that others use. */
function checksumFits(bytes: Uint8Array, checksumAt: number, end: number): boolean {
  const valueEnd = checksumAt + CHECKSUM_BYTES;
  const before = crc32c(noChecksum, crc32c(bytes.subarray(0, checksumAt)));
  const computed = crc32c(bytes.subarray(valueEnd, end), before);
  const sent = new DataView(bytes.buffer, bytes.byteOffset + checksumAt).getUint32(0);
  return computed === sent;
}
