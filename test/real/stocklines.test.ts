/**
 * The stock lines as CrowdSec takes them, with the parsers and scenarios that Debian ships: each is attributed to its
 * client, and the client is banned by as many of them as by Postfix's and Dovecot's own, from a file and by UDP alike.
 */
import { join } from "node:path";
import t from "tap";
import { Address, type AddressAndPort } from "../../src/address.ts";
import { Batch } from "../../src/observe/batch.ts";
import type { StockDestination } from "../../src/observe/options.ts";
import { StockLog } from "../../src/observe/stocklog.ts";
import { openStock } from "../../src/observe/stocksink.ts";
import { type Offence, offences } from "../../src/outcome.ts";
import type { SessionRecord } from "../../src/record.ts";
import { memoryLog, session } from "../observe/fixtures.ts";
import { startCrowdsec } from "../servers/crowdsec.ts";
import { freePort } from "../servers/ports.ts";
import { makeDirectory, until } from "../servers/process.ts";

t.setTimeout(60_000);

const path = join(makeDirectory(t, "stock"), "stock.log");
const destinations: readonly StockDestination[] = [
  { kind: "file", path },
  { kind: "udp", endpoint: { host: "127.0.0.1", port: await freePort() } },
];
const labels = { type: "syslog" };
const crowdsec = await startCrowdsec(t, {
  acquisition: destinations.map((destination) =>
    destination.kind === "file"
      ? { file: destination.path, labels }
      : { udpPort: destination.endpoint.port, labels },
  ),
  collections: ["crowdsecurity/postfix", "crowdsecurity/dovecot"],
});

const smtp = { name: "smtp", protocol: "smtp" };
const imap = { name: "imap", protocol: "imap" };

function clientAt(text: string): AddressAndPort {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return { address, port: 41323 };
}

/** What a client may do, as the threads' sessions tell of it. */
class Teller {
  readonly #log: StockLog;

  constructor(kind: StockDestination["kind"], send: (lines: string) => void) {
    const dropped = () => t.fail("a line is lost");
    this.#log = new StockLog({
      kind,
      hostname: "mail_edge.example.test",
      backlog: Batch.backlog(),
      send,
      dropped,
    });
  }

  login(listener: typeof smtp, ip: string, method = "PLAIN"): void {
    const { address: client } = clientAt(ip);
    this.#log.login(listener, {
      client,
      ok: false,
      tls: true,
      method,
      user: "x>, rip=192.0.2.66, lip=192.0.2.1",
    });
    this.#log.flush();
  }

  offence(ip: string, reason: Offence): void {
    const record: SessionRecord = { ...session, client: clientAt(ip), outcome: "refused", reason };
    this.#log.session(smtp, record);
    this.#log.flush();
  }
}

t.test("the stock parsers take every line there is, and the client from it", async (t) => {
  const lines: string[] = [];
  const teller = new Teller("file", (line) => void lines.push(line.trimEnd()));
  const clients = ["203.0.113.9", "2001:db8::9", "64:ff9b::cb00:7109", "2001:db8:1:2:3:4:5:6"];
  for (const ip of clients) {
    for (const method of ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "unknown"]) {
      teller.login(smtp, ip, method);
      teller.login(imap, ip, method);
    }
    for (const offence of offences) teller.offence(ip, offence);
  }
  t.equal(lines.length, clients.length * (2 * 6 + 3), "all logins, and three offences");
  const found = await crowdsec.explain([...new Set(lines)], labels);
  for (const { line, parser, meta, scenarios } of found) {
    t.equal(
      meta.source_ip,
      clients.find((ip) => line.includes(ip)),
      line,
    );
    const [, program] = /^\S+Z mail-edge\.example\.test (\S+)\[\d+\]: /.exec(line) ?? [];
    const [takes, scenario] =
      program === "dovecot"
        ? ["dovecot-logs", "dovecot-spam"]
        : program === "postfix/postscreen"
          ? ["postscreen-logs", "postscreen-rbl"]
          : ["postfix-logs", "postfix-spam"];
    t.equal(parser, `crowdsecurity/${takes}`);
    t.same(scenarios, [`crowdsecurity/${scenario}`]);
  }
});

t.test("the stock scenarios ban after as many lines as they want, and not after one less", async (t) => {
  const log = memoryLog();
  const expected = destinations.map((destination, index) => {
    const sink = openStock(destination, log);
    t.teardown(() => sink.close());
    const teller = new Teller(destination.kind, (lines) => sink.write(lines));
    const at = (host: number) => (index === 0 ? `198.51.100.${host}` : `2001:db8:2::${host}`);
    const times = (count: number, tell: () => void) => Array.from({ length: count }).forEach(tell);
    times(5, () => teller.login(smtp, at(1)));
    times(3, () => teller.login(imap, at(2)));
    times(5, () => teller.offence(at(3), "not-smtp"));
    for (const offence of ["too-many-errors", "bare-newline", "line-too-long", "nul-byte"] as const)
      times(10, () => teller.offence(at(4), offence));
    times(6, () => teller.login(smtp, at(5)));
    times(4, () => teller.login(imap, at(6)));
    times(6, () => teller.offence(at(7), "command-injection"));
    teller.offence(at(8), "early-talk");
    return {
      [at(5)]: "postfix-spam",
      [at(6)]: "dovecot-spam",
      [at(7)]: "postfix-spam",
      [at(8)]: "postscreen-rbl",
    };
  });
  const bans = Object.assign({}, ...expected);
  // The last alert of each destination is there, and so is whatever came before it.
  const alerts = await until("eight alerts", async () => {
    const all = await crowdsec.alerts();
    const ours = all.filter(({ source }) => /^(?:198\.51\.100\.|2001:db8:2::)/.test(source.value));
    return ours.length >= 8 && ours;
  });
  t.same(
    Object.fromEntries(alerts.map(({ source, scenario }) => [source.value, scenario.split("/")[1]])),
    bans,
  );
  t.equal(alerts.length, 8);
  t.same(log.events, []);
});
