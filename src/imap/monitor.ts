/**
 * The IMAP server that a load balancer's health check talks to: it greets while the pool is up, knows the three commands
 * of every state (RFC 9051 6.1), and lets nobody log in. Whoever says anything else is told BYE and let go.
 */
import type { Responder } from "../dialogue.ts";
import { type Answer, bytesOf, Conversation, nothing, type Script } from "../lines.ts";
import { unavailable, unreadable } from "./refuse.ts";
import { tagPattern } from "./scan.ts";

/** Far more than a check's commands have: a tag (64 bytes at most) and a word. */
const LINE_BYTES_MAX = 512;

/** A check needs two; no reason to entertain anybody for longer. */
const COMMANDS_MAX = 20;

const capabilities = "CAPABILITY IMAP4rev1";

const commandLine = new RegExp(`^(${tagPattern}) (CAPABILITY|NOOP|LOGOUT)$`, "i");

/** Makes the answerers of a listener whose name is `hostname`. */
export function monitors(hostname: string): (up: boolean) => Responder {
  const script: Script = {
    greeting: bytesOf(`* OK [${capabilities}] ${hostname} ready\r\n`),
    lineBytesMax: LINE_BYTES_MAX,
    linesMax: COMMANDS_MAX,
    answer,
    overrun: unreadable,
  };
  const down: Responder = { greeting: unavailable, closing: true, feed: () => nothing };
  return (up) => (up ? new Conversation(script) : down);
}

function answer(line: string): Answer {
  const [, tag, verb] = commandLine.exec(line) ?? [];
  switch (verb?.toUpperCase()) {
    case "CAPABILITY":
      return { reply: bytesOf(`* ${capabilities}\r\n${tag} OK Completed\r\n`), last: false };
    case "NOOP":
      return { reply: bytesOf(`${tag} OK Completed\r\n`), last: false };
    case "LOGOUT":
      return { reply: bytesOf(`* BYE Logging out\r\n${tag} OK Completed\r\n`), last: true };
    default:
      return { reply: unreadable, last: true };
  }
}
