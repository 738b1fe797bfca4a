/**
 * The server's side of a session until login: which response completes which command (RFC 9051 7, 5.5), and postern's own
 * ones among them.
 *
 * A response passes when it is whole, so that whatever is said in between stands where one ends, and a literal or a line is
 * never cut. Commands have tags, and their completions may come in any order: so may ours. What a response means for the
 * session is the judge's to say.
 */
import { nothing, textOf } from "../lines.ts";
import { type Offer, shown } from "./capabilities.ts";
import type { Command } from "./commands.ts";
import { type Completion, completionOf, isBye, Responses } from "./scan.ts";

export interface Judge {
  /** The server has greeted. */
  greeted(): void;
  /** The server asks the client to go on with its command. */
  continued(): void;
  completed(command: Command, completion: Completion): void;
  /** The server's responses can be followed no more. */
  astray(detail: string): void;
}

/** Far more than a client has to say at once before it is logged in. */
const COMMANDS_MAX = 32;

/**
 * - `following`: each response is read.
 * - `released`: they all pass unread.
 * - `stopped`: none passes.
 */
type Mode = "following" | "released" | "stopped";

export class Answers {
  readonly #judge: Judge;
  readonly #responses = new Responses();
  #offer: Offer;
  #mode: Mode = "following";
  #hasGreeted = false;
  /** The server has said that it ends the session. */
  #parted = false;
  /** The commands that the server has not completed, oldest first: it completes those of one tag in their order. */
  readonly #awaited: Command[] = [];
  #own: Uint8Array[] = [];
  /** What passes of the chunk is not what came. */
  #isChanged = false;

  constructor(judge: Judge, offer: Offer) {
    this.#judge = judge;
    this.#offer = offer;
  }

  /** Whether the server has said all that it had to say: its greeting, and what completes each command. */
  get isIdle(): boolean {
    return this.#hasGreeted && this.#awaited.length === 0 && !this.#responses.holds;
  }

  get hasRoom(): boolean {
    return this.#awaited.length < COMMANDS_MAX;
  }

  /** Whether the server has said more than it was asked for, in the same breath. */
  get hasMore(): boolean {
    return this.#responses.hasMore;
  }

  get hasParted(): boolean {
    return this.#parted;
  }

  /** The server will complete this. */
  expect(command: Command): void {
    this.#awaited.push(command);
  }

  /** Says something in the server's place. */
  say(reply: Uint8Array): void {
    this.#own.push(reply);
  }

  /** What was said. */
  due(): Uint8Array {
    if (this.#own.length === 0) return nothing;
    const replies = Buffer.concat(this.#own);
    this.#own = [];
    return replies;
  }

  /** From now on the client is to see this of the server's capabilities. */
  offer(offer: Offer): void {
    this.#offer = offer;
  }

  /** Nothing that the server says from here on is looked at. */
  release(): void {
    this.#mode = "released";
    this.#awaited.length = 0;
  }

  /** Nothing that the server says from here on passes. */
  stop(): void {
    this.#mode = "stopped";
  }

  /** What goes to the client for the server's bytes. */
  feed(chunk: Uint8Array): Uint8Array {
    this.#isChanged = this.#responses.holds;
    this.#responses.feed(chunk);
    const passed = this.#follow();
    if (this.#mode === "stopped") return Buffer.concat(passed);
    if (this.#mode === "released") passed.push(this.#responses.rest());
    return this.#isChanged || this.#responses.holds ? Buffer.concat(passed) : chunk;
  }

  /** What passes of the responses that are whole, until nothing more is to be followed. */
  #follow(): Uint8Array[] {
    const passed: Uint8Array[] = [];
    while (this.#mode === "following") {
      const response = this.#responses.next();
      if (response === null) {
        if (this.#responses.overrun) this.#judge.astray("overlong response");
        break;
      }
      if (!this.#passes(response)) break;
      const visible = shown(response, this.#offer);
      if (visible !== response) this.#isChanged = true;
      passed.push(visible);
    }
    return passed;
  }

  /** Reads it; whether it passes. */
  #passes(response: Uint8Array): boolean {
    const text = textOf(response);
    if (!this.#hasGreeted) this.#greet(text);
    else if (text.startsWith("+")) this.#judge.continued();
    else if (isBye(text)) this.#parted = true;
    else if (!text.startsWith("* ")) this.#complete(text);
    return this.#mode !== "stopped";
  }

  /** PREAUTH would log every client in as somebody (RFC 9051 7.1.4). */
  #greet(text: string): void {
    this.#hasGreeted = true;
    if (isBye(text)) this.#parted = true;
    else if (/^\* OK(?= |\r?\n)/i.test(text)) this.#judge.greeted();
    else this.#judge.astray("greeting is not OK");
  }

  #complete(text: string): void {
    const completion = completionOf(text);
    if (completion === null) return this.#judge.astray("malformed response");
    const index = this.#awaited.findIndex(({ tag }) => tag === completion.tag);
    const [command] = index < 0 ? [] : this.#awaited.splice(index, 1);
    if (command === undefined) this.#judge.astray("completion of nothing");
    else this.#judge.completed(command, completion);
  }
}
