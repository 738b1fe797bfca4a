/**
 * Where a message's content ends: at the first CRLF.CRLF (RFC 5321 4.1.1.4), the CRLF of the DATA line counted.
 *
 * A back end that is not the bottleneck cannot look at every byte. Hardly one that is not at the end stands before a CRLF
 * and is a dot, so that is what the runtime's own search is sent for; by hand only a chunk's seams are followed.
 */
const CR = 0x0d;
const LF = 0x0a;

const END = Uint8Array.of(CR, LF, 0x2e, CR, LF);
const DOT_LINE = ".\r\n";

/** A chunk's last bytes that may begin an end. */
const SEAM_BYTES = END.length - 1;

/** Of the end these belong to the content: the CRLF of its last line. */
export const END_BYTES = END.length - 2;

export class ContentEnd {
  /** How many of the end's bytes the last ones were. */
  #matched = 2;

  /** How many bytes of the chunk are the content's, its end included; null when it does not end in them. */
  feed(chunk: Uint8Array): number | null {
    let at = 0;
    while (at < chunk.length && this.#matched > 0) if (this.#ends(chunk[at++]!)) return at;
    const end = endIn(chunk, at);
    if (end !== null) return end;
    for (at = Math.max(at, chunk.length - SEAM_BYTES); at < chunk.length; at++) this.#ends(chunk[at]!);
    return null;
  }

  /** Two ends cannot overlap, but where one breaks off, a CR may begin the next. */
  #ends(byte: number): boolean {
    if (byte === END[this.#matched]) this.#matched++;
    else this.#matched = byte === CR ? 1 : 0;
    return this.#matched === END.length;
  }
}

/** Behind an end that lies in the chunk from `from` on. */
function endIn(chunk: Uint8Array, from: number): number | null {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  let dot = bytes.indexOf(DOT_LINE, from, "latin1");
  while (dot >= 0 && (bytes[dot - 1] !== LF || bytes[dot - 2] !== CR))
    dot = bytes.indexOf(DOT_LINE, dot + 1, "latin1");
  return dot < 0 ? null : dot + DOT_LINE.length;
}
