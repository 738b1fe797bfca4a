/** All the ways in which a session may get a message through, or not, as a client goes them. */
import type { Client } from "../servers/client.ts";

/** The server's message_size_limit. */
export const SIZE_MAX = 20_000;

/** Whose messages the server refuses when it has heard them to the end. */
export const unwanted = "unwanted@example.org";

/** A message, as the client at hand is to send it. */
export class Attempt {
  /** The server's name for it, once it is queued. */
  queued: string | null = null;
  readonly recipients: readonly string[];
  readonly #client: Client;

  constructor(client: Client, recipients: readonly string[]) {
    this.#client = client;
    this.recipients = recipients;
  }

  /** MAIL, and RCPT for all. */
  envelope(sender = "carol@example.org"): string {
    const recipients = this.recipients.map((address) => `RCPT TO:<${address}>\r\n`);
    return `MAIL FROM:<${sender}>\r\n${recipients.join("")}`;
  }

  /** What is answered to that. */
  get taken(): readonly number[] {
    return [250, ...this.recipients.map(() => 250)];
  }

  /** Says `text` in one breath, and hears so many replies. */
  async say(text: string, ...codes: readonly number[]): Promise<void> {
    this.#client.send(text);
    for (const code of codes) {
      const reply = await this.#client.reply();
      if (!reply.startsWith(`${code}`)) throw new Error(`${reply} instead of ${code}`);
      this.queued ??= / queued as (\w+)$/.exec(reply)?.[1] ?? null;
    }
  }

  /** Ends the client's side, or all of the connection. */
  leave(how: "ends" | "is lost"): void {
    if (how === "ends") this.#client.end();
    else this.#client.close();
  }
}

/** What becomes of it and of the connection. */
export interface Way {
  readonly name: string;
  readonly isQueued: boolean;
  /** Nothing more can be said on the connection. */
  readonly isLast?: boolean;
  readonly go: (attempt: Attempt) => Promise<void>;
}

const text = "Subject: hello\r\n\r\nHello.\r\n..\r\n";
const end = ".\r\n";
const line = `${"x".repeat(98)}\r\n`;
const large = line.repeat(SIZE_MAX / line.length + 10);
const chunk = (octets: string, last = "") => `BDAT ${octets.length}${last}\r\n${octets}`;
const stranger = "RCPT TO:<nobody@example.test>\r\n";

const queued: readonly Omit<Way, "isQueued">[] = [
  {
    name: "step by step",
    go: async (a) => {
      const commands = a.envelope().split(/(?<=\n)/);
      for (const command of commands) await a.say(command, 250);
      await a.say("DATA\r\n", 354);
      await a.say(text + end, 250);
    },
  },
  {
    name: "pipelined",
    go: async (a) => {
      await a.say(`${a.envelope()}DATA\r\n`, ...a.taken, 354);
      await a.say(`${text}${end}NOOP\r\n`, 250, 250);
    },
  },
  {
    name: "in one breath",
    go: (a) => a.say(`${a.envelope()}DATA\r\n${text}${end}NOOP\r\n`, ...a.taken, 354, 250, 250),
  },
  {
    name: "in one breath, with the end of the client's side",
    isLast: true,
    go: async (a) => {
      const all = a.say(`${a.envelope()}DATA\r\n${text}${end}QUIT\r\n`, ...a.taken, 354, 250, 221);
      a.leave("ends");
      await all;
    },
  },
  { name: "in a chunk", go: (a) => a.say(a.envelope() + chunk(text, " LAST"), ...a.taken, 250) },
  {
    name: "in chunks that look like ends and commands",
    go: (a) =>
      a.say(a.envelope() + chunk("a\r\n.\r\nRSET\r\n") + chunk("b\n.\n", " LAST"), ...a.taken, 250, 250),
  },
  {
    name: "in chunks, the last one empty",
    go: (a) => a.say(`${a.envelope()}${chunk(text)}${chunk("", " LAST")}NOOP\r\n`, ...a.taken, 250, 250, 250),
  },
  {
    name: "with unknown recipients among the others",
    go: async (a) => {
      const envelope = a.envelope() + stranger + stranger;
      await a.say(`${envelope}DATA\r\n`, ...a.taken, 550, 550, 354);
      await a.say(text + end, 250);
    },
  },
  {
    name: "behind commands that are refused here and there",
    go: (a) =>
      a.say(
        `XFORWARD NAME=x\r\nNONSENSE\r\n${a.envelope()}XCLIENT\r\n${chunk(text, " LAST")}`,
        ...[502, 500, ...a.taken, 502, 250],
      ),
  },
];

