/**
 * A conversation as both of its sides hold it: say something, await so many bytes, go on. What is awaited is only counted,
 * as nobody on the way may change it; one byte too many, or an early end, is a failure.
 *
 * The scripts begin behind the PROXY header: the client's opening word, and the first that the server awaits.
 */
import { Address } from "../../src/address.ts";
import { encodeV2 } from "../../src/proxy/header.ts";
import type { Connection, ConnectionOwner } from "../../src/wire/wire.ts";

interface Step {
  readonly say: Uint8Array;
  /** `header`: as many as a PROXY v2 header says of itself; proxies put different things in theirs. */
  readonly awaitBytes: number | "header";
}

export interface Script {
  readonly client: readonly Step[];
  readonly server: readonly Step[];
}

const nothing = Buffer.alloc(0);

/** As many clients as a busy mail server sees in an hour; each has an address, and so an entry in the proxy's table. */
const clientsMax = 9216;

export const destination = { address: Address.v4(0xc0000219), port: 25 };

/** PROXY v2 headers of clients from 203.0.0.0 on, ready to be sent; the next one again after the last. */
export const openings: readonly Buffer[] = Array.from({ length: clientsMax }, (_, client) =>
  encodeV2({ address: Address.v4(0xcb000000 + client), port: 1024 + client }, destination),
);

/** The bytes before the length of the rest, and with it. */
const headerStartBytes = 16;

/** What the client says, and what the server answers. */
type Exchange = readonly [string, string | Uint8Array];

const smtpGreeting = "220 mx.example.test ESMTP\r\n";

/** Nothing is offered that postern hides inside TLS: what is awaited is only counted. */
const ehlo: Exchange = [
  "EHLO client.example.org\r\n",
  "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 20480000\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n",
];

const imapGreeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN] ready.\r\n";

const login: Exchange = [
  "1 LOGIN user@example.test secret\r\n",
  "1 OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE CONDSTORE QRESYNC NAMESPACE MOVE] Logged in\r\n",
];

const select: Exchange = ["2 SELECT INBOX\r\n", "* 1 EXISTS\r\n2 OK [READ-WRITE] Select completed.\r\n"];

/** One mail with these lines: greeting, six commands (the message itself is the fifth), 221. */
export function mailOf(lines: string): Script {
  const header = "From: <a@example.org>\r\nTo: <b@example.test>\r\nSubject: bench\r\n\r\n";
  return scriptOf(smtpGreeting, [
    ehlo,
    ["MAIL FROM:<a@example.org>\r\n", "250 2.1.0 Ok\r\n"],
    ["RCPT TO:<b@example.test>\r\n", "250 2.1.5 Ok\r\n"],
    ["DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"],
    [`${header}${lines}.\r\n`, "250 2.0.0 Ok: queued as 4XyZ1234\r\n"],
    ["QUIT\r\n", "221 2.0.0 Bye\r\n"],
  ]);
}

/** What large mails consist of: a line of base64 (RFC 2045 6.8). */
export const attachmentLine = `${"VGhpcyBpcyBhIGxpbmUu".repeat(4).slice(0, 76)}\r\n`;

/** The mail of 3 KB that a session is measured with. */
export const mail: Script = mailOf("A line of a mail.\r\n".repeat(158));

/** The beginning of a session: greeting and EHLO. */
export const hello: Script = scriptOf(smtpGreeting, [ehlo]);

/** A mail program's session until it is told of new mails, as it is for hours. */
export const inbox: Script = scriptOf(imapGreeting, [login, select, ["3 IDLE\r\n", "+ idling\r\n"]]);

/** A mail program that fetches a mail of these lines, so many times. */
export function fetchOf(lines: string, times: number): Script {
  const reply = `* 1 FETCH (BODY[] {${lines.length}}\r\n${lines})\r\n3 OK Fetch completed.\r\n`;
  const fetch: Exchange = ["3 FETCH 1 BODY[]\r\n", Buffer.from(reply)];
  const logout: Exchange = ["4 LOGOUT\r\n", "* BYE Logging out\r\n4 OK Logout completed.\r\n"];
  return scriptOf(imapGreeting, [login, select, ...Array<Exchange>(times).fill(fetch), logout]);
}

/** As much of a connection as a conversation needs. */
export type Line = Pick<Connection, "write" | "start" | "end" | "close">;

export class Talk implements ConnectionOwner {
  readonly #steps: readonly Step[];
  readonly #opening: Uint8Array;
  /** The last step is done. */
  readonly #finished: (line: Line) => void;
  /** The line is over; null, or what went wrong. */
  readonly #over: (fault: string | null) => void;
  #step = 0;
  #leftBytes = 0;
  #awaitsHeader = false;

  constructor(options: {
    readonly steps: readonly Step[];
    /** What the first step says; by default nothing. */
    readonly opening?: Uint8Array;
    readonly finished: (line: Line) => void;
    readonly over: (fault: string | null) => void;
  }) {
    this.#steps = options.steps;
    this.#opening = options.opening ?? nothing;
    this.#finished = options.finished;
    this.#over = options.over;
  }

  /** A server's side begins by itself, a client's when it is connected. */
  onConnect(line: Line): void {
    this.#say(line);
    line.start();
  }

  onData(line: Line, bytes: Uint8Array): void {
    if (this.#awaitsHeader) {
      this.#awaitsHeader = false;
      this.#leftBytes = headerBytesOf(bytes);
    }
    this.#leftBytes -= bytes.length;
    if (this.#leftBytes > 0) return;
    if (this.#leftBytes < 0)
      return this.#fail(
        line,
        `more bytes than awaited in step ${this.#step}: ${Buffer.from(bytes).toString("latin1")}`,
      );
    this.#step++;
    this.#say(line);
  }

  onEnd(line: Line): void {
    if (this.#step < this.#steps.length) return this.#fail(line, `ended in step ${this.#step}`);
    line.close();
    this.#over(null);
  }

  onDrain(): void {}

  onError(_line: Line, code: string): void {
    this.#over(code);
  }

  #say(line: Line): void {
    const step = this.#steps[this.#step];
    if (step === undefined) return this.#finished(line);
    this.#awaitsHeader = step.awaitBytes === "header";
    if (step.awaitBytes !== "header") this.#leftBytes = step.awaitBytes;
    line.write(this.#step === 0 ? this.#opening : step.say);
    if (step.awaitBytes === 0) {
      this.#step++;
      this.#finished(line);
    }
  }

  #fail(line: Line, fault: string): void {
    line.close();
    this.#over(fault);
  }
}

/** A header comes in one piece, or its length does not. */
function headerBytesOf(first: Uint8Array): number {
  return headerStartBytes + first[headerStartBytes - 2]! * 256 + first[headerStartBytes - 1]!;
}

/** What each side says and awaits, from what the client says and the server answers to it. */
function scriptOf(greeting: string, exchanges: readonly Exchange[]): Script {
  let answer: Uint8Array = Buffer.from(greeting);
  const client: Step[] = [{ say: nothing, awaitBytes: answer.length }];
  const server: Step[] = [{ say: nothing, awaitBytes: "header" }];
  for (const [command, reply] of exchanges) {
    server.push({ say: answer, awaitBytes: command.length });
    answer = typeof reply === "string" ? Buffer.from(reply) : reply;
    client.push({ say: Buffer.from(command), awaitBytes: answer.length });
  }
  server.push({ say: answer, awaitBytes: 0 });
  return { client, server };
}
