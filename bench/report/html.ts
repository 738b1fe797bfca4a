/**
 * HTML and SVG by a template that escapes: whatever is put into one is text, unless a template made it. So what a target
 * said can become markup nowhere in a page, and no caller has to think of it. Pure.
 */

/** Markup as it stands. A program makes one by `html`, and by itself only of a constant of its own. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** A list stands for its parts, one after the other. */
export type Part = string | number | Html | readonly Part[];

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, at) => text + (at < parts.length ? textOf(parts[at]!) : "")).join(""));
}

export const nothing = html``;

function textOf(part: Part): string {
  if (part instanceof Html) return part.toString();
  if (typeof part === "string") return escaped(part);
  return typeof part === "number" ? String(part) : part.map(textOf).join("");
}

/** Control characters are no part of HTML, escaped or not, and those that turn the direction of text could forge it. */
function escaped(text: string): string {
  return text.replace(/\p{C}/gu, "\ufffd").replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
