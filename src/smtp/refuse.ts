/**
 * The words with which postern ends an SMTP session. They are 421, "closing" (RFC 5321 3.8), wherever the client might be
 * one that has mail, so that it comes back later instead of bouncing it. Limits and guards speak Postfix's own words.
 */
import type { Address } from "../address.ts";
import type { Dialogue, LimitedEvent } from "../dialogue.ts";
import { bytesOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";
import type { SmtpDialogueOptions } from "./options.ts";

/** Postfix's own words for a command that comes too often. */
const complaints: Readonly<Record<LimitedEvent, string>> = {
  "message-rate": "too much mail",
  "recipient-rate": "too many recipients",
  "auth-rate": "too many AUTH commands",
};

/** What postern answers to commands in the server's place. */
export const replies = {
  beginTls: bytesOf("220 2.0.0 Ready to start TLS\r\n"),
  /** RFC 3207 4: STARTTLS has no parameters. */
  bareStartTls: bytesOf("501 5.5.4 Syntax: STARTTLS\r\n"),
  tlsUnavailable: bytesOf("454 4.7.0 TLS not available due to local problem\r\n"),
  tlsActive: bytesOf("554 5.5.1 Error: TLS already active\r\n"),
  loggedIn: bytesOf("503 5.5.1 Error: already authenticated\r\n"),
  /** RFC 4954 4, RFC 5248 for the enhanced code. */
  loginNeedsTls: bytesOf("538 5.7.11 Encryption required for requested authentication mechanism\r\n"),
  notImplemented: bytesOf("502 5.5.1 Error: command not implemented\r\n"),
  tooMany: (event: LimitedEvent, client: Address) =>
    bytesOf(`450 4.7.1 Error: ${complaints[event]} from ${client.text}\r\n`),
  /** Postfix says the client's name here, and it has none. */
  tooManyTls: (client: Address) =>
    bytesOf(`454 4.7.0 Error: too many new TLS sessions from unknown[${client.text}]\r\n`),
} as const;

export function bareNewline(hostname: string, bare: "CR" | "LF"): Uint8Array {
  return bytesOf(`521 5.5.2 ${hostname} Error: bare <${bare}> received\r\n`);
}

/** The same for a message, and the leave behind it: its server is not there any more. */
export function messageRefused(hostname: string, bare: "CR" | "LF"): Uint8Array {
  const refusal = bytesOf(`550 5.5.2 ${hostname} Error: bare <${bare}> received\r\n`);
  return Buffer.concat([refusal, unavailable(hostname)]);
}

/** 4.3.2 is "system not accepting network messages" (RFC 3463 3.4). */
export function unavailable(hostname: string): Uint8Array {
  return bytesOf(`421 4.3.2 ${hostname} Service not available, try again later\r\n`);
}

/** The refusals of a listener. */
export function refusals({
  hostname,
  banText,
}: Pick<SmtpDialogueOptions, "hostname" | "banText">): Dialogue["refusal"] {
  const unavailableReply = unavailable(hostname);
  const fullReply = bytesOf(`421 4.3.2 ${hostname} Error: too many connections\r\n`);
  const tooMany = (what: string, whose: string) =>
    bytesOf(`421 4.7.0 ${hostname} Error: too many ${what}${whose}\r\n`);
  return (reason: SpokenReason, client: Address | null): Uint8Array => {
    switch (reason) {
      case "banned": {
        const text =
          banText ?? `${hostname} Error: access denied${client === null ? "" : ` for ${client.text}`}`;
        return bytesOf(`554 5.7.1 ${text}\r\n`);
      }
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
      case "bare-newline":
        return bareNewline(hostname, "LF");
      case "nul-byte":
        return bytesOf(`521 5.5.2 ${hostname} Error: NUL byte received\r\n`);
      case "line-too-long":
        return bytesOf(`521 5.5.2 ${hostname} Error: line too long\r\n`);
      case "not-smtp":
        return bytesOf("221 2.7.0 Error: I can break rules, too. Goodbye.\r\n");
      case "ban-list-missing":
      case "upstream-unavailable":
      case "upstream-timeout":
      case "identity-refused":
      case "tls-handshake":
      case "response-injection":
      case "too-many-commands":
      case "protocol-violation":
        return unavailableReply;
      default:
        return reason satisfies never;
    }
  };
}
