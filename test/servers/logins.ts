/** The ways to log in to IMAP, as a client says them line by line (RFC 9051 6.2.2, 6.2.3; RFC 4959 for SASL-IR). */
import type { Client } from "./client.ts";

/** What the client says; each line behind the first has to be asked for by the server's `+`. */
type Lines = readonly [string, ...string[]];

interface Login {
  /** As postern's events name it, and as Dovecot's log does. */
  readonly method: string;
  readonly logged: string;
  lines(user: string, password: string): Lines;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const plain = (user: string, password: string) => base64(`\0${user}\0${password}`);

/** To Dovecot's log a LOGIN is a PLAIN. */
export const imapLogins: Readonly<Record<string, Login>> = {
  LOGIN: {
    method: "LOGIN",
    logged: "PLAIN",
    lines: (user, password) => [`LOGIN ${user} "${password}"`],
  },
  "LOGIN with literals": {
    method: "LOGIN",
    logged: "PLAIN",
    lines: (user, password) => [`LOGIN {${user.length}}`, `${user} {${password.length}+}\r\n${password}`],
  },
  "AUTHENTICATE PLAIN": {
    method: "PLAIN",
    logged: "PLAIN",
    lines: (user, password) => ["AUTHENTICATE PLAIN", plain(user, password)],
  },
  "AUTHENTICATE PLAIN with its response": {
    method: "PLAIN",
    logged: "PLAIN",
    lines: (user, password) => [`AUTHENTICATE PLAIN ${plain(user, password)}`],
  },
  "AUTHENTICATE LOGIN": {
    method: "LOGIN",
    logged: "LOGIN",
    lines: (user, password) => ["AUTHENTICATE LOGIN", base64(user), base64(password)],
  },
};

/** Says it under the tag `login`; gives the completion. */
export async function logIn(client: Client, lines: Lines): Promise<string> {
  const [first, ...others] = lines;
  client.send(`login ${first}\r\n`);
  for (const line of others) {
    const asked = await client.line();
    if (!asked.startsWith("+")) return asked;
    client.send(`${line}\r\n`);
  }
  for (;;) {
    const line = await client.line();
    if (line.startsWith("login ")) return line;
  }
}
