/**
 * How far a mail transaction has come, as the server's replies tell, and whether Postfix's smtpd would count a command: it
 * counts MAIL and RCPT where their place and form are right. The place is judged as if all that is not answered yet went
 * well; and EHLO or HELO has to come first, as servers may demand.
 */
import type { Answers, Awaited } from "./answers.ts";
import { hasPath } from "./commands.ts";

/** None, begun by MAIL, or so far that its content comes by BDAT and no more recipients do. */
type Transaction = "none" | "begun" | "chunked";

/** What a good reply makes of the transaction. */
const transactionAfter: Readonly<Partial<Record<Awaited, Transaction>>> = {
  mail: "begun",
  "mail-uncounted": "begun",
  chunk: "chunked",
  message: "none",
  last: "none",
  ehlo: "none",
  helo: "none",
  reset: "none",
  securing: "none",
};

/** Any reply does that to the transaction, because the content is used up. */
const spending: ReadonlySet<Awaited> = new Set<Awaited>(["chunk", "message", "last"]);

const decides = (awaited: Awaited): boolean => transactionAfter[awaited] !== undefined;
const isHello = (awaited: Awaited): boolean => awaited === "ehlo" || awaited === "helo";

export class Envelope {
  readonly #answers: Answers;
  #transaction: Transaction = "none";
  /** The server has taken an EHLO or HELO. */
  #introduced = false;
  /** Of the transaction, as far as the server has taken them. */
  #recipients = 0;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  get recipients(): number {
    return this.#recipients;
  }

  /** Whether a MAIL is in its place and of the right form. */
  countsMail(line: Uint8Array): boolean {
    const introduced = this.#introduced || this.#answers.newest(isHello) !== null;
    return introduced && this.#expected === "none" && hasPath(line, "FROM:");
  }

  countsRecipient(line: Uint8Array): boolean {
    return this.#expected === "begun" && hasPath(line, "TO:");
  }

  /** The client starts over: it has not introduced itself (RFC 3207 4.2). */
  forget(): void {
    this.#introduced = false;
  }

  replied(awaited: Awaited, good: boolean): void {
    if (good || spending.has(awaited)) this.#transaction = transactionAfter[awaited] ?? this.#transaction;
    if (!good) return;
    if (isHello(awaited)) this.#introduced = true;
    else if (awaited === "mail" || awaited === "mail-uncounted") this.#recipients = 0;
    else if (awaited === "recipient" || awaited === "recipient-uncounted") this.#recipients++;
  }

  /** The message is judged; returns how many recipients it had. */
  takeRecipients(): number {
    const recipients = this.#recipients;
    this.#recipients = 0;
    return recipients;
  }

  get #expected(): Transaction {
    const awaited = this.#answers.newest(decides);
    return (awaited === null ? undefined : transactionAfter[awaited]) ?? this.#transaction;
  }
}
