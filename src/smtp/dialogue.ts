/**
 * What SMTP offers to a session: its refusals, the answers to health checks, the XCLIENT that names the client, and the
 * watch that holds clients to their limits.
 */
import type { Dialogue } from "../dialogue.ts";
import { monitors } from "./monitor.ts";
import type { SmtpDialogueOptions } from "./options.ts";
import { refusals } from "./refuse.ts";
import { SmtpWatch } from "./watch.ts";
import { Xclient } from "./xclient.ts";

export function smtpDialogue(options: SmtpDialogueOptions): Dialogue {
  const { hostname } = options;
  return {
    refusal: refusals(hostname),
    monitor: monitors(hostname),
    introduce: (introduction) => new Xclient(hostname, introduction),
    watch: (client, witness) => new SmtpWatch(options, client, witness),
  };
}
