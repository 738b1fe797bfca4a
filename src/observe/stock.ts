/**
 * What went wrong with a client, as a line that CrowdSec's stock parsers for Postfix, postscreen and Dovecot take.
 *
 * The vocabulary is fixed: of a line nothing but an address, a port and the word for one of four mechanisms is not the
 * same each time. No text that a client chose is ever part of one, since the stock patterns look everywhere in a line for
 * who is to blame. A client's name is always `unknown`, as one with an underscore in it hides the address from them.
 *
 * Whoever is named six times, or once where it is postscreen that speaks, is banned. So where an honest client might have
 * done it, there is no line; nor for what a limit or a ban refuses, as a ban would then feed itself for ever.
 */
import type { Address, AddressAndPort } from "../address.ts";
import type { Offence, Reason } from "../outcome.ts";
import type { StockDestination } from "./options.ts";

/** What a line says, and in whose name. */
export interface StockLine {
  readonly program: "postfix/smtpd" | "postfix/postscreen" | "dovecot";
  readonly message: string;
}

/** The mechanisms that the patterns know; for others PLAIN stands in. */
const known: ReadonlySet<string> = new Set(["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"]);

/**
 * By these nobody guesses a password: a ticket or token has run out, and the client gets a new one, or goes on with its
 * password. Dovecot's own line would speak of a login then, and of no failure.
 */
const guessless: ReadonlySet<string> = new Set([
  "EXTERNAL",
  "GSSAPI",
  "GSS-SPNEGO",
  "OAUTHBEARER",
  "XOAUTH2",
]);

/** The patterns ask for the server's address as well; nothing is made of it. */
const SERVER = "127.0.0.1";

/** A login that the server has refused. */
export function stockAuth(protocol: string, { text }: Address, method: string): StockLine | null {
  if (guessless.has(method)) return null;
  const mechanism = known.has(method) ? method : "PLAIN";
  if (protocol === "imap") {
    const failure = "Disconnected (auth failed, 1 attempts in 1 secs)";
    const message = `imap-login: ${failure}: user=<>, method=${mechanism}, rip=${text}, lip=${SERVER}`;
    return { program: "dovecot", message };
  }
  const message = `warning: unknown[${text}]: SASL ${mechanism} authentication failed: authentication failure`;
  return { program: "postfix/smtpd", message };
}

type Speaker = (client: AddressAndPort) => StockLine;

/**
 * - `early-talk` bans at once: it is an offence only where a listener is told so, as postscreen's port 25 is.
 * - `not-smtp` is no line about a non-SMTP command, which would ban at once as well: the phone that tries TLS on a
 *   cleartext port while its account is set up would be.
 * - The others befall honest clients: mailing lists run into errors, appliances send bare newlines and NULs, tickets make
 *   long lines, and what we cannot follow is not always somebody's fault.
 */
const speakers: Readonly<Partial<Record<Reason, Speaker | null>>> = {
  "early-talk": ({ address, port }) => ({
    program: "postfix/postscreen",
    message: `PREGREET 4 after 0.01 from [${address.text}]:${port}: EHLO`,
  }),
  "not-smtp": ({ address }) => lost("UNKNOWN", address),
  "command-injection": ({ address }) => lost("STARTTLS", address),
  "bare-newline": null,
  "nul-byte": null,
  "line-too-long": null,
  "too-many-commands": null,
  "too-many-errors": null,
  "protocol-violation": null,
} satisfies Record<Offence, Speaker | null>;

/** What ended a session; only of SMTP do the stock patterns know anything but logins. */
export function stockOffence(
  protocol: string,
  client: AddressAndPort,
  reason: Reason | null,
): StockLine | null {
  if (protocol !== "smtp" || reason === null) return null;
  return speakers[reason]?.(client) ?? null;
}

function lost(command: "UNKNOWN" | "STARTTLS", { text }: Address): StockLine {
  return { program: "postfix/smtpd", message: `lost connection after ${command} from unknown[${text}]` };
}

/** Whose lines they are, and in which form. */
export interface StockFrame {
  readonly kind: StockDestination["kind"];
  /** As `stockHost` gives it. */
  readonly host: string;
  readonly pid: number;
}

/**
 * The whole line. In a file it has the form of Postfix's own. In a datagram it is RFC 5424's, with the priority mail.info
 * (facility 2, severity 6): CrowdSec's receiver ends an RFC 3164 program's name at the slash, and no pattern matches then.
 */
export function stockText(
  { program, message }: StockLine,
  { kind, host, pid }: StockFrame,
  time: Date,
): string {
  const when = time.toISOString();
  switch (kind) {
    case "file":
      return `${when} ${host} ${program}[${pid}]: ${message}\n`;
    case "udp":
      return `<22>1 ${when} ${host} ${program} ${pid} - - ${message}\n`;
    default:
      return kind satisfies never;
  }
}

/** A host name as CrowdSec reads one: of a line with another character in its name, such as `_`, it takes nothing. */
export function stockHost(hostname: string): string {
  const joined = hostname.replace(/(?<=[A-Za-z0-9])[^A-Za-z0-9.-]+(?=[A-Za-z0-9])/g, "-");
  return joined.replace(/[^A-Za-z0-9.-]+/g, "");
}
