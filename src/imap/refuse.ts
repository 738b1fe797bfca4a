/**
 * The words with which an IMAP session ends before an upstream has it: a BYE in place of the greeting (RFC 9051 7.1.5)
 * with a response code of RFC 5530 that says why.
 */
import type { Address } from "../address.ts";
import type { Dialogue } from "../dialogue.ts";
import { bytesOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";

export const unavailable = bytesOf("* BYE [UNAVAILABLE] Service not available, try again later\r\n");

const full = bytesOf("* BYE [LIMIT] Too many connections\r\n");
const guessing = bytesOf("* BYE [LIMIT] Too many failed logins\r\n");
export const unreadable = bytesOf("* BYE [CLIENTBUG] Commands that cannot be followed\r\n");

export const refusal: Dialogue["refusal"] = (reason: SpokenReason, client: Address | null): Uint8Array => {
  switch (reason) {
    case "connection-count":
    case "connection-rate":
      return client === null ? full : bytesOf(`* BYE [LIMIT] Too many connections from ${client.text}\r\n`);
    case "max-connections":
    case "new-tls-session-rate":
      return full;
    case "auth-failure-rate":
      return guessing;
    case "upstream-unavailable":
    case "upstream-timeout":
    case "identity-refused":
    case "tls-handshake":
    case "response-injection":
      return unavailable;
    case "early-talk":
    case "not-smtp":
    case "command-injection":
    case "bare-newline":
    case "nul-byte":
    case "line-too-long":
    case "too-many-commands":
    case "too-many-errors":
    case "protocol-violation":
      return unreadable;
    default:
      return reason satisfies never;
  }
};
