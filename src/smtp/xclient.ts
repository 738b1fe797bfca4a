/**
 * Tells a Postfix who the client is, with its XCLIENT command (Postfix's XCLIENT_README), before the client's first byte.
 *
 * The server greets, we say EHLO, it must list XCLIENT with ADDR; we send one XCLIENT line, and it starts over with a
 * fresh greeting, which is the first that the client sees. Between these steps it has to wait for us: a server that says
 * more is out of step, and what it says later could not be trusted to answer what we asked.
 *
 * - `greeting`: waiting for the server's own greeting.
 * - `hello`: waiting for the reply to our EHLO.
 * - `xclient`: waiting for the fresh greeting.
 */
import type { Address } from "../address.ts";
import type { Introducer, Introduction, IntroductionStep } from "../dialogue.ts";
import { bytesOf, nothing } from "../lines.ts";
import { Replies, type Reply } from "./reply.ts";

type Stage = "greeting" | "hello" | "xclient";

const waiting: IntroductionStep = { kind: "more", send: nothing };

export class Xclient implements Introducer {
  readonly #hello: Uint8Array;
  readonly #introduction: Introduction;
  readonly #replies = new Replies();
  #stage: Stage = "greeting";
  /** The last step, once there is one: it is final. */
  #end: IntroductionStep | null = null;

  constructor(hostname: string, introduction: Introduction) {
    this.#hello = bytesOf(`EHLO ${hostname}\r\n`);
    this.#introduction = introduction;
  }

  feed(chunk: Uint8Array): IntroductionStep {
    if (this.#end !== null) return this.#end;
    this.#replies.feed(chunk);
    const reply = this.#replies.next();
    if (reply === null && !this.#replies.malformed) return waiting;
    const step = reply === null ? refused("malformed SMTP reply") : this.#next(reply);
    if (step.kind !== "more") this.#end = step;
    return step;
  }

  #next(reply: Reply): IntroductionStep {
    const rest = this.#replies.rest();
    switch (this.#stage) {
      case "greeting":
        if (reply.code !== 220) return { kind: "declined", reply: reply.bytes };
        if (rest.length > 0) return refused("bytes behind the greeting");
        this.#stage = "hello";
        return { kind: "more", send: this.#hello };
      case "hello":
        if (reply.code !== 250) return refused("EHLO refused");
        if (rest.length > 0) return refused("bytes behind the EHLO reply");
        return this.#xclient(attributesOffered(reply));
      case "xclient":
        if (reply.code === 220) return { kind: "done", greeting: Buffer.concat([reply.bytes, rest]) };
        // Postfix counts the client's connections here, and 421 is its limit on this client.
        if (reply.code === 421) return { kind: "declined", reply: reply.bytes };
        return refused("XCLIENT refused");
      default:
        return this.#stage satisfies never;
    }
  }

  #xclient(offered: ReadonlySet<string>): IntroductionStep {
    if (!offered.has("ADDR")) return refused("XCLIENT not offered");
    this.#stage = "xclient";
    return { kind: "more", send: bytesOf(commandLine(this.#introduction, offered)) };
  }
}

/**
 * ADDR stands last, because the server judges what follows by the new address. The line is 137 bytes at most with IPv4,
 * and far below the 512 that it may have with IPv6 too: two addresses of 39 bytes, two ports and the names.
 */
function commandLine({ client, destination }: Introduction, offered: ReadonlySet<string>): string {
  const attributes: [name: string, value: string][] = [
    ["NAME", "[UNAVAILABLE]"],
    ["PORT", String(client.port)],
    ["DESTADDR", addressValue(destination.address)],
    ["DESTPORT", String(destination.port)],
    ["ADDR", addressValue(client.address)],
  ];
  const words = attributes
    .filter(([name]) => offered.has(name))
    .map(([name, value]) => `${name}=${xtext(value)}`);
  return `XCLIENT ${words.join(" ")}\r\n`;
}

function addressValue(address: Address): string {
  return address.family === 6 ? `IPV6:${address.text}` : address.text;
}

/** RFC 3461 4: whatever is not printable, and `+` and `=`, as `+` and two hex digits. */
export function xtext(value: string): string {
  return Buffer.from(value)
    .toString("latin1")
    .replace(/[^!-~]|[+=]/g, (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** What stands behind XCLIENT in an EHLO reply, whose first line only names the server. */
function attributesOffered(reply: Reply): ReadonlySet<string> {
  for (const text of reply.texts.slice(1)) {
    const [keyword, ...attributes] = text.toUpperCase().split(" ");
    if (keyword === "XCLIENT") return new Set(attributes);
  }
  return new Set();
}

function refused(detail: string): IntroductionStep {
  return { kind: "refused", detail };
}
