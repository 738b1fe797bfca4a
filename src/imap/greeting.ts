/** The first bytes of an IMAP server, as its greeting: a BYE refuses (RFC 9051 7.1.5), and its first word decides. */
import type { Greeting } from "../dialogue.ts";
import { textOf } from "../lines.ts";

const BYE = "* BYE";

export function greetingOf(bytes: Uint8Array): Greeting {
  const start = textOf(bytes.subarray(0, BYE.length)).toUpperCase();
  if (!BYE.startsWith(start)) return "welcome";
  return start.length < BYE.length ? "unknown" : "unwilling";
}
