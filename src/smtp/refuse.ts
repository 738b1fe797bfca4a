/**
 * The words with which postern ends an SMTP session. They are 421, "closing" (RFC 5321 3.8), wherever the client might be
 * one that has mail, so that it comes back later instead of bouncing it. Limits and guards speak Postfix's own words.
 */
import type { Address } from "../address.ts";
import type { Dialogue } from "../dialogue.ts";
import { bytesOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";

/** 4.3.2 is "system not accepting network messages" (RFC 3463 3.4). */
export function unavailable(hostname: string): Uint8Array {
  return bytesOf(`421 4.3.2 ${hostname} Service not available, try again later\r\n`);
}

/** The refusals of a listener whose name is `hostname`. */
export function refusals(hostname: string): Dialogue["refusal"] {
  const unavailableReply = unavailable(hostname);
  const fullReply = bytesOf(`421 4.3.2 ${hostname} Error: too many connections\r\n`);
  const tooMany = (what: string, whose: string) =>
    bytesOf(`421 4.7.0 ${hostname} Error: too many ${what}${whose}\r\n`);
  return (reason: SpokenReason, client: Address | null): Uint8Array => {
    switch (reason) {
      case "connection-count":
      case "connection-rate":
        if (client === null) return fullReply;
        return bytesOf(`421 4.7.0 ${hostname} Error: too many connections from ${client.text}\r\n`);
      case "max-connections":
        return fullReply;
      case "new-tls-session-rate":
        return tooMany("new TLS sessions", client === null ? "" : ` from unknown[${client.text}]`);
      case "auth-failure-rate":
        return tooMany("failed logins", client === null ? "" : ` from ${client.text}`);
      case "too-many-errors":
        return tooMany("errors", "");
      case "early-talk":
      case "command-injection":
        return bytesOf(`554 5.5.0 ${hostname} Error: SMTP protocol synchronization\r\n`);
      case "not-smtp":
        return bytesOf("221 2.7.0 Error: I can break rules, too. Goodbye.\r\n");
      case "upstream-unavailable":
      case "upstream-timeout":
      case "identity-refused":
      case "tls-handshake":
      case "response-injection":
      case "bare-newline":
      case "nul-byte":
      case "line-too-long":
      case "too-many-commands":
      case "protocol-violation":
        return unavailableReply;
      default:
        return reason satisfies never;
    }
  };
}
