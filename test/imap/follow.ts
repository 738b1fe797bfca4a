/** A watch and all that comes out of it, so that tests can say what they feed and look at what became of it. */
import { Address } from "../../src/address.ts";
import type { LimitedEvent, Securing } from "../../src/dialogue.ts";
import type { ImapDialogueOptions } from "../../src/imap/options.ts";
import { ImapWatch } from "../../src/imap/watch.ts";
import { bytesOf, nothing, textOf } from "../../src/lines.ts";
import { pieces } from "../cuts.ts";

const plainly: ImapDialogueOptions = {
  hostname: "mail.example.test",
  startTls: "passed",
  loginNeedsTls: false,
  banText: null,
};

/** What a session may do before it is refused, and under which options. */
export interface Allowances {
  /** So many logins are tried before they are too many. */
  readonly logins?: number;
  readonly securing?: Securing;
  /** So many logins fail before another is too many. */
  readonly failures?: number;
  readonly options?: Partial<ImapDialogueOptions>;
}

/** `C` is what the client says, `S` what the server says; `T`: the client has begun TLS. */
export type Script = readonly (readonly [side: "C" | "S" | "T", text: string])[];

export const greeting = "* OK ready\r\n";

export class Followed {
  readonly watch: ImapWatch;
  readonly asked: LimitedEvent[] = [];
  readonly facts: string[] = [];
  toServer = "";
  toClient = "";
  /** The session has ended by the watch's word. */
  ended = false;

  constructor({ options, securing = "allowed", logins = 100, failures = 100 }: Allowances = {}) {
    let left = logins;
    let patience = failures;
    this.watch = new ImapWatch({ ...plainly, ...options }, Address.v4(0xcb007107), {
      allows: (event) => {
        this.asked.push(event);
        return left-- > 0;
      },
      maySecure: () => securing,
      mayLogIn: () => patience > 0,
      message: () => this.facts.push("message"),
      login: (ok, mechanism, user) => {
        if (!ok) patience--;
        this.facts.push(`${ok ? "+" : "-"} ${mechanism} ${user}`);
      },
    });
  }

  /** How far it has come, or why it ended. */
  get end(): string {
    const { stage, conclusion } = this.watch;
    const detail = conclusion?.detail ?? null;
    if (!this.ended) return stage;
    return `${conclusion?.outcome} ${conclusion?.reason}${detail === null ? "" : `: ${detail}`}`;
  }

  client(chunk: Uint8Array): Uint8Array {
    const passed = this.watch.client(chunk);
    this.toServer += textOf(passed);
    this.#follow();
    return passed;
  }

  server(chunk: Uint8Array): Uint8Array {
    const wasWaiting = this.watch.stage === "waiting";
    const passed = this.watch.server(chunk);
    this.toClient += textOf(passed);
    this.#follow();
    if (wasWaiting && this.watch.stage !== "waiting" && !this.ended) this.client(nothing);
    return passed;
  }

  #follow(): void {
    this.toClient += textOf(this.watch.due());
    const { conclusion } = this.watch;
    if (conclusion === null || this.ended) return;
    this.ended = true;
    this.toClient += textOf(conclusion.words);
  }

  /** Each text in the cuts given, as long as the watch follows. */
  play(script: Script, cutsOf: (bytes: Uint8Array) => readonly number[] = () => []): this {
    for (const [side, text] of script) {
      if (side === "T") this.watch.secured();
      const bytes = bytesOf(text);
      for (const piece of pieces(bytes, cutsOf(bytes))) {
        if (this.ended) return this;
        if (side === "C") this.client(piece);
        else if (side === "S") this.server(piece);
      }
    }
    return this;
  }

  /** All that came out, for comparison. */
  get outcome() {
    const { asked, facts, toServer, toClient, end } = this;
    return { asked, facts, toServer, toClient, end };
  }
}

/** Both sides' words of a script, in their order. */
export function saidBy(side: "C" | "S", script: Script): string {
  return script.map(([who, text]) => (who === side ? text : "")).join("");
}
