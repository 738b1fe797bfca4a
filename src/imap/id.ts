/**
 * The ID command (RFC 2971) as Dovecot extends it: a peer in its `login_trusted_networks` says with `x-` fields for whom
 * it speaks. Postern says so first, under tags of its own, before the client's first byte; and what a client says with
 * such fields is taken out of its ID commands.
 *
 * Dovecot heeds the first ID alone and answers OK whether it believes it or not, so that OK is all there is to wait for.
 *
 * - `greeting`: waiting for the server's greeting.
 * - `capability`: the greeting does not list ID; waiting for the list that we asked for.
 * - `id`: waiting for the OK to our ID.
 */
import type { Introducer, Introduction, IntroductionStep } from "../dialogue.ts";
import { bytesOf, nothing } from "../lines.ts";
import { completionOf, Responses } from "./scan.ts";

type Stage = "greeting" | "capability" | "id";

const CAPABILITY_TAG = "postern1";
const ID_TAG = "postern2";

/** Dovecot drops a longer one (`LOGIN_MAX_SESSION_ID_LEN`). */
const SESSION_ID_BYTES_MAX = 64;

export class Id implements Introducer {
  readonly #introduction: Introduction;
  readonly #responses = new Responses();
  #stage: Stage = "greeting";
  #greeting: Uint8Array = nothing;
  #offered = false;
  /** The last step, once there is one: it is final. */
  #end: IntroductionStep | null = null;

  constructor(introduction: Introduction) {
    this.#introduction = introduction;
  }

  feed(chunk: Uint8Array): IntroductionStep {
    if (this.#end !== null) return this.#end;
    this.#responses.feed(chunk);
    const step = this.#step();
    if (step.kind !== "more") this.#end = step;
    return step;
  }

  /** Reads until it is our turn, or the server's words are used up. */
  #step(): IntroductionStep {
    for (;;) {
      const response = this.#responses.next();
      if (response === null) return this.#responses.overrun ? refused("overlong IMAP response") : waiting;
      const step = this.#next(response);
      if (step === waiting) continue;
      // From here on it waits for us, so that bytes behind its words could not be an answer to ours.
      if (step.kind === "more" && this.#responses.rest().length > 0)
        return refused("bytes behind a response");
      return step;
    }
  }

  #next(response: string): IntroductionStep {
    switch (this.#stage) {
      case "greeting":
        return this.#greet(response);
      case "capability":
        return this.#listen(response);
      case "id":
        return this.#finish(response);
      default:
        return this.#stage satisfies never;
    }
  }

  #greet(response: string): IntroductionStep {
    this.#greeting = bytesOf(response);
    if (/^\* BYE /i.test(response)) return { kind: "declined", reply: this.#greeting };
    // PREAUTH too: it would log every client in as somebody.
    if (!/^\* OK /i.test(response)) return refused("greeting is not OK");
    if (listsId(/^\* OK \[CAPABILITY ([^\]]*)\]/i.exec(response)?.[1])) return this.#introduce();
    this.#stage = "capability";
    return { kind: "more", send: bytesOf(`${CAPABILITY_TAG} CAPABILITY\r\n`) };
  }

  #listen(response: string): IntroductionStep {
    if (listsId(/^\* CAPABILITY (.*?)\r?\n$/i.exec(response)?.[1])) this.#offered = true;
    const end = endOf(response, CAPABILITY_TAG);
    if (end === null) return waiting;
    return end && this.#offered ? this.#introduce() : refused("ID not offered");
  }

  #introduce(): IntroductionStep {
    this.#stage = "id";
    return { kind: "more", send: bytesOf(commandLine(this.#introduction)) };
  }

  #finish(response: string): IntroductionStep {
    const end = endOf(response, ID_TAG);
    if (end === null) return waiting;
    if (!end) return refused("ID refused");
    return { kind: "done", greeting: Buffer.concat([this.#greeting, this.#responses.rest()]) };
  }
}

const waiting: IntroductionStep = { kind: "more", send: nothing };

/** Whether the server said yes to the command under `tag`; null while it has not ended it. A BYE is a no. */
function endOf(response: string, tag: string): boolean | null {
  if (/^\* BYE /i.test(response)) return false;
  const completion = completionOf(response);
  return completion?.tag === tag ? completion.ok : null;
}

function listsId(capabilities: string | undefined): boolean {
  return capabilities?.toUpperCase().split(" ").includes("ID") ?? false;
}

function commandLine({ client, destination, sessionId }: Introduction): string {
  const fields = [
    ["x-originating-ip", client.address.text],
    ["x-originating-port", client.port],
    ["x-connected-ip", destination.address.text],
    ["x-connected-port", destination.port],
    ["x-session-id", sessionId.replace(/[^\w.+/-]/g, "").slice(0, SESSION_ID_BYTES_MAX)],
  ];
  return `${ID_TAG} ID (${fields.map(([key, value]) => `"${key}" "${value}"`).join(" ")})\r\n`;
}

function refused(detail: string): IntroductionStep {
  return { kind: "refused", reason: "identity-refused", detail };
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
