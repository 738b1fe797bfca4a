/** The conversation of a check with an IMAP server: its greeting, LOGOUT, its BYE and OK (RFC 9051 6.1.3). */
import type { Parting, PartingStep } from "../dialogue.ts";
import { bytesOf, textOf } from "../lines.ts";
import { completionOf, isBye, Responses } from "./scan.ts";

const TAG = "postern3";
const logout = bytesOf(`${TAG} LOGOUT\r\n`);

export class ImapParting implements Parting {
  readonly goodbye = logout;
  readonly #responses = new Responses();
  #isGreeted = false;

  feed(chunk: Uint8Array): PartingStep {
    this.#responses.feed(chunk);
    for (let response = this.#next(); response !== null; response = this.#next()) {
      if (!this.#isGreeted) return this.#greet(response);
      if (completionOf(response)?.tag === TAG) return { kind: "parted" };
    }
    if (this.#responses.overrun) return { kind: "refused", detail: "overlong IMAP response" };
    return { kind: "waiting" };
  }

  #greet(greeting: string): PartingStep {
    this.#isGreeted = true;
    if (isBye(greeting)) return { kind: "refused", detail: "its greeting is a BYE" };
    if (!/^\* OK /i.test(greeting)) return { kind: "refused", detail: "greeting is not OK" };
    if (this.#responses.hasMore) return { kind: "refused", detail: "bytes behind the greeting" };
    return { kind: "greeted" };
  }

  #next(): string | null {
    const response = this.#responses.next();
    return response === null ? null : textOf(response);
  }
}
