/**
 * The SMTP server that a load balancer's health check talks to: it greets while the pool is up, knows the four commands
 * that checks use, and takes no mail. Whoever says anything else is told 421 and let go.
 */
import type { Responder } from "../dialogue.ts";
import { type Answer, bytesOf, Conversation, nothing, type Script } from "../lines.ts";
import { unavailable } from "./refuse.ts";

/** A command line with its end (RFC 5321 4.5.3.1.4). */
const LINE_BYTES_MAX = 512;

/** A check needs three; no reason to entertain anybody for longer. */
const COMMANDS_MAX = 20;

/** Makes the answerers of a listener whose name is `hostname`. */
export function monitors(hostname: string): (up: boolean) => Responder {
  const closing: Answer = { reply: unavailable(hostname), last: true };
  const hello: Answer = { reply: bytesOf(`250 ${hostname}\r\n`), last: false };
  const answers = new Map<string, Answer>([
    ["EHLO", hello],
    ["HELO", hello],
    ["NOOP", { reply: bytesOf("250 2.0.0 Ok\r\n"), last: false }],
    ["QUIT", { reply: bytesOf("221 2.0.0 Bye\r\n"), last: true }],
  ]);
  const script: Script = {
    greeting: bytesOf(`220 ${hostname} ESMTP\r\n`),
    lineBytesMax: LINE_BYTES_MAX,
    linesMax: COMMANDS_MAX,
    answer: (line) => answers.get(line.replace(/ .*$/s, "").toUpperCase()) ?? closing,
    overrun: closing.reply,
  };
  const down: Responder = { greeting: closing.reply, closing: true, feed: () => nothing };
  return (up) => (up ? new Conversation(script) : down);
}
