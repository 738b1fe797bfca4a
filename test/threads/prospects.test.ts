/** What would become of a connection: a session's refusals in their order, on each kind of listener. */
import { readFileSync } from "node:fs";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Configuration } from "../../src/config/options.ts";
import { Limiter } from "../../src/limits/limiter.ts";
import { CONTROL, Table } from "../../src/limits/table.ts";
import { Total } from "../../src/limits/total.ts";
import type { Prospect } from "../../src/observe/explain.ts";
import { Pool } from "../../src/pools/pool.ts";
import type { Bans } from "../../src/proxy/gate.ts";
import type { Ban } from "../../src/record.ts";
import { prospects } from "../../src/threads/prospects.ts";
import { Registry } from "../../src/threads/registry.ts";
import { allocate } from "../../src/threads/shared.ts";
import { loaded } from "../config/fixtures.ts";
import { makeCertificate } from "../servers/certificate.ts";

const NOW = 100;
const CLIENT = Address.parse("203.0.113.7")!;
const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const files = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };

const nobody: Bans = { areMissingFor: () => false, judge: () => null };

const decision: Ban = {
  id: 42,
  origin: "crowdsec",
  originIndex: 0,
  scenario: "postern/auth-bf",
  type: "ban",
  tarpits: false,
  remainingSeconds: 60,
};

const listeners: Readonly<Record<string, string>> = {
  smtp: "protocol: smtp, pool: smtp",
  starttls: "protocol: smtp, tls: starttls, pool: smtp",
  smtps: "protocol: smtp, tls: implicit, pool: smtp",
  opaque: "protocol: smtp, tls: passthrough, pool: smtp",
  imap: "protocol: imap, pool: imap",
  tcp: "protocol: tcp, pool: imap",
};

/** All kinds of listeners under one set of limits, which count together. */
function setUp(limits: string, proxy = "mode: off") {
  const configuration = loaded(
    `threads: 1
tableSize: 16
maxConnections: 2
listeners:
${Object.entries(listeners)
  .map(
    ([name, words], index) => `  ${name}: { listen: "0.0.0.0:${index + 1}", proxy: { ${proxy} }, ${words} }`,
  )
  .join("\n")}
pools:
  smtp: { servers: [{ address: 192.0.2.1:25, maxConnections: 2 }], identity: proxy-v2 }
  imap: { servers: ["192.0.2.1:143"], identity: proxy-v2 }
tls: { certificates: [{ cert: cert, key: key }] }
limits: { default: { scope: all, ${limits} } }
`,
    { files },
  );
  const memory = allocate(configuration);
  const registry = new Registry();
  registry.admit(configuration);
  const pools = configuration.pools.map((options, index) => new Pool(options, memory.pools[index]!, CONTROL));
  const limiter = new Limiter(new Table(memory.table, 0), configuration.limits.default!, 0);
  const ask = (client = CLIENT, bans: Bans = nobody, asked: Configuration = configuration) => {
    const table = new Table(memory.table, CONTROL);
    const clock = { seconds: () => NOW, milliseconds: () => NOW * 1000 };
    const places = registry.admit(asked);
    return prospects(asked, { table, total: memory.total, places, pools, bans, clock })(client);
  };
  return { configuration, pools, limiter, ask, total: new Total(memory.total, 0, 2) };
}

/** Each listener's refusal, or what is noted of it, where there is anything to say. */
function said(answers: readonly Prospect[]): Record<string, string> {
  const texts = answers.map(({ listener, refusal, action, notes }) => [
    listener,
    [refusal, action, ...notes].filter((text) => text !== null).join(" | "),
  ]);
  return Object.fromEntries(texts.filter(([, text]) => text !== ""));
}

const everywhere = (text: string) => Object.fromEntries(Object.keys(listeners).map((name) => [name, text]));

t.test("prospects lets a stranger in when nothing speaks against it", async (t) => {
  const { ask } = setUp("connectionCount: 1");
  t.same(said(ask()), {});
  t.same(
    ask().map(({ listener, refusal }) => [listener, refusal]),
    Object.keys(listeners).map((name) => [name, null]),
  );
});

t.test("prospects puts a ban first, then a missing list, the total, and the limits", async (t) => {
  const { ask, limiter, total } = setUp("connectionCount: 1");
  limiter.connect(CLIENT, NOW);
  const bans = {
    areMissingFor: () => true,
    judge: (client: Address) => (client.equals(CLIENT) ? decision : null),
  };
  const other = Address.parse("203.0.113.8")!;
  t.same(said(ask()), everywhere("connection-count | connections at once: 2, limit 1"));
  t.same(said(ask(other)), {});
  total.enter();
  t.same(said(ask(other)), {});
  total.enter();
  t.same(said(ask()), everywhere("max-connections"));
  t.same(said(ask(other, bans)), everywhere("ban-list-missing"));
  t.same(said(ask(CLIENT, bans)), everywhere("banned | reply | decision 42 of crowdsec"));
});

t.test("prospects says what a banned client gets: the listener's choice, or the decision's", async (t) => {
  const { configuration, ask } = setUp("");
  const drops: Configuration = {
    ...configuration,
    listeners: configuration.listeners.map((each) => ({ ...each, ban: { action: "drop", text: null } })),
  };
  const judged = (ban: Ban) =>
    ask(CLIENT, { areMissingFor: () => false, judge: () => ban }, drops)[0]?.action;
  t.equal(judged(decision), "drop");
  t.equal(judged({ ...decision, tarpits: true }), "tarpit");
});