const lost: readonly Omit<Way, "isQueued">[] = [
  { name: "given up", go: (a) => a.say(`${a.envelope()}RSET\r\n`, ...a.taken, 250) },
  { name: "given up for another EHLO", go: (a) => a.say(`${a.envelope()}EHLO client\r\n`, ...a.taken, 250) },
  {
    name: "given up in chunks",
    go: (a) => a.say(`${a.envelope()}${chunk(text)}RSET\r\n`, ...a.taken, 250, 250),
  },
  {
    name: "without recipients",
    go: (a) => a.say(`MAIL FROM:<a@example.org>\r\n${stranger}DATA\r\nRSET\r\n`, 250, 550, 554, 250),
  },
  { name: "a chunk of no message", go: (a) => a.say(`${chunk("QUIT\r\n", " LAST")}RSET\r\n`, 503, 250) },
  {
    name: "too large in its announcement",
    go: (a) => a.say(`MAIL FROM:<a@example.org> SIZE=${large.length}\r\nRSET\r\n`, 552, 250),
  },
  {
    name: "too large",
    go: async (a) => {
      await a.say(`${a.envelope()}DATA\r\n`, ...a.taken, 354);
      await a.say(large + end, 552);
    },
  },
  {
    name: "too large a chunk",
    go: (a) => a.say(`${a.envelope()}${chunk(large, " LAST")}RSET\r\n`, ...a.taken, 552, 250),
  },
  {
    name: "refused at its end",
    go: async (a) => {
      await a.say(`${a.envelope(unwanted)}DATA\r\n`, ...a.taken, 354);
      // Postfix keeps the envelope of a message that its restrictions refuse at the end.
      await a.say(`${text}${end}RSET\r\n`, 554, 250);
    },
  },
  {
    name: "refused at its end, in chunks",
    go: async (a) => {
      await a.say(a.envelope(unwanted) + chunk(text), ...a.taken, 250);
      await a.say(`${chunk(text, " LAST")}RSET\r\n`, 554, 250);
    },
  },
  {
    name: "with a bare LF",
    isLast: true,
    go: async (a) => {
      await a.say(`${a.envelope()}DATA\r\n`, ...a.taken, 354);
      await a.say(`a\nb\r\n${end}`, 550, 421);
    },
  },
  {
    name: "lost in its midst",
    isLast: true,
    go: async (a) => {
      await a.say(`${a.envelope()}DATA\r\n`, ...a.taken, 354);
      await a.say(text);
      a.leave("is lost");
    },
  },
  {
    name: "ended in its midst",
    isLast: true,
    go: async (a) => {
      await a.say(`${a.envelope()}DATA\r\n`, ...a.taken, 354);
      await a.say(`${text}.\r`);
      a.leave("ends");
    },
  },
  {
    name: "lost in the midst of a chunk",
    isLast: true,
    go: async (a) => {
      await a.say(a.envelope() + chunk(text, " LAST").slice(0, -1), ...a.taken);
      a.leave("is lost");
    },
  },
];

export const ways: readonly Way[] = [
  ...queued.map((way) => ({ ...way, isQueued: true })),
  ...lost.map((way) => ({ ...way, isQueued: false })),
];
