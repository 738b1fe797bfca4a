/**
 * The conversation of a check with an SMTP server: its greeting, QUIT, its 221 (RFC 5321 4.1.1.10).
 *
 * Nothing is said before the greeting's last line: postscreen makes one of several lines, and takes whoever speaks between
 * them for a spammer. Nor is EHLO said, which no server needs to see whether it is there.
 */
import type { Parting, PartingStep } from "../dialogue.ts";
import { bytesOf } from "../lines.ts";
import { Replies } from "./reply.ts";

const quit = bytesOf("QUIT\r\n");

export class SmtpParting implements Parting {
  readonly goodbye = quit;
  readonly #replies = new Replies();
  #isGreeted = false;

  feed(chunk: Uint8Array): PartingStep {
    this.#replies.feed(chunk);
    const reply = this.#replies.next();
    if (this.#replies.malformed) return { kind: "refused", detail: "malformed SMTP reply" };
    if (reply === null) return { kind: "waiting" };
    if (this.#isGreeted) return { kind: "parted" };
    this.#isGreeted = true;
    if (reply.code !== 220) return { kind: "refused", detail: `its greeting is a ${reply.code}` };
    if (this.#replies.rest().length > 0) return { kind: "refused", detail: "bytes behind the greeting" };
    return { kind: "greeted" };
  }
}
