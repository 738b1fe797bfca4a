/** A watch and all that comes out of it, so that tests can say what they feed and look at what became of it. */
import { Address } from "../../src/address.ts";
import type { LimitedEvent } from "../../src/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { SmtpWatch } from "../../src/smtp/watch.ts";
import { pieces } from "../cuts.ts";

const hostname = "mx.example.test";

/** What a session may do before it is refused. */
export type Allowances = Readonly<Partial<Record<LimitedEvent, number>>>;

/** `C` is what the client says, `S` what the server says. */
export type Script = readonly (readonly [side: "C" | "S", text: string])[];

export class Followed {
  readonly watch: SmtpWatch;
  readonly asked: LimitedEvent[] = [];
  readonly facts: string[] = [];
  toServer = "";
  toClient = "";

  constructor(allowances: Allowances = {}, client = Address.v4(0xcb007107)) {
    const left = new Map(Object.entries(allowances));
    this.watch = new SmtpWatch({
      hostname,
      client,
      witness: {
        allows: (event) => {
          this.asked.push(event);
          const allowed = left.get(event) ?? Number.POSITIVE_INFINITY;
          left.set(event, allowed - 1);
          return allowed > 0;
        },
        message: (accepted, recipients) => this.facts.push(`message ${accepted ? "+" : "-"} ${recipients}`),
        login: (ok, mechanism, user) => this.facts.push(`login ${ok ? "+" : "-"} ${mechanism} ${user}`),
      },
    });
  }

  client(chunk: Uint8Array): Uint8Array {
    const passed = this.watch.client(chunk);
    this.toServer += textOf(passed);
    this.toClient += textOf(this.watch.due());
    return passed;
  }

  server(chunk: Uint8Array): Uint8Array {
    const passed = this.watch.server(chunk);
    this.toClient += textOf(passed);
    this.toClient += textOf(this.watch.due());
    return passed;
  }

  /** Each text in the cuts given, as long as the watch follows. */
  play(script: Script, cutsOf: (bytes: Uint8Array) => readonly number[] = () => []): this {
    for (const [side, text] of script) {
      const bytes = bytesOf(text);
      for (const piece of pieces(bytes, cutsOf(bytes))) {
        if (this.watch.violation !== null) return this;
        if (side === "C") this.client(piece);
        else this.server(piece);
      }
    }
    return this;
  }

  /** All that came out, for comparison. */
  get outcome() {
    const { opaque, violation, severed, closing } = this.watch;
    const { asked, facts, toServer, toClient } = this;
    return { asked, facts, toServer, toClient, opaque, violation, severed, closing };
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
