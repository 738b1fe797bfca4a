/**
 * What mail clients say when limits are to be met: one list, said to Postfix itself and through the gateway.
 *
 * They are made for two messages, three recipients, two AUTH commands and two TLS sessions in a window (`limits.ts`). A
 * step is a command or a whole message, an array of commands is said in one breath, a number is a moment in seconds since
 * the script began, and `null` begins another connection of the same client. Every command has one reply.
 */
import { plainLogin } from "../servers/talk.ts";

/** TLS that begins anew, or resumes what an earlier connection had; or ends in nonsense. */
export interface TlsStep {
  readonly tls: "new" | "resumed" | "broken";
}

export type Step = string | readonly string[] | number | null | TlsStep | { readonly hears: "the end" };

export interface Script {
  readonly says: string;
  /** Whether the client has an IPv6 address. */
  readonly six?: boolean;
  readonly steps: readonly Step[];
}

const ehlo = "EHLO client.example.org";
const mail = "MAIL FROM:<carol@example.org>";
const rcpt = "RCPT TO:<alice@example.test>";
const stranger = "RCPT TO:<outside@example.org>";
const text = "Subject: hello\r\n\r\nHello.\r\n..\r\n.";
const chunk = "BDAT 7 LAST\r\nHello";
const once = [ehlo, mail, "RSET"];
const twice = [...once, mail, "RSET"];
const rcpts = [rcpt, rcpt, rcpt];
const login = `AUTH PLAIN ${plainLogin}`;
const wrong = `AUTH PLAIN ${Buffer.from("\0alice\0mistaken").toString("base64")}`;

const messageScripts: readonly Script[] = [
  { says: "messages in chunks", steps: [ehlo, [mail, rcpt], chunk, [mail, rcpt, chunk, mail], "QUIT"] },
  { says: "messages up to the limit", steps: [...twice, "QUIT"] },
  { says: "a message beyond the limit", steps: [...twice, mail, "QUIT"] },
  { says: "a message beyond the limit, over IPv6", six: true, steps: [...twice, mail, "QUIT"] },
  { says: "many messages beyond the limit", steps: [...twice, mail, mail, mail, "NOOP", mail, "QUIT"] },
  { says: "RCPT and DATA behind a refused MAIL", steps: [...twice, mail, rcpt, "DATA", "RSET", "QUIT"] },
  {
    says: "messages delivered up to the limit",
    steps: [ehlo, mail, rcpt, "DATA", text, mail, rcpt, "DATA", text, mail, "QUIT"],
  },
  {
    says: "a message beyond the limit on another connection",
    steps: [...twice, "QUIT", null, ehlo, mail, "QUIT"],
  },
  { says: "HELO instead of EHLO", steps: ["HELO client", mail, "RSET", mail, "RSET", mail, "QUIT"] },
  { says: "MAIL before HELO", steps: [mail, mail, ...twice, mail, "QUIT"] },
  { says: "nested MAIL", steps: [ehlo, mail, mail, mail, "RSET", mail, "RSET", mail, "QUIT"] },
  {
    says: "MAIL with bad syntax",
    steps: [
      ehlo,
      "MAIL",
      "MAIL carol",
      "MAIL FROM carol",
      "MAIL TO:<carol@example.org>",
      "MAIL FROM:",
      mail,
      "RSET",
      mail,
      "RSET",
      mail,
      "QUIT",
    ],
  },
  { says: "MAIL with a bad address", steps: [ehlo, "MAIL FROM:<carol", "MAIL FROM:<@>", mail, "QUIT"] },
  {
    says: "MAIL with odd spelling",
    steps: [
      ehlo,
      "mail from:<carol@example.org>",
      "RSET",
      "MAIL FROM: <carol@example.org>",
      "RSET",
      "MAIL  FROM:<carol@example.org> SIZE=100",
      "QUIT",
    ],
  },
  { says: "MAIL with bad parameters", steps: [ehlo, `${mail} SIZE=x`, `${mail} NONSENSE=1`, mail, "QUIT"] },
  {
    says: "MAIL with a size beyond bounds",
    steps: [ehlo, `${mail} SIZE=99999999999`, `${mail} SIZE=99999999999`, mail, "QUIT"],
  },
  {
    says: "the empty sender",
    steps: [ehlo, "MAIL FROM:<>", "RSET", "MAIL FROM:<>", "RSET", "MAIL FROM:<>", "QUIT"],
  },
  { says: "messages in one breath", steps: [ehlo, [mail, "RSET", mail, "RSET", mail, rcpt, "RSET", "QUIT"]] },
  { says: "nested MAIL after a second EHLO", steps: [ehlo, mail, ehlo, mail, ehlo, mail, "QUIT"] },
  {
    says: "a session behind its limit goes on with other commands",
    steps: [...twice, mail, "VRFY alice", "HELP", "ETRN example.test", "EXPN x", "NOOP x", "QUIT"],
  },
  {
    says: "a message in one breath, delivered, then two beyond",
    steps: [ehlo, [mail, rcpt, "DATA"], text, [mail, rcpt, "DATA"], text, [mail, rcpt, "DATA"], "QUIT"],
  },
];

