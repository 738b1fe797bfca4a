/** A data thread's lines for CrowdSec's stock parsers: for whom there are any, and that only addresses differ in them. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import { Batch } from "../../src/observe/batch.ts";
import type { StockDestination } from "../../src/observe/options.ts";
import { StockLog } from "../../src/observe/stocklog.ts";
import { outcomes } from "../../src/outcome.ts";
import type { Login, SessionRecord } from "../../src/record.ts";
import { session } from "./fixtures.ts";

const smtp = { name: "smtp", protocol: "smtp" };
const imap = { name: "imaps", protocol: "imap" };
const { address: client } = session.client!;
const failure: Login = { client, ok: false, tls: true, method: "PLAIN", user: "alice" };

function make(kind: StockDestination["kind"] = "file", hostname = "mx1.example.test") {
  const batches: string[] = [];
  const send = (lines: string) => void batches.push(lines);
  const log = new StockLog({
    kind,
    hostname,
    backlog: Batch.backlog(),
    send,
    dropped: () => t.fail("a line is lost"),
  });
  return { log, batches };
}

/** What `tell` has written, times and process id replaced. */
function written(tell: (log: StockLog) => void, kind?: StockDestination["kind"]): string {
  const { log, batches } = make(kind);
  tell(log);
  log.flush();
  return batches
    .join("")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "TIME")
    .replaceAll(String(process.pid), "PID");
}

t.test("login writes a line when it has failed, and none when it has not", async (t) => {
  const lines = written((log) => {
    log.login(smtp, failure);
    log.login(smtp, { ...failure, ok: true });
    log.login(imap, failure);
  });
  t.same(lines.split("\n"), [
    "TIME mx1.example.test postfix/smtpd[PID]: warning: unknown[203.0.113.7]: SASL PLAIN authentication failed: authentication failure",
    "TIME mx1.example.test dovecot[PID]: imap-login: Disconnected (auth failed, 1 attempts in 1 secs): user=<>, method=PLAIN, rip=203.0.113.7, lip=127.0.0.1",
    "",
  ]);
});

t.test("login writes syslog's form when it goes out by UDP", async (t) => {
  t.equal(
    written((log) => log.login(imap, failure), "udp"),
    "<22>1 TIME mx1.example.test dovecot PID - - imap-login: Disconnected (auth failed, 1 attempts in 1 secs): user=<>, method=PLAIN, rip=203.0.113.7, lip=127.0.0.1\n",
  );
});

t.test(
  "session writes a line when postern has refused it for an offence, and for no other outcome",
  async (t) => {
    const offended: SessionRecord = { ...session, outcome: "refused", reason: "early-talk" };
    t.equal(
      written((log) => log.session(smtp, offended)),
      "TIME mx1.example.test postfix/postscreen[PID]: PREGREET 4 after 0.01 from [203.0.113.7]:40123: EHLO\n",
    );
    for (const outcome of outcomes) {
      if (outcome !== "refused")
        t.equal(
          written((log) => log.session(smtp, { ...offended, outcome })),
          "",
        );
    }
    t.equal(
      written((log) => log.session(smtp, { ...offended, client: null })),
      "",
    );
    t.equal(
      written((log) => log.session(smtp, session)),
      "",
    );
  },
);

t.test(
  "StockLog names itself so that CrowdSec takes the line when its host name has an underscore",
  async (t) => {
    const { log, batches } = make("file", "mail_edge_1");
    log.login(smtp, failure);
    log.flush();
    t.match(batches.join(""), /^\S+Z mail-edge-1 postfix\/smtpd\[/);
  },
);

const anyText = fc.string({ unit: "binary", maxLength: 60 });
const anyAddress = fc
  .tuple(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(0xffffffff), fc.boolean())
  .map(([a, b, c, d, isIPv4]) => (isIPv4 ? Address.v4(d) : new Address(a, b, c, d)));

t.test("login writes the same but for the address, whatever the client says", async () => {
  fc.assert(
    fc.property(
      anyAddress,
      anyText,
      anyText,
      fc.constantFrom(smtp, imap),
      (address, user, name, listener) => {
        const method = ["LOGIN", "CRAM-MD5", "DIGEST-MD5"].includes(name) ? "PLAIN" : name;
        const line = written((log) => log.login(listener, { ...failure, client: address, user, method }));
        const plain = written((log) => log.login(listener, failure));
        return line === plain.replace(client.text, address.text);
      },
    ),
  );
});

t.test("session writes the same but for the address and port, whatever the client says", async () => {
  const reason = fc.constantFrom("early-talk", "not-smtp", "command-injection");
  fc.assert(
    fc.property(anyAddress, fc.nat(65535), anyText, reason, (address, port, text, reason) => {
      const record: SessionRecord = { ...session, outcome: "refused", reason };
      const told = {
        ...record,
        client: { address, port },
        detail: text,
        imap: { user: text, logins: 0, failures: 1 },
      };
      const plain = written((log) => log.session(smtp, record));
      const line = written((log) => log.session(smtp, told));
      return line === plain.replace(client.text, address.text).replace(":40123:", `:${port}:`);
    }),
  );
});
