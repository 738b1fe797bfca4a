/**
 * SMTP lines as bytes, so that reading one makes no text of it (RFC 5321 2.3.8 for the end, 2.4 for the case of words).
 *
 * Words are told apart as Postfix does it: any of C's white space separates them, also in front of the first. What a
 * laxer eye would take for another command must not pass here for nothing in particular.
 */
const NUL = 0x00;
const TAB = 0x09;
const CR = 0x0d;
const SPACE = 0x20;
const DEL = 0x7f;

/** What two servers might read differently in a line, which has one LF, at its end: null when nothing is. */
export function flawOf(line: Uint8Array): "NUL" | "CR" | "LF" | null {
  const end = line.length - 2;
  for (let index = 0; index < end; index++) {
    if (line[index] === CR) return "CR";
    if (line[index] === NUL) return "NUL";
  }
  if (line[end] === CR) return null;
  return line[end] === NUL ? "NUL" : "LF";
}

/** Whether these first bytes are no text: a TLS handshake in the clear, for one. */
export function isForeign(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? SPACE;
  return (first < SPACE && !isSpace(first)) || first >= DEL;
}

/** Whether `word`, which is in upper case, stands at `at`, in whatever case. */
export function hasWord(line: Uint8Array, at: number, word: string): boolean {
  for (let index = 0; index < word.length; index++) {
    const byte = line[at + index] ?? 0;
    const upper = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
    if (upper !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** Where the word at `at` has ended: at white space, which a line has at its end at the latest. */
export function afterWord(line: Uint8Array, at: number): number {
  let end = at;
  while (end < line.length && !isSpace(line[end])) end++;
  return end;
}

/** Where the white space at `at`, if there is some, has ended. */
export function afterSpace(line: Uint8Array, at: number): number {
  let end = at;
  while (end < line.length && isSpace(line[end])) end++;
  return end;
}

/** From tab to CR, LF among them, and the space. */
function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || (byte !== undefined && byte >= TAB && byte <= CR);
}