const recipientScripts: readonly Script[] = [
  { says: "recipients up to the limit", steps: [ehlo, mail, ...rcpts, "DATA", text, "QUIT"] },
  { says: "a recipient beyond the limit", steps: [ehlo, mail, ...rcpts, rcpt, "QUIT"] },
  { says: "a recipient beyond the limit, over IPv6", six: true, steps: [ehlo, mail, ...rcpts, rcpt, "QUIT"] },
  {
    says: "DATA for those within the limit",
    steps: [ehlo, mail, ...rcpts, rcpt, rcpt, "DATA", text, "QUIT"],
  },
  { says: "RCPT without MAIL", steps: [ehlo, rcpt, rcpt, mail, ...rcpts, rcpt, "QUIT"] },
  {
    says: "RCPT with bad syntax",
    steps: [
      ehlo,
      mail,
      "RCPT",
      "RCPT alice",
      "RCPT FROM:<alice@example.test>",
      "RCPT TO:",
      ...rcpts,
      rcpt,
      "QUIT",
    ],
  },
  {
    says: "RCPT with a bad address",
    steps: [ehlo, mail, "RCPT TO:<alice", "RCPT TO:<>", rcpt, rcpt, "QUIT"],
  },
  {
    says: "RCPT with bad parameters",
    steps: [ehlo, mail, `${rcpt} NONSENSE=1`, `${rcpt} NOTIFY=x`, rcpt, rcpt, "QUIT"],
  },
  { says: "refused recipients count", steps: [ehlo, mail, stranger, stranger, stranger, rcpt, "QUIT"] },
  {
    says: "recipients over several messages",
    steps: [ehlo, mail, rcpt, rcpt, "RSET", mail, rcpt, rcpt, "QUIT"],
  },
  { says: "recipients in one breath", steps: [ehlo, [mail, rcpt, rcpt, rcpt, rcpt, "RSET", "QUIT"]] },
  {
    says: "recipients beyond the limit alone",
    steps: [ehlo, mail, ...rcpts, "RSET", mail, rcpt, "DATA", "QUIT"],
  },
  {
    says: "recipients on another connection",
    steps: [ehlo, mail, rcpt, rcpt, "QUIT", null, ehlo, mail, rcpt, rcpt, "QUIT"],
  },
  {
    says: "messages and recipients both beyond",
    steps: [ehlo, mail, ...rcpts, rcpt, "RSET", mail, rcpt, "RSET", mail, rcpt, "QUIT"],
  },
];

