/**
 * The ID command (RFC 2971) as Dovecot extends it: a peer in its `login_trusted_networks` says with `x-` fields for whom
 * it speaks. Postern says so first; and what a client says with such fields is taken out of its ID commands.
 */
import type { ClientTls, Introduction } from "../dialogue.ts";

/** Dovecot drops a longer one (`LOGIN_MAX_SESSION_ID_LEN`). */
const SESSION_ID_BYTES_MAX = 64;

/** So many proxies may still come behind us: what the first of Dovecot's own says (`LOGIN_PROXY_TTL` is 5). */
const PROXY_TTL = 4;

/** What the server is told of the client, under `tag`. */
export function identityLine(tag: string, { client, destination, sessionId, tls }: Introduction): string {
  const fields = [
    ["x-originating-ip", client.address.text],
    ["x-originating-port", client.port],
    ["x-connected-ip", destination.address.text],
    ["x-connected-port", destination.port],
    ["x-session-id", sessionId.replace(/[^\w.+/-]/g, "").slice(0, SESSION_ID_BYTES_MAX)],
    ["x-client-transport", transportOf(tls)],
    ["x-proxy-ttl", PROXY_TTL],
  ];
  return `${tag} ID (${fields.map(([key, value]) => `"${key}" "${value}"`).join(" ")})\r\n`;
}

/** Dovecot asks whether it begins with `TLS`. */
function transportOf(tls: ClientTls | null): string {
  return tls === null ? "insecure" : (tls.version ?? "TLS");
}

const head = /[^ ]+ ID *(?=[ \r\n])/iy;
const noFields = / *(?:NIL)? *\r?\n$/iy;
const open = / *\( */y;
const close = /\)( *\r?\n)$/y;
const quoted = /"((?:[^"\\\r\n]|\\["\\])*)"/y;
const literal = /\{(\d{1,4})\+\}\r?\n/y;
const nil = /NIL(?=[ )])/iy;
const spaces = / */y;

/**
 * A client's whole ID command, literals included, without the fields that begin with `x-`; the very same text when it
 * has none. Null when it cannot be read for certain. Spaces are as free as Dovecot lets them be.
 */
export function withoutIdentity(command: string): string | null {
  if (command.includes("\0")) return null;
  const cursor = new Cursor(command);
  const start = cursor.take(head)?.[0];
  if (start === undefined) return null;
  if (cursor.take(noFields) !== null) return command;
  if (cursor.take(open) === null) return null;
  const kept: string[] = [];
  let removed = false;
  for (;;) {
    const lineEnd = cursor.take(close)?.[1];
    if (lineEnd !== undefined) {
      if (!removed) return command;
      return `${start} ${kept.length > 0 ? `(${kept.join(" ")})` : "NIL"}${lineEnd}`;
    }
    const from = cursor.at;
    const key = cursor.string();
    cursor.take(spaces);
    if (key === null || (cursor.string() === null && cursor.take(nil) === null)) return null;
    if (/^x-/i.test(key)) removed = true;
    else kept.push(command.slice(from, cursor.at));
    cursor.take(spaces);
  }
}

/** A place in a text, and what stands there. */
class Cursor {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** What `pattern` (a sticky one) matches here; moves behind it. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.at = pattern.lastIndex;
    return match;
  }

  /** The string here, quoted (its escapes left as they are) or literal. Behind one cut short nothing matches. */
  string(): string | null {
    const content = this.take(quoted)?.[1];
    if (content !== undefined) return content;
    const octets = this.take(literal)?.[1];
    if (octets === undefined) return null;
    const from = this.at;
    this.at += Number(octets);
    return this.#text.slice(from, this.at);
  }
}
