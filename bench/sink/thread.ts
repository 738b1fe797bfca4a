/**
 * A thread of the sink: its own event loop and its own listening socket on the port that all of them share. This file is
 * where such a thread starts; it ends when it is terminated.
 */
import { parentPort, workerData } from "node:worker_threads";
import { nothing } from "../../src/lines.ts";
import { Certificates } from "../../src/wire/certificates.ts";
import type { Listening } from "../../src/wire/wire.ts";
import { type Spent, threadSpent } from "../harness/proc.ts";
import { attachmentLine } from "../harness/talk.ts";
import { wire } from "../harness/wire.ts";
import type { Protocol } from "../load/plan.ts";
import { type Announced, emptyTally, type Identity, type SinkCounts } from "./counts.ts";
import type { HeaderKind } from "./header.ts";
import { ImapResponder } from "./imap.ts";
import type { Responder, ResponderOptions } from "./responder.ts";
import { SinkSession } from "./session.ts";
import { SmtpResponder } from "./smtp.ts";

export interface ThreadData {
  readonly protocol: Protocol;
  readonly proxy: HeaderKind;
  readonly host: string;
  readonly port: number;
  readonly messageBytes: number;
  /** Of so many sessions it keeps what they announced: of the first. */
  readonly record: number;
  /** Null: there is no TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ticketKeys: Buffer } | null;
  readonly isImplicit: boolean;
  readonly thread: number;
  readonly threads: number;
}

/** What the thread is asked; `number` comes back with the answer. */
export interface Question {
  readonly number: number;
  /** They may be many. */
  readonly wantsIdentities: boolean;
}

export interface Report {
  readonly number: number;
  readonly counts: SinkCounts;
  readonly identities: readonly Identity[];
  readonly spent: Spent;
}

export type Said =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "report"; readonly report: Report };

class SinkThread {
  readonly #data: ThreadData;
  readonly #post: (said: Said) => void;
  readonly #tally = emptyTally();
  readonly #identities: Announced[] = [];
  readonly #certificates: Certificates | null;
  /** What is there to be fetched. */
  readonly #message: Uint8Array;

  constructor(data: ThreadData, post: (said: Said) => void) {
    const { tls } = data;
    this.#data = data;
    this.#post = post;
    this.#message = data.protocol === "imap" ? messageOf(data.messageBytes) : nothing;
    this.#certificates =
      tls === null
        ? null
        : new Certificates({ pairs: [tls], minVersion: "TLSv1.2", ticketKeys: Buffer.from(tls.ticketKeys) });
  }

  /** The other threads' sockets are on the same port, and the kernel shares the clients out; nobody else's may be there. */
  async listen(): Promise<void> {
    if (this.#data.thread === 0) (await this.#listening(false)).close();
    const { endpoint } = await this.#listening(true);
    this.#post({ type: "listening", port: endpoint.port });
  }

  #listening(reusePort: boolean): Promise<Listening> {
    const { host, port } = this.#data;
    return wire.listen({
      endpoint: { host, port },
      reusePort,
      onConnection: (connection) => this.#session().begin(connection),
      onAcceptError: () => this.#tally.faults.broken++,
    });
  }

  answer({ number, wantsIdentities }: Question): void {
    const identities = wantsIdentities ? this.#identities : [];
    this.#post({ type: "report", report: { number, counts: this.#tally, identities, spent: threadSpent() } });
  }

  #session(): SinkSession {
    const { proxy, record, isImplicit } = this.#data;
    const announced: Announced = { proxy: null, xclient: null, id: null };
    if (this.#identities.length < record) this.#identities.push(announced);
    const tally = this.#tally;
    const certificates = this.#certificates;
    const responder = this.#responder({ tally, announced, offersTls: certificates !== null });
    return new SinkSession({ proxy, certificates, isImplicit, tally, announced, responder });
  }

  #responder(options: ResponderOptions): Responder {
    const { protocol, thread, threads } = this.#data;
    switch (protocol) {
      case "smtp":
        // No other thread says the same, and together they leave none out.
        return new SmtpResponder(options, () => (this.#tally.messages - 1) * threads + thread + 1);
      case "imap":
        return new ImapResponder(options, this.#message);
      default:
        return protocol satisfies never;
    }
  }
}

/** A message of just this size, as far as its header fits into it. */
function messageOf(sizeBytes: number): Uint8Array {
  const header = "From: <a@example.org>\r\nTo: <b@example.test>\r\nSubject: sink\r\n\r\n";
  const message = Buffer.alloc(sizeBytes);
  // No string is as long as the largest of them.
  message.fill(attachmentLine, Math.min(header.length, sizeBytes), sizeBytes, "latin1");
  message.write(header, "latin1");
  return message;
}

const port = parentPort;
if (port === null) throw new Error("this file is where a thread starts");
const thread = new SinkThread(workerData, (said) => port.postMessage(said));
port.on("message", (question: Question) => thread.answer(question));
await thread
  .listen()
  .catch((error: Error) => port.postMessage({ type: "failed", message: error.message } satisfies Said));
