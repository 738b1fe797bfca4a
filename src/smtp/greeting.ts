/**
 * The first bytes of an SMTP server, as its greeting (RFC 5321 3.1, 4.3.1): 220, or a refusal. The code decides, and its
 * first line is enough: postscreen takes its time for the others, and wants to see who talks meanwhile. A 5xx is final, and
 * so about this client: a server that has trouble of its own says 421.
 */
import type { Greeting, Unwelcoming } from "../dialogue.ts";
import { textOf } from "../lines.ts";

const CODE_BYTES = 3;

export function greetingOf(bytes: Uint8Array): Greeting {
  const code = textOf(bytes.subarray(0, CODE_BYTES));
  if (!/^[45]\d{0,2}$/.test(code) && code !== "") return "welcome";
  return code.length < CODE_BYTES ? "unknown" : refusalOf(Number(code));
}

/** What a server means by a greeting with this code, of 400 and more. */
export function refusalOf(code: number): Unwelcoming {
  return code < 500 ? "unwilling" : "averse";
}
