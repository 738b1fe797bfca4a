/**
 * The exchange with an IMAP server before the client is heard: TLS by STARTTLS (RFC 9051 6.2.1), then who the client is by
 * ID; either of them, or both in this order, as the agenda has it. All of it is said under tags of our own, ahead of the
 * client's first byte, and the client sees none of it.
 *
 * The server's greeting is the first that the client sees. Inside TLS the capabilities that it told in the clear are void:
 * they are asked for anew, and stand in the greeting in place of the old ones. ID must be among them, or among those of
 * the greeting, where the client is to be named. Dovecot heeds the first ID alone and answers OK whether it believes it or
 * not, so that OK is all there is to wait for.
 *
 * Between these steps the server has to wait for us: one that says more is out of step, and what it says later could not
 * be trusted to answer what we asked.
 *
 * - `greeting`: waiting for the server's greeting.
 * - `starttls`: waiting for the word to begin TLS.
 * - `capability`: waiting for the list that we asked for.
 * - `id`: waiting for the OK to our ID.
 */
import type { Agenda, Introducer, Introduction, IntroductionStep } from "../dialogue.ts";
import { bytesOf, nothing, textOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";
import { identityLine } from "./id.ts";
import { completionOf, isBye, Responses } from "./scan.ts";

type Stage = "greeting" | "starttls" | "capability" | "id";

const STARTTLS_TAG = "postern0";
const CAPABILITY_TAG = "postern1";
const ID_TAG = "postern2";

const waiting: IntroductionStep = { kind: "more", send: nothing };
const startTls: IntroductionStep = { kind: "more", send: bytesOf(`${STARTTLS_TAG} STARTTLS\r\n`) };
const askCapabilities: IntroductionStep = {
  kind: "more",
  send: bytesOf(`${CAPABILITY_TAG} CAPABILITY\r\n`),
};

const capabilityCode = /^(\* OK )\[CAPABILITY ([^\]\r\n]*)\] ?/i;

export class ImapIntroducer implements Introducer {
  readonly #introduction: Introduction;
  readonly #startsTls: boolean;
  readonly #names: boolean;
  readonly #responses = new Responses();
  #stage: Stage = "greeting";
  /** TLS is still to begin. */
  #awaitsTls: boolean;
  #greeting = "";
  /** What the server has listed, when it was asked. */
  #capabilities: string | null = null;
  /** The last step, once there is one: it is final. */
  #end: IntroductionStep | null = null;

  constructor(introduction: Introduction, { startsTls, names }: Agenda) {
    this.#introduction = introduction;
    this.#startsTls = startsTls;
    this.#names = names;
    this.#awaitsTls = startsTls;
  }

  feed(chunk: Uint8Array): IntroductionStep {
    if (this.#end !== null) return this.#end;
    this.#responses.feed(chunk);
    const step = this.#step();
    if (step.kind !== "more" && step.kind !== "secure") this.#end = step;
    return step;
  }

  /** Reads until it is our turn, or the server's words are used up. */
  #step(): IntroductionStep {
    for (;;) {
      const response = this.#responses.next();
      if (response === null)
        return this.#responses.overrun ? this.#refused("overlong IMAP response") : waiting;
      const step = this.#next(textOf(response));
      if (step === waiting) continue;
      // From here on it waits for us, so that bytes behind its words could not be an answer to ours.
      if (step.kind === "more" && this.#responses.hasMore) return this.#refused("bytes behind a response");
      return step;
    }
  }

  #next(response: string): IntroductionStep {
    switch (this.#stage) {
      case "greeting":
        return this.#greet(response);
      case "starttls":
        return this.#secure(response);
      case "capability":
        return this.#listen(response);
      case "id":
        return this.#finish(response);
      default:
        return this.#stage satisfies never;
    }
  }

  #greet(response: string): IntroductionStep {
    this.#greeting = response;
    if (isBye(response)) return { kind: "unwilling", reply: bytesOf(response) };
    // PREAUTH too: it would log every client in as somebody.
    if (!/^\* OK /i.test(response)) return this.#refused("greeting is not OK");
    if (this.#awaitsTls) return this.#await("starttls", startTls);
    return listsId(capabilityCode.exec(response)?.[2] ?? null) ? this.#introduce() : this.#ask();
  }

  /** What a server says behind its OK would be read as if it had come inside TLS (CVE-2011-0411 and its like). */
  #secure(response: string): IntroductionStep {
    const isYes = endOf(response, STARTTLS_TAG);
    if (isYes === null) return waiting;
    if (!isYes) return this.#refused("STARTTLS refused");
    if (this.#responses.hasMore) return refused("response-injection", "bytes behind the reply to STARTTLS");
    this.#awaitsTls = false;
    return { kind: "secure", next: this.#ask() };
  }

  #ask(): IntroductionStep {
    return this.#await("capability", askCapabilities);
  }

  #listen(response: string): IntroductionStep {
    this.#capabilities ??= /^\* CAPABILITY (.*?) *\r?\n$/i.exec(response)?.[1] ?? null;
    const isYes = endOf(response, CAPABILITY_TAG);
    if (isYes === null) return waiting;
    if (!this.#names) return isYes ? this.#done() : this.#refused("no capabilities inside TLS");
    return isYes && listsId(this.#capabilities) ? this.#introduce() : this.#refused("ID not offered");
  }

  #introduce(): IntroductionStep {
    return this.#await("id", { kind: "more", send: bytesOf(identityLine(ID_TAG, this.#introduction)) });
  }

  #finish(response: string): IntroductionStep {
    const isYes = endOf(response, ID_TAG);
    if (isYes === null) return waiting;
    return isYes ? this.#done() : this.#refused("ID refused");
  }

  #await(stage: Stage, step: IntroductionStep): IntroductionStep {
    this.#stage = stage;
    return step;
  }

  #done(): IntroductionStep {
    const list = this.#startsTls ? this.#capabilities : null;
    const greeting =
      list === null
        ? this.#greeting
        : this.#greeting.replace(capabilityCode, (_, ok) => `${ok}[CAPABILITY ${list}] `);
    return { kind: "done", greeting: Buffer.concat([bytesOf(greeting), this.#responses.rest()]) };
  }

  /** Short of TLS the server cannot be used as it is set up, whoever the client is. */
  #refused(detail: string): IntroductionStep {
    const isIdentity = this.#names && !this.#awaitsTls;
    return refused(isIdentity ? "identity-refused" : "upstream-unavailable", detail);
  }
}

/** Whether the server said yes to the command under `tag`; null while it has not ended it. A BYE is a no. */
function endOf(response: string, tag: string): boolean | null {
  if (isBye(response)) return false;
  const completion = completionOf(response);
  return completion?.tag === tag ? completion.status === "OK" : null;
}

function listsId(capabilities: string | null): boolean {
  return capabilities?.toUpperCase().split(" ").includes("ID") ?? false;
}

function refused(reason: SpokenReason, detail: string): IntroductionStep {
  return { kind: "refused", reason, detail };
}
