/** A mail of exactly the size that is asked for, as the pieces that it is written in. It knows no command. */

/** Lines of base64 are that long (RFC 2045 6.8); none begins with a dot, so that none needs another (RFC 5321 4.5.2). */
const TEXT_LINE = `${"VGhpcyBpcyBhIGxpbmUu".repeat(4).slice(0, 76)}\r\n`;

/** What one write takes, as whole lines: a little less than the wire's own large buffers, 256 KiB. */
const block = Buffer.from(TEXT_LINE.repeat(Math.floor((256 * 1024) / TEXT_LINE.length)));

/** An empty line at the least. */
const SIZE_BYTES_MIN = 2;

/**
 * The mail with what stands before and behind it on the wire, which does not count. Its subject is as long as it takes for
 * whole lines to fill the rest; where not even the header fits there is one line and no header.
 */
export function piecesOf(sender: string, sizeBytes: number, [before, behind]: readonly [string, string]) {
  const header = (subject: string) => `From: <${sender}>\r\nSubject: ${subject}\r\n\r\n`;
  const left = sizeBytes - header("").length;
  const first =
    left < 0
      ? `${"x".repeat(Math.max(SIZE_BYTES_MIN, sizeBytes) - 2)}\r\n`
      : header("x".repeat(left % TEXT_LINE.length));
  const lines = Math.max(0, sizeBytes - first.length);
  const pieces: Uint8Array[] = Array<Uint8Array>(Math.floor(lines / block.length)).fill(block);
  const last = block.subarray(0, lines % block.length);
  if (pieces.length === 0) return [Buffer.concat([Buffer.from(before + first), last, Buffer.from(behind)])];
  return [Buffer.from(before + first), ...pieces, Buffer.concat([last, Buffer.from(behind)])];
}
