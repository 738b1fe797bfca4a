/**
 * What mail clients say of TLS when limits are to be met, and what they say inside it: all that they say in the clear, too.
 */

import { plainLogin } from "../servers/talk.ts";
import type { Script, Step } from "./scripts.ts";

const ehlo = "EHLO client.example.org";
const mail = "MAIL FROM:<carol@example.org>";
const rcpt = "RCPT TO:<alice@example.test>";
const login = `AUTH PLAIN ${plainLogin}`;
const fresh: Step = { tls: "new" };
const resumed: Step = { tls: "resumed" };
const broken: Step = { tls: "broken" };
const end: Step = { hears: "the end" };

/** The same script with each of its connections inside TLS; all but the first resume it, so that no more than one counts. */
export function inside({ steps, ...script }: Script): Script {
  return {
    ...script,
    steps: [fresh, ...steps.flatMap((step) => (step === null ? [null, resumed] : [step]))],
  };
}

/** What has no meaning before TLS, or where TLS comes first. */
export const startTlsScripts: readonly Script[] = [
  {
    says: "sessions up to the limit, one beyond, and those behind it",
    steps: [
      ...[ehlo, fresh, ehlo, "QUIT", null],
      ...[ehlo, fresh, ehlo, "QUIT", null],
      ...[ehlo, fresh, end, null],
      ...[ehlo, fresh, fresh, mail, rcpt, "QUIT", null],
      ...[fresh, ehlo, "QUIT"],
    ],
  },
  {
    says: "sessions beyond the limit over IPv6",
    six: true,
    steps: [fresh, "QUIT", null, fresh, "QUIT", null, fresh, end, null, fresh, "QUIT"],
  },
  {
    says: "sessions that are resumed do not count, but are refused when it is exceeded",
    steps: [
      ...[ehlo, fresh, ehlo, "QUIT", null],
      ...[ehlo, resumed, ehlo, "QUIT", null],
      ...[ehlo, resumed, ehlo, "QUIT", null],
      ...[ehlo, resumed, ehlo, "QUIT", null],
      ...[ehlo, fresh, ehlo, "QUIT", null],
      ...[ehlo, fresh, end, null],
      ...[ehlo, resumed, "QUIT"],
    ],
  },
  {
    says: "a handshake that fails counts",
    steps: [broken, null, ehlo, broken, null, ehlo, fresh, end, null, ehlo, fresh, "QUIT"],
  },
  {
    says: "handshakes that fail beyond the limit",
    steps: [broken, null, broken, null, broken, null, ehlo, fresh, "QUIT"],
  },
  { says: "STARTTLS again inside", steps: [ehlo, fresh, ehlo, "STARTTLS", "STARTTLS", mail, "QUIT"] },
  {
    says: "STARTTLS with a parameter",
    steps: [ehlo, "STARTTLS now", fresh, ehlo, "STARTTLS now", mail, "QUIT"],
  },
  { says: "STARTTLS within a message", steps: [ehlo, mail, rcpt, fresh, ehlo, rcpt, mail, rcpt, "QUIT"] },
  {
    says: "messages before STARTTLS and behind it",
    steps: [ehlo, mail, "RSET", fresh, ehlo, mail, "RSET", mail, "QUIT"],
  },
  {
    says: "a message before STARTTLS is delivered inside",
    steps: [ehlo, mail, fresh, ehlo, mail, rcpt, "DATA", "Subject: a\r\n\r\nb\r\n.", mail, "QUIT"],
  },
  {
    says: "recipients before STARTTLS and behind it",
    steps: [ehlo, mail, rcpt, rcpt, fresh, ehlo, mail, rcpt, rcpt, "QUIT"],
  },
  {
    says: "logins before STARTTLS are refused, and count",
    steps: [ehlo, login, fresh, ehlo, login, "QUIT", null, ehlo, resumed, ehlo, login, "QUIT"],
  },
  {
    says: "logins beyond the limit before STARTTLS",
    steps: [ehlo, "AUTH LOGIN", "AUTH", login, login, fresh, ehlo, login, mail, "QUIT"],
  },
  { says: "HELO instead of EHLO", steps: ["HELO client", login, mail, fresh, "HELO client", mail, "QUIT"] },
];

export const implicitScripts: readonly Script[] = [
  {
    says: "sessions up to the limit, one beyond, and those behind it",
    steps: [
      ...[fresh, ehlo, "QUIT", null, fresh, ehlo, "QUIT", null],
      ...[fresh, end, null, fresh, null, resumed],
    ],
  },
  {
    says: "sessions that are resumed do not count",
    steps: [
      ...[fresh, ehlo, "QUIT", null, resumed, ehlo, "QUIT", null, resumed, ehlo, "QUIT", null],
      ...[fresh, ehlo, "QUIT", null, resumed, ehlo, "QUIT", null, fresh, end],
    ],
  },
  { says: "a handshake that fails counts", steps: [broken, null, broken, null, fresh, end, null, fresh] },
  { says: "STARTTLS inside", steps: [fresh, ehlo, "STARTTLS", mail, "QUIT"] },
];

/** As in the clear, the first connection begins the window in the script's first second. */
export const timedTlsScripts: readonly Script[] = [
  {
    says: "sessions at the window's edge",
    steps: [
      ...[fresh, "QUIT", null, fresh, "QUIT", null, 2.2, fresh, end, null],
      ...[3.4, fresh, 4.2, fresh, "QUIT", null, fresh, "QUIT", null, fresh, end],
    ],
  },
  {
    says: "one window for sessions and messages",
    steps: [ehlo, mail, 2.2, fresh, ehlo, mail, "RSET", mail, 4.2, mail, "RSET", mail, "RSET", mail, "QUIT"],
  },
];
