/** A watch and all that comes out of it, so that tests can say what they feed and look at what became of it. */
import { Address } from "../../src/address.ts";
import type { LimitedEvent, Securing } from "../../src/dialogue.ts";
import { bytesOf, nothing, textOf } from "../../src/lines.ts";
import type { SmtpDialogueOptions } from "../../src/smtp/options.ts";
import { SmtpWatch } from "../../src/smtp/watch.ts";
import { pieces } from "../cuts.ts";

const plainly: SmtpDialogueOptions = {
  hostname: "mx.example.test",
  earlyTalk: "pass",
  bareNewline: "reject",
  startTls: "passed",
  loginNeedsTls: false,
  banText: null,
};

/** What a session may do before it is refused, and under which options. */
export interface Allowances extends Readonly<Partial<Record<LimitedEvent, number>>> {
  readonly securing?: Securing;
  readonly mayLogIn?: boolean;
  readonly options?: Partial<SmtpDialogueOptions>;
}

/** `C` is what the client says, `S` what the server says; `T`: the client has begun TLS. */
export type Script = readonly (readonly [side: "C" | "S" | "T", text: string])[];

export class Followed {
  readonly watch: SmtpWatch;
  readonly asked: LimitedEvent[] = [];
  readonly facts: string[] = [];
  toServer = "";
  toClient = "";
  /** The session has ended by the watch's word. */
  ended = false;

  constructor(
    { options, securing = "allowed", mayLogIn = true, ...allowances }: Allowances = {},
    client = Address.v4(0xcb007107),
  ) {
    const left = new Map(Object.entries(allowances));
    this.watch = new SmtpWatch({ ...plainly, ...options }, client, {
      allows: (event) => {
        this.asked.push(event);
        const allowed = left.get(event) ?? Number.POSITIVE_INFINITY;
        left.set(event, allowed - 1);
        return allowed > 0;
      },
      maySecure: () => securing,
      mayLogIn: () => mayLogIn,
      message: (accepted, recipients) => this.facts.push(`message ${accepted ? "+" : "-"} ${recipients}`),
      login: (ok, mechanism, user) => this.facts.push(`login ${ok ? "+" : "-"} ${mechanism} ${user}`),
    });
  }

  /** How far it has come, or why it ended. */
  get end(): string {
    const { stage, conclusion } = this.watch;
    return this.ended ? `${conclusion?.outcome} ${conclusion?.reason}` : stage;
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
    const { stage, conclusion } = this.watch;
    if (conclusion === null || stage === "severed" || stage === "ending" || this.ended) return;
    this.ended = true;
    this.toClient += textOf(conclusion.words);
  }

  /** Each text in the cuts given, as long as the watch follows. */
  play(script: Script, cutsOf: (bytes: Uint8Array) => readonly number[] = () => []): this {
    for (const [side, text] of script) {
      const bytes = bytesOf(text);
      for (const piece of pieces(bytes, cutsOf(bytes))) {
        if (this.ended) return this;
        if (side === "C") this.client(piece);
        else if (side === "S") this.server(piece);
        else this.watch.secured();
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

/** What Postfix says to EHLO where the gateway may use XCLIENT. */
export const helloReply =
  "250-mail.example.test\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250-XCLIENT NAME ADDR\r\n250 CHUNKING\r\n";
const helloShown = helloReply.replace(/250-XCLIENT.*\r\n/, "");

/** From the greeting to the answered EHLO. */
export const opening: Script = [
  ["S", "220 mail.example.test ESMTP\r\n"],
  ["C", "EHLO client.example.org\r\n"],
  ["S", helloReply],
];
export const openingSaid = `220 mail.example.test ESMTP\r\n${helloShown}`;
export const openingHeard = "EHLO client.example.org\r\n";
