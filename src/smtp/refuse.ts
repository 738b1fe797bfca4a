/**
 * The words with which an SMTP session ends before an upstream has it: always 421, "closing" (RFC 5321 3.8), so that
 * the client comes back later instead of bouncing its mail. The limits speak Postfix's own words.
 */
import type { Address } from "../address.ts";
import type { Dialogue } from "../dialogue.ts";
import { bytesOf, nothing } from "../lines.ts";
import type { EndReason } from "../outcome.ts";

/** 4.3.2 is "system not accepting network messages" (RFC 3463 3.4). */
export function unavailable(hostname: string): Uint8Array {
  return bytesOf(`421 4.3.2 ${hostname} Service not available, try again later\r\n`);
}

/** The refusals of a listener whose name is `hostname`. */
export function refusals(hostname: string): Dialogue["refusal"] {
  const unavailableReply = unavailable(hostname);
  const fullReply = bytesOf(`421 4.3.2 ${hostname} Error: too many connections\r\n`);
  return (reason: EndReason, client: Address | null): Uint8Array => {
    switch (reason) {
      case "connection-count":
      case "connection-rate":
        if (client === null) return fullReply;
        return bytesOf(`421 4.7.0 ${hostname} Error: too many connections from ${client.text}\r\n`);
      case "max-connections":
        return fullReply;
      case "upstream-unavailable":
      case "upstream-timeout":
      case "identity-refused":
      case "protocol-violation":
        return unavailableReply;
      // Whoever cannot send a good PROXY header is no SMTP client, and is told nothing.
      case "proxy-untrusted":
      case "proxy-missing":
      case "proxy-malformed":
      case "proxy-unsupported":
      case "proxy-checksum":
      case "proxy-source":
      case "proxy-timeout":
      case "proxy-too-long":
        return nothing;
      default:
        return reason satisfies never;
    }
  };
}
