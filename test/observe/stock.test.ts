/** The lines for CrowdSec's stock parsers: their exact text, which there are, and that no client has a say in them. */
import fc from "fast-check";
import t from "tap";
import { Address, type AddressAndPort } from "../../src/address.ts";
import { type StockFrame, stockAuth, stockHost, stockOffence, stockText } from "../../src/observe/stock.ts";
import { offences, reasons } from "../../src/outcome.ts";

function client(text: string, port = 41323): AddressAndPort {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return { address, port };
}

const v4 = client("203.0.113.7");
const v6 = client("2001:db8::7");

t.test("stockAuth writes smtpd's line when a login over SMTP has failed", async (t) => {
  t.same(stockAuth("smtp", v4.address, "LOGIN"), {
    program: "postfix/smtpd",
    message: "warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: authentication failure",
  });
  t.match(stockAuth("smtp", v6.address, "CRAM-MD5")?.message, "unknown[2001:db8::7]: SASL CRAM-MD5 ");
});

t.test("stockAuth writes imap-login's line when a login over IMAP has failed", async (t) => {
  t.same(stockAuth("imap", v6.address, "PLAIN"), {
    program: "dovecot",
    message:
      "imap-login: Disconnected (auth failed, 1 attempts in 1 secs): user=<>, method=PLAIN, rip=2001:db8::7, lip=127.0.0.1",
  });
});

t.test("stockAuth writes PLAIN for a mechanism that the patterns do not know", async (t) => {
  for (const method of ["SCRAM-SHA-256", "NTLM", "unknown", "plain", "LOGIN authentication failed"]) {
    for (const protocol of ["smtp", "imap"]) {
      t.same(stockAuth(protocol, v4.address, method), stockAuth(protocol, v4.address, "PLAIN"), method);
    }
  }
});

t.test("stockAuth writes nothing for a mechanism by which no password is guessed", async (t) => {
  for (const method of ["EXTERNAL", "GSSAPI", "GSS-SPNEGO", "OAUTHBEARER", "XOAUTH2"]) {
    for (const protocol of ["smtp", "imap"]) t.equal(stockAuth(protocol, v4.address, method), null, method);
  }
});

t.test("stockOffence has a line for what no honest client does, and for nothing else", async (t) => {
  const lines = reasons.map((reason) => [reason, stockOffence("smtp", v4, reason)] as const);
  t.same(Object.fromEntries(lines.filter(([, line]) => line !== null)), {
    "early-talk": {
      program: "postfix/postscreen",
      message: "PREGREET 4 after 0.01 from [203.0.113.7]:41323: EHLO",
    },
    "not-smtp": {
      program: "postfix/smtpd",
      message: "lost connection after UNKNOWN from unknown[203.0.113.7]",
    },
    "command-injection": {
      program: "postfix/smtpd",
      message: "lost connection after STARTTLS from unknown[203.0.113.7]",
    },
  });
  t.equal(stockOffence("smtp", v4, null), null);
});

t.test("stockOffence has no line when the protocol is not SMTP", async (t) => {
  for (const reason of offences) {
    t.equal(stockOffence("imap", v4, reason), null);
    t.equal(stockOffence("tcp", v4, reason), null);
  }
});

const frame: StockFrame = { kind: "file", host: "mx1.example.test", pid: 4242 };
const line = { program: "postfix/smtpd", message: "a message" } as const;
const time = new Date("2026-11-22T10:00:01.120Z");

t.test("stockText writes Postfix's own form into a file, and RFC 5424's into a datagram", async (t) => {
  t.equal(
    stockText(line, frame, time),
    "2026-11-22T10:00:01.120Z mx1.example.test postfix/smtpd[4242]: a message\n",
  );
  t.equal(
    stockText(line, { ...frame, kind: "udp" }, time),
    "<22>1 2026-11-22T10:00:01.120Z mx1.example.test postfix/smtpd 4242 - - a message\n",
  );
});

t.test("stockHost leaves nothing of a host name that CrowdSec does not take", async (t) => {
  const names = {
    "mx1.example.test": "mx1.example.test",
    "192.0.2.1": "192.0.2.1",
    mail_edge_1: "mail-edge-1",
    "_mx._tcp.example.test": "mx.tcp.example.test",
    x_: "x",
  };
  for (const [name, host] of Object.entries(names)) t.equal(stockHost(name), host);
});

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom(
    "PLAIN authentication failed: x\n2026-11-22T10:00:01.120Z mx1 postfix/smtpd[1]: warning: unknown[192.0.2.1]: SASL PLAIN",
    "x>, rip=192.0.2.1, lip=192.0.2.2",
    "lost connection after AUTH from unknown[192.0.2.1]",
  ),
);

t.test("stockAuth has one of a handful of texts, whatever the client calls its mechanism", async () => {
  const known = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"];
  fc.assert(
    fc.property(anyText, fc.constantFrom("smtp", "imap"), (method, protocol) => {
      const message = stockAuth(protocol, v4.address, method)?.message;
      return (
        message === undefined ||
        known.some((word) => message === stockAuth(protocol, v4.address, word)?.message)
      );
    }),
  );
});
