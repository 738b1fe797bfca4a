/**
 * What SMTP offers to a session: its refusals, the answers to health checks, the XCLIENT that names the client, and the
 * watch that holds clients to their limits.
 */
import type { Dialogue } from "../dialogue.ts";
import { monitors } from "./monitor.ts";
import { refusals } from "./refuse.ts";
import { SmtpWatch } from "./watch.ts";
import { Xclient } from "./xclient.ts";

export function smtpDialogue({ hostname }: { readonly hostname: string }): Dialogue {
  return {
    refusal: refusals(hostname),
    monitor: monitors(hostname),
    introduce: (introduction) => new Xclient(hostname, introduction),
    watch: (client, witness) => new SmtpWatch({ hostname, client, witness }),
  };
}