t.test("prospects refuses an address that no header may name, where there is a header", async (t) => {
  const loopback = Address.parse("127.0.0.1")!;
  t.same(said(setUp("", "mode: required, from: [10.0.0.0/8]").ask(loopback)), everywhere("proxy-source"));
  t.same(said(setUp("").ask(loopback)), {});
});

t.test("prospects says of a monitor that it is answered, before any refusal but the header's", async (t) => {
  const { ask, limiter, total, configuration, pools } = setUp("connectionCount: 1");
  const checked = (monitors: string[]): Configuration => ({
    ...configuration,
    listeners: configuration.listeners.map((each) => ({ ...each, monitors })),
  });
  const bans = { areMissingFor: () => true, judge: () => decision };
  limiter.connect(CLIENT, NOW);
  total.enter();
  total.enter();
  const monitor = "one of the monitors: only answered, as a health check";
  const asMonitor = () => said(ask(CLIENT, bans, checked(["192.0.2.0/24", "203.0.113.0/24"])));
  t.same(asMonitor(), everywhere(monitor));
  t.same(
    said(ask(CLIENT, bans, checked(["203.0.113.8"]))),
    everywhere("banned | reply | decision 42 of crowdsec"),
  );
  pools[1]!.failed(pools[1]!.servers[0]!, NOW);
  const down = `${monitor} | no server of pool imap is up`;
  t.same(asMonitor(), { ...everywhere(monitor), imap: down, tcp: down });
  const loopback = Address.parse("127.0.0.1")!;
  const [behind] = setUp("", "mode: required, from: [10.0.0.0/8], timeout: 1s").configuration.listeners;
  const headed = { ...configuration, listeners: [{ ...behind!, monitors: ["127.0.0.1"] }] };
  t.same(said(ask(loopback, nobody, headed)), { smtp: "proxy-source" });
});

t.test("prospects tells of the commands that would be refused where they are read", async (t) => {
  const { ask, limiter } = setUp("messageRate: 1, recipientRate: 1, authRate: 1, authFailureRate: 1");
  const connected = { client: CLIENT, lease: limiter.connect(CLIENT, NOW).lease };
  for (const event of ["message-rate", "recipient-rate", "auth-rate"] as const) {
    t.equal(limiter.attempt(event, connected, NOW).excess, null);
  }
  limiter.failed(connected, NOW);
  const logins =
    "a login is refused (logins tried in the window: 2, limit 1) | any login is refused (failed logins in the window: 1, limit 1)";
  const mail =
    "MAIL is refused (messages in the window: 2, limit 1) | RCPT is refused (recipients in the window: 2, limit 1)";
  const smtp = `${mail} | ${logins}`;
  t.same(said(ask()), { smtp, starttls: smtp, smtps: smtp, imap: logins });
});

t.test("prospects refuses implicit TLS beforehand when more new sessions came than may", async (t) => {
  const { ask, limiter } = setUp("newTlsSessionRate: 1");
  const connected = { client: CLIENT, lease: limiter.connect(CLIENT, NOW).lease };
  limiter.attempt("new-tls-session-rate", connected, NOW);
  const last = "a new TLS session is refused (new TLS sessions in the window: 2, limit 1)";
  t.same(said(ask()), { starttls: last, smtps: last });
  limiter.attempt("new-tls-session-rate", connected, NOW);
  t.same(said(ask()), {
    starttls: "a new TLS session is refused (new TLS sessions in the window: 3, limit 1)",
    smtps: "new-tls-session-rate | new TLS sessions in the window: 2, limit 1",
  });
});

t.test("prospects lets in whom limits do not bind, and says what would have been", async (t) => {
  const dry = setUp("connectionRate: 1, dryRun: true");
  dry.limiter.connect(CLIENT, NOW);
  t.same(said(dry.ask()), everywhere("let in by dryRun alone (connections in the window: 2, limit 1)"));
  const free = setUp("connectionRate: 1, exceptions: [203.0.113.0/24]");
  free.limiter.connect(CLIENT, NOW);
  t.same(said(free.ask()), everywhere("one of the exceptions: never limited"));
});

t.test("prospects asks each listener's own scope, and says when its pool is down or full", async (t) => {
  const { configuration, ask, limiter, pools } = setUp("connectionCount: 1");
  const { default: shared } = configuration.limits;
  const apart: Configuration = {
    ...configuration,
    listeners: configuration.listeners.map((one) => (one.name === "imap" ? { ...one, limits: "all" } : one)),
    limits: { default: { ...shared!, scope: null }, all: shared! },
  };
  limiter.connect(CLIENT, NOW);
  t.same(Object.keys(said(ask(CLIENT, nobody, apart))), ["imap"]);
  pools[1]!.failed(pools[1]!.servers[0]!, NOW);
  t.match(said(ask(Address.parse("203.0.113.9")!)), {
    imap: "no server of pool imap is up | it would be parked",
    tcp: "no server of pool imap is up | it would be parked",
    smtp: undefined,
  });
  while (typeof pools[0]!.pick(CLIENT, null, NOW) === "object") {}
  t.match(said(ask(Address.parse("203.0.113.9")!)), {
    smtp: "all servers of pool smtp are full | it would be parked",
  });
  while (pools[0]!.queue!.enter() !== null) {}
  t.match(said(ask(Address.parse("203.0.113.9")!)), {
    smtp: "all servers of pool smtp are full | no more clients are parked",
  });
});
