/**
 * What SMTP offers to a session: its refusals, the answers to health checks, and XCLIENT. Nothing is followed after
 * that: once XCLIENT has named the client, Postfix itself refuses another one.
 */
import type { Dialogue } from "../dialogue.ts";
import { monitors } from "./monitor.ts";
import { refusals } from "./refuse.ts";
import { Xclient } from "./xclient.ts";

export function smtpDialogue({ hostname }: { readonly hostname: string }): Dialogue {
  return {
    refusal: refusals(hostname),
    monitor: monitors(hostname),
    introduce: (introduction) => new Xclient(hostname, introduction),
    watch: () => null,
  };
}
