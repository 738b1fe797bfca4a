/**
 * What IMAP offers to a session: its refusals, the answers to health checks, the exchange with the server ahead of the
 * session, and the watch that sees who logs in and keeps clients from naming themselves.
 */
import type { Dialogue } from "../dialogue.ts";
import { greetingOf } from "./greeting.ts";
import { ImapIntroducer } from "./introduce.ts";
import { monitors } from "./monitor.ts";
import type { ImapDialogueOptions } from "./options.ts";
import { ImapParting } from "./part.ts";
import { refusal, refusalWith } from "./refuse.ts";
import { ImapWatch } from "./watch.ts";

export function imapDialogue(options: ImapDialogueOptions): Dialogue {
  return {
    refusal: options.banText === null ? refusal : refusalWith(options.banText),
    monitor: monitors(options.hostname),
    greeting: greetingOf,
    part: () => new ImapParting(),
    introduce: (introduction, agenda) => new ImapIntroducer(introduction, agenda),
    watch: (client, witness) => new ImapWatch(options, client, witness),
  };
}
