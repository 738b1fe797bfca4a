/** What the client sees of a server's capabilities, in each place where they are told. */
import t from "tap";
import { type Offer, shown } from "../../src/imap/capabilities.ts";
import { bytesOf, textOf } from "../../src/lines.ts";

const offered: Offer = { startTls: "offered", logins: "disabled" };
const secured: Offer = { startTls: "hidden", logins: "enabled" };
const behindTls: Offer = { startTls: "server", logins: "disabled" };
const none: Offer = { startTls: "server", logins: "server" };

const list = "IMAP4rev1 SASL-IR ID AUTH=PLAIN Auth=LOGIN LITERAL+";

t.test("shown tells of TLS and logins as postern has it, wherever capabilities stand", async (t) => {
  for (const [head, tail] of [
    ["* CAPABILITY ", ""],
    ["* capability ", ""],
    ["* OK [CAPABILITY ", "] Dovecot ready."],
    ["* ok [Capability ", "]"],
    ["a1 OK [CAPABILITY ", "] Logged in [CAPABILITY]"],
  ] as const) {
    for (const [offer, capabilities, expected] of [
      [offered, list, "IMAP4rev1 ID LITERAL+ STARTTLS LOGINDISABLED"],
      [offered, "IMAP4rev1 StartTLS LOGINDISABLED ID", null],
      [offered, "IMAP4rev1 STARTTLS AUTH=PLAIN", "IMAP4rev1 STARTTLS LOGINDISABLED"],
      [secured, "IMAP4rev1 starttls LoginDisabled AUTH=PLAIN ID", "IMAP4rev1 AUTH=PLAIN ID"],
      [secured, list, null],
      [secured, "STARTTLS", ""],
      [behindTls, list, "IMAP4rev1 ID LITERAL+ LOGINDISABLED"],
      [behindTls, "IMAP4rev1  STARTTLS ", "IMAP4rev1 STARTTLS LOGINDISABLED"],
      [none, "IMAP4rev1  STARTTLS LOGINDISABLED AUTH=PLAIN ", null],
      [offered, "AUTHOR AUTH XSTARTTLS SASL-IRS", "AUTHOR AUTH XSTARTTLS SASL-IRS STARTTLS LOGINDISABLED"],
    ] as const) {
      const response = bytesOf(`${head}${capabilities}${tail}\r\n`);
      const found = shown(response, offer);
      t.equal(textOf(found), `${head}${expected ?? capabilities}${tail}\r\n`);
      if (expected === null) t.equal(found, response, "the very same");
    }
  }
});

t.test("shown changes nothing when a response tells no capabilities", async (t) => {
  for (const text of [
    "* OK ready\r\n",
    "* OK [ALERT] [CAPABILITY AUTH=PLAIN]\r\n",
    "* NO [CAPABILITY AUTH=PLAIN] x\r\n",
    "* BYE [CAPABILITY AUTH=PLAIN] x\r\n",
    "+ OK [CAPABILITY AUTH=PLAIN] x\r\n",
    "* CAPABILITY\r\n",
    "a CAPABILITY AUTH=PLAIN\n\r\n",
    '* ID ("CAPABILITY" {11}\r\n AUTH=PLAIN)\r\n',
  ]) {
    const response = bytesOf(text);
    t.equal(shown(response, offered), response, JSON.stringify(text));
  }
});
