/**
 * How fast the watch reads messages by itself, with no socket: mails of 10 MB by DATA, in pieces as the wire hands them out.
 *
 *     node bench/scan.ts [ROUNDS]
 *
 * The CPU counts, of all threads: collecting the garbage belongs to it.
 */
import { Address } from "../src/address.ts";
import type { Watch, Witness } from "../src/dialogue.ts";
import { smtpDialogue } from "../src/smtp/dialogue.ts";
import { loadCore, pinSelf } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { attachmentLine } from "./harness/talk.ts";

const MAIL_BYTES = 10_000_000;
const MAILS = 100;

interface Shape {
  readonly lines: string;
  readonly line: string;
  /** What one call is given. */
  readonly pieceBytes: number;
}

/** The wire's private buffer, its shared one, HAProxy's buffer, and what comes in a packet. */
const SHAPES: readonly Shape[] = [256 * 1024, 64 * 1024, 16 * 1024, 1448].flatMap((pieceBytes) => [
  { lines: "base64, 76", line: attachmentLine, pieceBytes },
  { lines: "text, 17", line: "A line of a mail.\r\n", pieceBytes },
]);

const witness: Witness = {
  allows: () => true,
  maySecure: () => "allowed",
  mayLogIn: () => true,
  message() {},
  login() {},
};

const dialogue = smtpDialogue({
  hostname: "mx.example.test",
  earlyTalk: "pass",
  bareNewline: "reject",
  startTls: "passed",
  loginNeedsTls: false,
  banText: null,
});

/** A session that is about to begin its message. */
function atData(): Watch {
  const watch = dialogue.watch(Address.v4(0xcb000000), witness);
  watch.server(Buffer.from("220 mx.example.test ESMTP\r\n"));
  for (const [command, reply] of [
    ["EHLO client.example.org", "250 mx.example.test"],
    ["MAIL FROM:<a@example.org>", "250 2.1.0 Ok"],
    ["RCPT TO:<b@example.test>", "250 2.1.5 Ok"],
    ["DATA", "354 End data with <CR><LF>.<CR><LF>"],
  ]) {
    watch.client(Buffer.from(`${command}\r\n`));
    watch.server(Buffer.from(`${reply}\r\n`));
  }
  return watch;
}

/** GB for each second of CPU. */
function measure(pieces: readonly Buffer[]): number {
  const before = process.cpuUsage();
  for (let mail = 0; mail < MAILS; mail++) {
    const watch = atData();
    for (const piece of pieces) {
      watch.client(piece);
      watch.due();
      if (watch.stage !== "following" || watch.conclusion !== null) throw new Error("the watch is astray");
    }
    watch.client(Buffer.from(".\r\n"));
    watch.server(Buffer.from("250 2.0.0 Ok: queued as 4XyZ1234\r\n"));
  }
  const { user, system } = process.cpuUsage(before);
  return (MAILS * MAIL_BYTES) / 1e9 / ((user + system) / 1e6);
}

function piecesOf({ line, pieceBytes }: Shape): Buffer[] {
  const content = Buffer.from(line.repeat(MAIL_BYTES / line.length));
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += pieceBytes) pieces.push(content.subarray(at, at + pieceBytes));
  return pieces;
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const count = roundsAsked(5);
  const rows = [];
  for (const shape of SHAPES) {
    const pieces = piecesOf(shape);
    measure(pieces);
    const rounds = await inRounds(count, async () => measure(pieces));
    rows.push({
      lines: shape.lines,
      pieceBytes: shape.pieceBytes,
      gbPerCpuSecond: rounded(median(rounds)),
    });
  }
  console.table(rows);
  report("scan", { rounds: count, rows });
}

await main();
