/**
 * What IMAP offers to a session: its refusals, the answers to health checks, the ID that names the client, and the watch
 * that keeps clients from naming themselves.
 */
import type { Dialogue } from "../dialogue.ts";
import { Id } from "./id.ts";
import { monitors } from "./monitor.ts";
import type { ImapDialogueOptions } from "./options.ts";
import { refusal } from "./refuse.ts";
import { IdentityWatch } from "./watch.ts";

export function imapDialogue({ hostname }: ImapDialogueOptions): Dialogue {
  return {
    refusal,
    monitor: monitors(hostname),
    introduce: (introduction) => new Id(introduction),
    watch: () => new IdentityWatch(),
  };
}
