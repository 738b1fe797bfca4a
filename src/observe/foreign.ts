/**
 * Text that a client chose, on its way into the log: a JSON string in which every character but a few plain ones is
 * written as an escape. Whoever parses the line gets the same text; a pattern that is looked for in the line as it stands
 * (another field, an address, the end of the text) can never be found inside it.
 */

declare global {
  interface JSON {
    /** JSON that stands for itself when it is written out (ECMA-262, JSON.parse source text access). */
    rawJSON(json: string): object;
  }
}

/** A mailbox has at most 64 + 1 + 255 octets (RFC 5321 4.5.3.1): what is longer is no user, and is cut. */
const textLengthMax = 320;

/** What takes the place of `text` in the fields of a line. */
export function foreignText(text: string): object {
  const plain = text.slice(0, textLengthMax).replace(/[^A-Za-z0-9@.+_-]/g, escaped);
  return JSON.rawJSON(`"${plain}"`);
}

/** Without the flag `u` the pattern takes code units one by one, as JSON's escapes do. */
function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
