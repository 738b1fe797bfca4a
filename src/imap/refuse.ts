/**
 * The words with which an IMAP session ends before an upstream has it: a BYE in place of the greeting (RFC 9051 7.1.5)
 * with a response code of RFC 5530 that says why.
 */
import type { Address } from "../address.ts";
import type { Dialogue } from "../dialogue.ts";
import { bytesOf, nothing } from "../lines.ts";
import type { EndReason } from "../outcome.ts";

export const unavailable = bytesOf("* BYE [UNAVAILABLE] Service not available, try again later\r\n");

const full = bytesOf("* BYE [LIMIT] Too many connections\r\n");
export const unreadable = bytesOf("* BYE [CLIENTBUG] Commands that cannot be followed\r\n");

export const refusal: Dialogue["refusal"] = (reason: EndReason, client: Address | null): Uint8Array => {
  switch (reason) {
    case "connection-count":
    case "connection-rate":
      return client === null ? full : bytesOf(`* BYE [LIMIT] Too many connections from ${client.text}\r\n`);
    case "max-connections":
      return full;
    case "upstream-unavailable":
    case "upstream-timeout":
    case "identity-refused":
      return unavailable;
    case "protocol-violation":
      return unreadable;
    // Whoever cannot send a good PROXY header is no IMAP client, and is told nothing.
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
