/**
 * The TLVs behind the addresses of a PROXY v2 header (proxy-protocol.txt 2.2): a type byte, the length in two bytes, the
 * value.
 *
 * In: every TLV is walked, those inside the SSL TLV too, so that no length can point outside the header; their values are
 * not kept, since nothing behind postern is told of them. Only the checksum is verified. A type may come several times
 * and an unknown one is passed over. Out: those that postern itself has something to say in.
 *
 * Pure; it never changes what it reads.
 */
import assert from "node:assert/strict";
import type { ClientTls } from "../dialogue.ts";
import { crc32c } from "./crc32c.ts";

const tlvTypes = { crc32c: 0x03, uniqueId: 0x05, ssl: 0x20 } as const;
/** Inside the SSL TLV (2.2.6). */
const sslTypes = { version: 0x21, cipher: 0x23 } as const;

/** The type and the length. */
const TLV_HEAD_BYTES = 3;
export const CHECKSUM_BYTES = 4;
/** The specification's own bound (2.2.5). */
const UNIQUE_ID_BYTES_MAX = 128;

/** The client flags (1) and the verify result (4), before the TLVs inside (2.2.6). */
const SSL_HEAD_BYTES = 5;

/**
 * PP2_CLIENT_SSL, and neither of the flags for a client's certificate. Then `verify` is not 0, which would say that there
 * was one and that it was good: HAProxy says 0 all the same, Dovecot takes either.
 */
const sslHead = Buffer.from([0x01, 0, 0, 0, 1]);

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

export interface TlvOptions {
  /** At most 128 bytes. */
  readonly uniqueId?: string | Uint8Array;
  /** TLS with the client, which ends here. */
  readonly ssl?: ClientTls | null;
  /** Room for a checksum, zero as it counts itself: it stands last. */
  readonly crc32c?: boolean;
}

/** The TLVs, ready to stand behind the addresses. */
export function encodeTlvs({ uniqueId, ssl, crc32c }: TlvOptions): Buffer {
  const tlvs: Buffer[] = [];
  if (uniqueId !== undefined) {
    const value = Buffer.from(uniqueId);
    assert(value.length <= UNIQUE_ID_BYTES_MAX);
    tlvs.push(tlv(tlvTypes.uniqueId, value));
  }
  if (ssl) tlvs.push(sslTlv(ssl));
  if (crc32c) tlvs.push(tlv(tlvTypes.crc32c, noChecksum));
  return Buffer.concat(tlvs);
}

function sslTlv({ version, cipher }: ClientTls): Buffer {
  const value: Uint8Array[] = [sslHead];
  if (version !== null) value.push(tlv(sslTypes.version, Buffer.from(version)));
  if (cipher !== null) value.push(tlv(sslTypes.cipher, Buffer.from(cipher)));
  return tlv(tlvTypes.ssl, Buffer.concat(value));
}

function tlv(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >>> 8, value.length & 0xff]), value]);
}
