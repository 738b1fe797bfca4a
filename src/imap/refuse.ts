/**
 * The words with which postern ends an IMAP session, a BYE (RFC 9051 7.1.5), and those with which it completes a command
 * in the server's place; each with a response code that says why (RFC 5530).
 */
import type { Address } from "../address.ts";
import type { Dialogue } from "../dialogue.ts";
import { bytesOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";

/** A completion, for the command's tag. */
export type Reply = (tag: string) => Uint8Array;

/** What postern answers to commands in the server's place. */
export const replies = {
  beginTls: completion("OK Begin TLS negotiation now"),
  tlsUnavailable: completion("NO [UNAVAILABLE] TLS not available now, try again later"),
  tlsActive: completion("BAD TLS already active"),
  tooManyTls: completion("NO [LIMIT] Too many new TLS sessions, try again later"),
  loginNeedsTls: completion("NO [PRIVACYREQUIRED] Login needs TLS"),
  tooManyLogins: completion("NO [LIMIT] Too many login attempts, try again later"),
  notBeforeLogin: completion("BAD Not before login"),
} as const;

function completion(text: string): Reply {
  return (tag) => bytesOf(`${tag} ${text}\r\n`);
}

export const unavailable = bytesOf("* BYE [UNAVAILABLE] Service not available, try again later\r\n");
export const unreadable = bytesOf("* BYE [CLIENTBUG] Commands that cannot be followed\r\n");

const accessDenied = bytesOf("* BYE [NOPERM] Access denied\r\n");
const full = bytesOf("* BYE [LIMIT] Too many connections\r\n");
const tooManyTls = bytesOf("* BYE [LIMIT] Too many new TLS sessions\r\n");
const guessing = bytesOf("* BYE [LIMIT] Too many failed logins\r\n");
const injected = bytesOf("* BYE [CLIENTBUG] Nothing may follow STARTTLS ahead of TLS\r\n");
const tooLong = bytesOf("* BYE [LIMIT] Line too long\r\n");
const tooManyCommands = bytesOf("* BYE [LIMIT] Too many commands at once\r\n");
const tooManyErrors = bytesOf("* BYE [LIMIT] Too many errors\r\n");

/** The refusals of a listener that has a text of its own for banned clients. */
export function refusalWith(banText: string): Dialogue["refusal"] {
  const banned = bytesOf(`* BYE [NOPERM] ${banText}\r\n`);
  return (reason, client) => (reason === "banned" ? banned : refusal(reason, client));
}

export function refusal(reason: SpokenReason, client: Address | null): Uint8Array {
  switch (reason) {
    case "banned":
      return accessDenied;
    case "connection-count":
    case "connection-rate":
      return client === null ? full : bytesOf(`* BYE [LIMIT] Too many connections from ${client.text}\r\n`);
    case "max-connections":
      return full;
    case "new-tls-session-rate":
      return tooManyTls;
    case "auth-failure-rate":
      return guessing;
    case "command-injection":
      return injected;
    case "line-too-long":
      return tooLong;
    case "too-many-commands":
      return tooManyCommands;
    case "too-many-errors":
      return tooManyErrors;
    case "ban-list-missing":
    case "upstream-unavailable":
    case "upstream-timeout":
    case "identity-refused":
    case "tls-handshake":
    case "response-injection":
      return unavailable;
    case "early-talk":
    case "not-smtp":
    case "bare-newline":
    case "nul-byte":
    case "protocol-violation":
      return unreadable;
    default:
      return reason satisfies never;
  }
}
