/**
 * Two mail servers to attack. The strict one is what stands behind a gateway: it takes no mail but at its one true end. The
 * naive one takes any dot on a line of its own for an end, passes over a PROXY header of version 2 where there is one, and all
 * that it does not know is fine with it.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Test } from "tap";
import type { Protocol } from "../../../bench/load/plan.ts";

export interface MailServer {
  readonly port: number;
  /** The mails that it has taken. */
  readonly mails: readonly string[];
}

interface Manner {
  /** What ends a line, and what a message. */
  readonly line: RegExp;
  readonly message: RegExp;
  /** What it says to a word that it does not know. */
  readonly unknown: string;
}

const strict: Manner = { line: /\r\n/, message: /\r\n\.\r\n/, unknown: "500 what?\r\n" };
const naive: Manner = {
  line: /\r\n|\r|\n/,
  message: /(?:\r\n|\r|\n)\.(?:\r\n|\r|\n)/,
  unknown: "250 fine\r\n",
};

const replies: Readonly<Record<string, string>> = {
  EHLO: "250-mail.example.test\r\n250-CHUNKING\r\n250 PIPELINING\r\n",
  MAIL: "250 ok\r\n",
  RCPT: "250 ok\r\n",
  RSET: "250 ok\r\n",
  NOOP: "250 ok\r\n",
  DATA: "354 go on\r\n",
  QUIT: "221 bye\r\n",
};

/** IPv4, and no TLVs. */
const header = /^\r\n\r\n\0\r\nQUIT\n[\s\S]{16}/;

/** It leaves with the test. */
export async function startServer(
  t: Test,
  kind: "strict" | "naive",
  protocol: Protocol,
): Promise<MailServer> {
  const mails: string[] = [];
  const manner = kind === "strict" ? strict : naive;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    t.teardown(() => socket.destroy());
    if (protocol === "smtp") serveSmtp(socket, manner, mails);
    else serveImap(socket, kind === "naive");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const bound = server.address();
  return { port: typeof bound === "object" && bound !== null ? bound.port : 0, mails };
}

function serveSmtp(socket: Socket, manner: Manner, mails: string[]): void {
  const { line, message, unknown } = manner;
  let text = "";
  let isMessage = false;
  let isChunked = false;
  /** Takes the first piece that `end` ends. */
  const take = (end: RegExp): string | null => {
    const match = end.exec(text);
    if (match === null) return null;
    const piece = text.slice(0, match.index);
    text = text.slice(match.index + match[0].length);
    return piece;
  };
  const chunk = (words: string): string => {
    const size = Number.parseInt(words.split(" ")[1] ?? "", 10);
    if (manner === strict && !/^BDAT \d{1,9}(?: LAST)?$/.test(words)) return "501 no size\r\n";
    text = text.slice(Math.max(0, size));
    isChunked = !words.endsWith("LAST");
    return "250 taken\r\n";
  };
  const step = (): boolean => {
    const piece = take(isMessage ? message : line);
    if (piece === null) return false;
    if (isMessage) mails.push(piece);
    const isLate = isChunked && manner === strict;
    const verb = isLate && /^DATA$/i.test(piece) ? "" : piece.slice(0, 4).toUpperCase();
    const reply = verb === "BDAT" ? chunk(piece) : (replies[verb] ?? unknown);
    socket.write(isMessage ? "250 taken\r\n" : reply);
    isMessage = !isMessage && verb === "DATA";
    if (verb === "QUIT") socket.end();
    return verb !== "QUIT";
  };
  socket.write("220 mail.example.test ESMTP\r\n");
  socket.on("data", (bytes: Buffer) => {
    text = (text + bytes.toString("latin1")).replace(header, "");
    while (step());
  });
}

function serveImap(socket: Socket, isNaive: boolean): void {
  let text = "";
  socket.write("* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n");
  socket.on("data", (bytes: Buffer) => {
    const lines = (text + bytes.toString("latin1")).replace(header, "").split("\r\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const [tag = "", verb = ""] = line.split(" ");
      const isKnown = /^(?:NOOP|LOGOUT|CAPABILITY|ID)$/i.test(verb) && /^\w+$/.test(tag);
      socket.write(isKnown || isNaive ? `${tag} OK ${verb}\r\n` : `${tag} BAD what?\r\n`);
      if (/^LOGOUT$/i.test(verb)) socket.end();
    }
  });
}