const authScripts: readonly Script[] = [
  { says: "AUTH that succeeds", steps: [ehlo, login, mail, stranger, "QUIT"] },
  { says: "AUTH again after it succeeded", steps: [ehlo, login, login, login, "QUIT"] },
  {
    says: "AUTH up to the limit and beyond",
    steps: [ehlo, login, "QUIT", null, ehlo, login, "QUIT", null, ehlo, login, mail, "QUIT"],
  },
  { says: "AUTH that fails counts", steps: [ehlo, wrong, login, "QUIT", null, ehlo, login, "QUIT"] },
  {
    says: "AUTH that is given up counts",
    steps: [ehlo, "AUTH LOGIN", "*", "AUTH PLAIN", "*", login, "QUIT"],
  },
  {
    says: "AUTH LOGIN step by step",
    steps: [
      ehlo,
      "AUTH LOGIN",
      Buffer.from("alice").toString("base64"),
      Buffer.from("open-sesame").toString("base64"),
      "QUIT",
    ],
  },
  {
    says: "AUTH over IPv6",
    six: true,
    steps: [ehlo, "AUTH LOGIN", "*", "AUTH LOGIN", "*", login, "AUTH LOGIN", "QUIT"],
  },
  { says: "AUTH before EHLO", steps: [login, login, ehlo, login, "QUIT"] },
  { says: "AUTH within a message", steps: [ehlo, mail, login, "RSET", "AUTH LOGIN", "*", login, "QUIT"] },
  {
    says: "AUTH with bad syntax",
    steps: [ehlo, "AUTH", "AUTH PLAIN a b", login, "QUIT"],
  },
  { says: "AUTH with an unknown mechanism", steps: [ehlo, "AUTH NONSENSE", "AUTH NONSENSE", login, "QUIT"] },
  { says: "AUTH with garbage", steps: [ehlo, "AUTH PLAIN !", "AUTH PLAIN =", login, "QUIT"] },
  {
    says: "all limits in one session",
    steps: [
      ehlo,
      "AUTH LOGIN",
      "*",
      "AUTH LOGIN",
      "*",
      "AUTH LOGIN",
      mail,
      ...rcpts,
      rcpt,
      "RSET",
      mail,
      rcpt,
      "RSET",
      mail,
      login,
      "QUIT",
    ],
  },
];

/** Postfix ends a session at its twentieth error (smtpd_hard_error_limit). */
const errorScripts: readonly Script[] = [
  {
    says: "twenty messages beyond the limit",
    steps: [...twice, ...Array.from({ length: 20 }, () => mail), { hears: "the end" }],
  },
  {
    says: "twenty recipients beyond the limit",
    steps: [ehlo, mail, ...rcpts, ...Array.from({ length: 20 }, () => rcpt), { hears: "the end" }],
  },
  {
    says: "two wrong logins, and eighteen beyond the limit",
    steps: [ehlo, ...Array.from({ length: 20 }, () => wrong), { hears: "the end" }],
  },
  {
    says: "twenty commands that nobody knows",
    steps: [ehlo, ...Array.from({ length: 20 }, () => "NONSENSE"), { hears: "the end" }],
  },
  {
    says: "errors are forgiven when a message is taken",
    steps: [
      ehlo,
      mail,
      ...rcpts,
      ...Array.from({ length: 15 }, () => rcpt),
      ["DATA"],
      text,
      mail,
      ...Array.from({ length: 15 }, () => rcpt),
      "QUIT",
    ],
  },
];

export const scripts: readonly Script[] = [
  ...messageScripts,
  ...recipientScripts,
  ...authScripts,
  ...errorScripts,
];

/** The connection begins the window in the script's first second: it holds through the fourth, and no longer. */
export const timedScripts: readonly Script[] = [
  {
    says: "messages at the window's edge",
    steps: [...twice, mail, 3.2, mail, 4.2, mail, "RSET", mail, "RSET", mail, "QUIT"],
  },
  {
    says: "recipients at the window's edge",
    steps: [ehlo, mail, ...rcpts, 3.2, rcpt, 4.2, rcpt, rcpt, rcpt, rcpt, "QUIT"],
  },
  {
    says: "AUTH at the window's edge",
    six: true,
    steps: [ehlo, "AUTH LOGIN", "*", "AUTH LOGIN", "*", 3.2, "AUTH LOGIN", 4.2, "AUTH LOGIN", "*", "QUIT"],
  },
  {
    says: "refused messages do not prolong the window",
    steps: [...twice, 1.2, mail, 2.2, mail, 2.9, mail, 4.2, mail, "QUIT"],
  },
  {
    says: "one window for messages and recipients",
    steps: [
      ehlo,
      2.3,
      mail,
      rcpt,
      rcpt,
      rcpt,
      "RSET",
      4.2,
      mail,
      "RSET",
      mail,
      rcpt,
      rcpt,
      rcpt,
      rcpt,
      "RSET",
      7.4,
      mail,
      rcpt,
      "QUIT",
    ],
  },
  {
    says: "another connection within the window and behind it",
    steps: [...twice, "QUIT", 2.2, null, ehlo, mail, 4.2, mail, "QUIT"],
  },
];
