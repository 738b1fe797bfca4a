/**
 * The exchange with an SMTP server before the client is heard: TLS by STARTTLS (RFC 3207), then who the client is by
 * Postfix's XCLIENT (XCLIENT_README); either of them, or both in this order, as the agenda has it.
 *
 * The server greets and we say EHLO. Where TLS is on the agenda it must list STARTTLS and answer it with 220 and nothing
 * else; inside TLS all that was said before is void (RFC 3207 4.2), so that EHLO is said anew. Where the client is to be
 * named it must list XCLIENT with ADDR; we send one XCLIENT line, and it starts over with a fresh greeting, which is the
 * first that the client sees. Without XCLIENT that is the first greeting, kept until then: the client's own EHLO tells it
 * what the server offers inside TLS.
 *
 * Between these steps the server has to wait for us: one that says more is out of step, and what it says later could not
 * be trusted to answer what we asked.
 *
 * - `greeting`: waiting for the server's own greeting, however many lines it takes its time for.
 * - `hello`: waiting for the reply to our EHLO.
 * - `starttls`: waiting for the word to begin TLS.
 * - `xclient`: waiting for the fresh greeting.
 */
import type { Agenda, Introducer, Introduction, IntroductionStep } from "../dialogue.ts";
import { bytesOf, nothing } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";
import { refusalOf } from "./greeting.ts";
import { Replies, type Reply } from "./reply.ts";
import { xclientLine } from "./xclient.ts";

type Stage = "greeting" | "hello" | "starttls" | "xclient";

const waiting: IntroductionStep = { kind: "more", send: nothing };
const startTls: IntroductionStep = { kind: "more", send: bytesOf("STARTTLS\r\n") };

export class SmtpIntroducer implements Introducer {
  readonly #hello: IntroductionStep;
  readonly #introduction: Introduction;
  readonly #names: boolean;
  readonly #replies = new Replies();
  #stage: Stage = "greeting";
  /** TLS is still to begin. */
  #awaitsTls: boolean;
  #greeting: Uint8Array = nothing;
  /** The last step, once there is one: it is final. */
  #end: IntroductionStep | null = null;

  constructor(hostname: string, introduction: Introduction, { startsTls, names }: Agenda) {
    this.#hello = { kind: "more", send: bytesOf(`EHLO ${hostname}\r\n`) };
    this.#introduction = introduction;
    this.#names = names;
    this.#awaitsTls = startsTls;
  }

  feed(chunk: Uint8Array): IntroductionStep {
    if (this.#end !== null) return this.#end;
    this.#replies.feed(chunk);
    const reply = this.#replies.next();
    if (reply === null && !this.#replies.malformed) return waiting;
    const step = reply === null ? this.#refused("malformed SMTP reply") : this.#next(reply);
    const last = step.kind === "secure" ? step.next : step;
    if (last.kind !== "more") this.#end = last;
    return step;
  }

  #next(reply: Reply): IntroductionStep {
    const rest = this.#replies.rest();
    switch (this.#stage) {
      case "greeting":
        if (reply.code >= 400) return { kind: refusalOf(reply.code), reply: reply.bytes };
        if (reply.code !== 220) return { kind: "declined", reply: reply.bytes };
        if (rest.length > 0) return this.#refused("bytes behind the greeting");
        this.#greeting = reply.bytes;
        return this.#sayHello();
      case "hello":
        if (reply.code !== 250) return this.#refused("EHLO refused");
        if (rest.length > 0) return this.#refused("bytes behind the EHLO reply");
        return this.#awaitsTls ? this.#startTls(reply) : this.#name(reply);
      case "starttls":
        if (reply.code !== 220) return this.#refused("STARTTLS refused");
        if (rest.length > 0) return refused("response-injection", "bytes behind the reply to STARTTLS");
        return { kind: "secure", next: this.#secured() };
      case "xclient":
        if (reply.code === 220) return { kind: "done", greeting: Buffer.concat([reply.bytes, rest]) };
        // Postfix counts the client's connections here, and 421 is its limit on this client.
        if (reply.code === 421) return { kind: "declined", reply: reply.bytes };
        return this.#refused("XCLIENT refused");
      default:
        return this.#stage satisfies never;
    }
  }

  #sayHello(): IntroductionStep {
    this.#stage = "hello";
    return this.#hello;
  }

  #startTls(hello: Reply): IntroductionStep {
    if (offered(hello, "STARTTLS") === null) return this.#refused("STARTTLS not offered");
    this.#stage = "starttls";
    return startTls;
  }

  #secured(): IntroductionStep {
    this.#awaitsTls = false;
    return this.#names ? this.#sayHello() : { kind: "done", greeting: this.#greeting };
  }

  #name(hello: Reply): IntroductionStep {
    const attributes = new Set(offered(hello, "XCLIENT"));
    if (!attributes.has("ADDR")) return this.#refused("XCLIENT not offered");
    this.#stage = "xclient";
    return { kind: "more", send: bytesOf(xclientLine(this.#introduction, attributes)) };
  }

  /** Short of TLS the server cannot be used as it is set up, whoever the client is. */
  #refused(detail: string): IntroductionStep {
    return refused(this.#awaitsTls ? "upstream-unavailable" : "identity-refused", detail);
  }
}

/** The words behind `keyword` in an EHLO reply, whose first line only names the server; null where it is not listed. */
function offered(hello: Reply, keyword: string): readonly string[] | null {
  for (const text of hello.texts.slice(1)) {
    const [listed, ...words] = text.toUpperCase().split(" ");
    if (listed === keyword) return words;
  }
  return null;
}

function refused(reason: SpokenReason, detail: string): IntroductionStep {
  return { kind: "refused", reason, detail };
}
