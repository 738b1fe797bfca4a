/** What each listener's gate is made of, by its protocol, its TLS, and its pool's. */
import { readFileSync } from "node:fs";
import t from "tap";
import { Address } from "../../src/address.ts";
import { systemClock } from "../../src/clock.ts";
import type { Configuration } from "../../src/config/options.ts";
import type { Limiter } from "../../src/limits/limiter.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import type { Gate } from "../../src/proxy/gate.ts";
import { Sessions } from "../../src/proxy/sessions.ts";
import { type Generation, makeGates, relieve } from "../../src/threads/gates.ts";
import { Registry } from "../../src/threads/registry.ts";
import { allocate, extended, type SharedMemory } from "../../src/threads/shared.ts";
import { Certificates } from "../../src/wire/certificates.ts";
import { chooseWire } from "../../src/wire/choose.ts";
import { loaded } from "../config/fixtures.ts";
import { makeCertificate } from "../servers/certificate.ts";

const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const files = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
const certificates = new Certificates({
  pairs: [files],
  minVersion: "TLSv1.2",
  ticketKeys: Buffer.alloc(48),
});

const observer = {
  accepted() {},
  connected() {},
  unparked() {},
  limited() {},
  withheld() {},
  delivered() {},
  login() {},
  ended() {},
};

/** The gates of these listeners, each given as its own words; pools are `plain`, `starttls` and `implicit`. */
function gatesOf(...listeners: string[]): Gate[] {
  return gatesUnder("{}", ...listeners);
}

/** The same, under these limits. */
function gatesUnder(limits: string, ...listeners: string[]): Gate[] {
  const configuration = configurationOf(limits, listeners);
  return [...generationOf(configuration, allocate(configuration), null).gates];
}

function configurationOf(limits: string, listeners: readonly string[]): Configuration {
  return loaded(
    `threads: 1
tableSize: 16
listeners:
${listeners.map((words, index) => `  l${index}: { listen: "0.0.0.0:${index + 1}", proxy: { mode: off }, ${words} }`).join("\n")}
pools:
  plain: { servers: ["192.0.2.1:25"], identity: proxy-v2 }
  starttls: { servers: ["192.0.2.1:25"], identity: proxy-v2, tls: { mode: starttls, verify: ca, name: mx.test, ca: cert } }
  implicit: { servers: ["192.0.2.1:465"], identity: proxy-v2, tls: implicit }
tls: { certificates: [{ cert: cert, key: key }] }
limits: ${limits}
`,
    { files },
  );
}

function generationOf(
  configuration: Configuration,
  memory: SharedMemory,
  former: Generation | null,
): Generation {
  return makeGates(configuration, {
    memory,
    places: new Registry().admit(configuration),
    thread: 0,
    wire: chooseWire({}),
    certificates,
    bans: { areMissingFor: () => false, judge: () => null },
    clock: systemClock,
    sessions: new Sessions(systemClock),
    observer,
    former,
  });
}

const gateOf = (words: string): Gate => gatesOf(words)[0]!;

const witness = {
  allows: () => true,
  maySecure: () => "allowed" as const,
  mayLogIn: () => true,
  message() {},
  login() {},
};

/** Which of STARTTLS and AUTH a client sees of a server that offers both. */
function offered({ dialogue }: Gate): string {
  const watch = dialogue!.watch(Address.v4(0xcb007107), witness);
  let seen = textOf(watch.server(bytesOf("220 server\r\n"))) + textOf(watch.due());
  watch.client(bytesOf("EHLO client\r\n"));
  seen += textOf(watch.server(bytesOf("250-server\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 HELP\r\n")));
  seen += textOf(watch.due());
  return ["STARTTLS", "AUTH"].filter((word) => seen.includes(word)).join(" ");
}

t.test("makeGates gives a dialogue when sessions can be read, and else none", async (t) => {
  const dialogues = gatesOf(
    "protocol: smtp, pool: plain",
    "protocol: smtp, pool: plain, tls: starttls",
    "protocol: smtp, pool: plain, tls: implicit",
    "protocol: imap, pool: plain",
    "protocol: imap, pool: plain, tls: implicit",
    "protocol: smtp, pool: plain, tls: passthrough",
    "protocol: imap, pool: plain, tls: passthrough",
    "protocol: tcp, pool: plain",
    "protocol: tcp, pool: plain, tls: implicit",
  ).map(({ dialogue }) => dialogue && textOf(dialogue.refusal("max-connections", null)).slice(0, 5));
  t.same(dialogues, ["421 4", "421 4", "421 4", "* BYE", "* BYE", null, null, null, null]);
});

t.test("makeGates gives the thread's certificates to each gate when TLS ends there", async (t) => {
  const ends = (tls: string) => gateOf(`protocol: smtp, pool: plain, tls: ${tls}`).tls;
  t.equal(ends("off"), null);
  t.equal(ends("passthrough"), null);
  for (const tls of ["starttls", "implicit"]) {
    const terms = ends(tls);
    t.equal(terms?.side === "server" && terms.certificates, certificates, tls);
  }
});

t.test("makeGates gives what its pool trusts to each gate when TLS begins there", async (t) => {
  const [plain, one, two, other] = gatesOf(
    "protocol: smtp, pool: plain",
    "protocol: smtp, pool: starttls",
    "protocol: smtp, pool: starttls, tls: implicit",
    "protocol: smtp, pool: implicit",
  ).map(({ upstreamTls }) => (upstreamTls?.side === "client" ? upstreamTls.trust : null));
  t.equal(plain, null);
  t.match(one, { verifies: true, servername: "mx.test" });
  t.equal(two, one, "one for a pool");
  t.match(other, { verifies: false, servername: null });
});

