/**
 * What SMTP offers to a session: its refusals, the answers to health checks, the exchange with the server ahead of the
 * session, and the watch that holds clients to their limits.
 */
import type { Dialogue } from "../dialogue.ts";
import { greetingOf } from "./greeting.ts";
import { SmtpIntroducer } from "./introduce.ts";
import { monitors } from "./monitor.ts";
import type { SmtpDialogueOptions } from "./options.ts";
import { SmtpParting } from "./part.ts";
import { refusals } from "./refuse.ts";
import { SmtpWatch } from "./watch.ts";

export function smtpDialogue(options: SmtpDialogueOptions): Dialogue {
  const { hostname } = options;
  return {
    refusal: refusals(options),
    monitor: monitors(hostname),
    greeting: greetingOf,
    part: () => new SmtpParting(),
    introduce: (introduction, agenda) => new SmtpIntroducer(hostname, introduction, agenda),
    watch: (client, witness) => new SmtpWatch(options, client, witness),
  };
}
