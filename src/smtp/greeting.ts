/**
 * The first bytes of an SMTP server, as its greeting (RFC 5321 3.1, 4.3.1): 220, or a refusal. The code decides, and its
 * first line is enough: postscreen takes its time for the others, and wants to see who talks meanwhile.
 */
import type { Greeting } from "../dialogue.ts";
import { textOf } from "../lines.ts";

const CODE_BYTES = 3;

export function greetingOf(bytes: Uint8Array): Greeting {
  const code = textOf(bytes.subarray(0, CODE_BYTES));
  if (!/^[45]\d{0,2}$/.test(code) && code !== "") return "welcome";
  return code.length < CODE_BYTES ? "unknown" : "unwilling";
}