t.test("makeGates shows STARTTLS and AUTH when the listener's TLS and the pool's allow them", async (t) => {
  const table: readonly [tls: string, pool: string, shown: string, shownIfFree: string][] = [
    ["off", "plain", "STARTTLS AUTH", "STARTTLS AUTH"],
    ["off", "starttls", "STARTTLS", "STARTTLS AUTH"],
    ["off", "implicit", "STARTTLS", "STARTTLS AUTH"],
    ["starttls", "plain", "STARTTLS", "STARTTLS AUTH"],
    ["starttls", "implicit", "STARTTLS", "STARTTLS AUTH"],
    ["implicit", "plain", "AUTH", "AUTH"],
    ["implicit", "implicit", "AUTH", "AUTH"],
  ];
  for (const [tls, pool, shown, shownIfFree] of table) {
    const words = `protocol: smtp, tls: ${tls}, pool: ${pool}`;
    t.equal(offered(gateOf(words)), shown, words);
    t.equal(offered(gateOf(`${words}, smtp: { authOnlyOverTls: false }`)), shownIfFree, `${words}, free`);
  }
});

t.test("makeGates tells servers of TLS to come when no login may come before it", async (t) => {
  const told = (words: string) => gateOf(`protocol: smtp, ${words}`).tlsToCome;
  t.same(told("pool: plain, tls: starttls"), { version: null, cipher: null });
  t.equal(told("pool: plain, tls: starttls, smtp: { authOnlyOverTls: false }"), null);
  for (const tls of ["off", "implicit"]) t.equal(told(`pool: implicit, tls: ${tls}`), null, tls);
  t.equal(told("pool: plain, tls: passthrough"), null);
  const toldByImap = (words: string) => gateOf(`protocol: imap, ${words}`).tlsToCome;
  for (const pool of ["plain", "starttls"]) {
    t.same(toldByImap(`pool: ${pool}, tls: starttls`), { version: null, cipher: null }, pool);
  }
  for (const tls of ["off", "implicit"]) t.equal(toldByImap(`pool: implicit, tls: ${tls}`), null, tls);
  t.equal(toldByImap("pool: plain, tls: passthrough"), null);
});

t.test("makeGates counts a client's failed logins together when its listeners share a scope", async (t) => {
  const limits = "{ l: { authFailureRate: 2, authFailureDelay: 1s, scope: logins } }";
  const [submission, imap, smtp] = gatesUnder(
    limits,
    "protocol: smtp, pool: plain, tls: starttls, limits: l",
    "protocol: imap, pool: plain, tls: starttls, limits: l",
    "protocol: smtp, pool: plain",
  ).map(({ limiter }) => limiter);
  const client = Address.v4(0xcb007107);
  const another = Address.v4(0xcb007108);
  const fail = (limiter: Limiter) =>
    limiter.failed({ client, lease: limiter.connect(client, 100).lease }, 100);
  const isShut = (limiter: Limiter, client: Address) =>
    limiter.standing("auth-failure-rate", { client, lease: limiter.connect(client, 100).lease }, 100).refused;
  t.strictSame([fail(submission!), fail(imap!)], [1000, 2000], "the second, wherever");
  t.strictSame([isShut(submission!, client), isShut(imap!, client)], [true, true]);
  t.strictSame([isShut(smtp!, client), isShut(imap!, another)], [false, false], "others are none of it");
});

t.test("makeGates refuses early talk when it is told to and can read", async (t) => {
  const refuses = (words: string) => gateOf(`protocol: smtp, pool: plain, ${words}`).refusesEarlyTalk;
  t.equal(refuses("tls: off"), false);
  t.equal(refuses("smtp: { earlyTalk: refuse }"), true);
  t.equal(refuses("tls: starttls, smtp: { earlyTalk: refuse }"), true);
  t.equal(refuses("tls: passthrough, smtp: { earlyTalk: refuse }"), false);
});

t.test("relieve hands those who wait on to the same listener when all that was settled stays", async (t) => {
  const successors = (before: readonly string[], after: readonly string[]) => {
    const [one, two] = [configurationOf("{}", before), configurationOf("{}", after)];
    const memory = allocate(one);
    const former = generationOf(one, memory, null);
    const next = generationOf(two, extended(memory, one, two), former);
    t.equal(former.parkings.get("plain"), next.parkings.get("plain"));
    relieve(former, next);
    t.ok(next.pools.every((pool) => next.parkings.get(pool.options.name)!.serves(pool)));
    return former.gates.map(({ successor }) => successor && next.gates.indexOf(successor));
  };
  const [plain, other, imap] = [
    "protocol: smtp, pool: plain",
    "protocol: tcp, pool: plain",
    "protocol: imap, pool: plain",
  ];
  t.same(successors([plain, other], [plain, other]), [0, 1]);
  t.same(successors([plain, other], [`${plain}, idleTimeout: 1m, monitors: [192.0.2.7]`]), [0, null]);
  t.same(successors([plain], [imap]), [null]);
  t.same(successors([plain], [`${plain}, tls: implicit`]), [null]);
  t.same(
    successors([plain], ["protocol: smtp, pool: starttls"]),
    [null],
    "logins would have to wait for TLS",
  );
  const starttls = `${plain}, tls: starttls`;
  t.same(successors([starttls], [`${starttls}, smtp: { authOnlyOverTls: false }`]), [null]);
});
