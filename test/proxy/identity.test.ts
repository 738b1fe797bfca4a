/** The order in which a server hears of the client, and that nothing goes on when a part of it fails. */
import t from "tap";
import { Address, type AddressAndPort } from "../../src/address.ts";
import type { Dialogue, IntroductionStep, Unwelcoming } from "../../src/dialogue.ts";
import { imapDialogue } from "../../src/imap/dialogue.ts";
import { bytesOf, nothing, textOf } from "../../src/lines.ts";
import type { Identity, PoolTlsOptions } from "../../src/pools/options.ts";
import { Pool } from "../../src/pools/pool.ts";
import { encodeV1, encodeV2 } from "../../src/proxy/header.ts";
import { Approach, type Approaching } from "../../src/proxy/identity.ts";
import { smtpDialogue } from "../../src/smtp/dialogue.ts";
import { Trust } from "../../src/wire/trust.ts";
import type { Connection, TlsFacts, TlsTerms } from "../../src/wire/wire.ts";
import { defaultHealth, noPark, serverAt } from "../config/fixtures.ts";

const client = { address: Address.v4(0xcb007107), port: 40123 };
const destination = { address: Address.v4(0xc0000219), port: 25 };
const clientTls = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
const facts: TlsFacts = { ...clientTls, resumed: false };
const terms: TlsTerms = { side: "client", trust: new Trust({ verify: "none", name: null, ca: null }) };
const smtp = smtpDialogue({
  hostname: "gw.example.test",
  earlyTalk: "pass",
  bareNewline: "reject",
  startTls: "passed",
  loginNeedsTls: false,
  banText: null,
});

const v2 = textOf(encodeV2(client, destination, { ssl: clientTls }));
const v1 = textOf(encodeV1(client, destination));
const greeting = "220 mail ESMTP\r\n";
const offer = "250-mail\r\n250-STARTTLS\r\n250 XCLIENT ADDR\r\n";
const ready = "220 go\r\n";
const xclient = ["write XCLIENT ADDR=203.0.113.7\r\n", "start"];
const ehlo = ["write EHLO gw.example.test\r\n", "start"];
const begin = ["write STARTTLS\r\n", "start"];

/** Writes down what is done with it. */
class LoggedConnection implements Connection {
  owner: Approach;
  tls: TlsFacts | null = null;
  readonly isPending = false;
  readonly hasEnded = false;
  readonly #log: string[];

  constructor(owner: Approach, log: string[]) {
    this.owner = owner;
    this.#log = log;
  }
  peer(): AddressAndPort | null {
    return null;
  }
  local(): AddressAndPort | null {
    return null;
  }
  start(): void {
    this.#log.push("start");
  }
  stop(): void {
    this.#log.push("stop");
  }
  write(bytes: Uint8Array): boolean {
    this.#log.push(`write ${textOf(bytes)}`);
    return true;
  }
  /** Only as the client's side, with nothing that was read in the clear. */
  secure(how: TlsTerms, surplus: Uint8Array): void {
    this.#log.push(how === terms && surplus.length === 0 ? "secure" : "secured wrongly");
  }
  end(): void {
    this.#log.push("end");
  }
  close(): void {
    this.#log.push("close");
  }
}

t.test("Approach waits for the greeting alone when the pool needs no exchange", async (t) => {
  for (const [identity, header] of [
    ["proxy-v2", [`write ${v2}`]],
    ["proxy-v1", [`write ${v1}`]],
    ["none", []],
  ] as const) {
    const { log, hear } = approach({ identity });
    t.strictSame(log, ["reached", ...header, "start"]);
    hear(greeting);
    t.equal(log.at(-1), `introduced ${greeting}`);
    const blind = approach({ identity, dialogue: null });
    t.strictSame(blind.log, ["reached", ...header, "introduced"], "not where nobody can read it");
  }
});

t.test("Approach looks for another server when the greeting refuses, in any cuts", async (t) => {
  for (const [reply, word] of [
    ["421 4.3.2 busy\r\n", "unwilling"],
    ["450 x\r\n", "unwilling"],
    ["554-no\r\n554 no\r\n", "averse"],
  ] as const) {
    for (const another of [true, false]) {
      const whole = approach({ another });
      whole.hear(reply);
      t.strictSame(whole.log.slice(3), [word, ...(another ? [] : [`introduced ${reply}`])]);
      const cut = approach({ another });
      for (const byte of reply.slice(0, 3)) cut.hear(byte);
      t.strictSame(cut.log.slice(3), [word, ...(another ? [] : [`introduced ${reply.slice(0, 3)}`])]);
    }
  }
  const buffer = bytesOf("4");
  const reused = approach({});
  reused.approach.onData(reused.connection, buffer);
  buffer.fill(0);
  reused.hear("21 busy\r\n");
  t.equal(reused.log.at(-1), "introduced 421 busy\r\n", "it keeps its own copy of what came");
  const teaser = approach({ another: true });
  teaser.hear("220-wait\r\n");
  t.equal(teaser.log.at(-1), "introduced 220-wait\r\n", "its first line says enough");
});

t.test("Approach sends its header in the clear and begins TLS when that is implicit", async (t) => {
  for (const [identity, header] of [
    ["proxy-v2", [`write ${v2}`]],
    ["proxy-v1", [`write ${v1}`]],
    ["none", []],
  ] as const) {
    const { log, secured } = approach({ identity, mode: "implicit" });
    t.strictSame(log, ["reached", ...header, "secure"]);
    secured();
    t.strictSame(log, ["reached", ...header, "secure", "start"]);
  }
});

t.test("Approach names the client inside TLS when that is implicit", async (t) => {
  const { log, secured, hear } = approach({ identity: "xclient", mode: "implicit" });
  secured();
  for (const reply of [greeting, offer, greeting]) hear(reply);
  const expected = ["reached", "secure", "start", ...ehlo, ...xclient, `introduced ${greeting}`];
  t.strictSame(log, expected);
});

t.test("Approach sends an IMAP ID inside TLS when that is implicit", async (t) => {
  const dialogue = imapDialogue({
    hostname: "gw.example.test",
    startTls: "passed",
    loginNeedsTls: false,
    banText: null,
  });
  const { log, secured, hear } = approach({ identity: "id", mode: "implicit", dialogue });
  secured();
  t.strictSame(log, ["reached", "secure", "start"]);
  hear("* OK [CAPABILITY ID] hello\r\n");
  t.match(log.at(-2), /^write postern2 ID /);
  hear("postern2 OK\r\n");
  t.equal(log.at(-1), "introduced * OK [CAPABILITY ID] hello\r\n");
});

t.test("Approach begins TLS by STARTTLS behind its header, and shows the greeting from before", async (t) => {
  const { log, secured, hear } = approach({ identity: "proxy-v2", mode: "starttls" });
  for (const reply of [greeting, offer, ready]) hear(reply);
  const expected = ["reached", `write ${v2}`, "start", ...ehlo, ...begin, "secure"];
  t.strictSame(log, expected);
  secured();
  t.strictSame(log, [...expected, `introduced ${greeting}`]);
});

t.test("Approach begins TLS by STARTTLS ahead of XCLIENT", async (t) => {
  const { log, secured, hear } = approach({ identity: "xclient", mode: "starttls" });
  for (const reply of [greeting, offer, ready]) hear(reply);
  secured();
  for (const reply of [offer, greeting]) hear(reply);
  const expected = ["reached", "start", ...ehlo, ...begin, "secure", ...ehlo, ...xclient];
  t.strictSame(log, [...expected, `introduced ${greeting}`]);
});

t.test("Approach passes over a server that is not there, or goes away", async (t) => {
  const unreached = approach({ connects: false });
  unreached.fail("ECONNREFUSED");
  t.strictSame(unreached.log, ["failed upstream-unavailable ECONNREFUSED"]);
  for (const [identity, when] of [
    ["proxy-v2", "before its greeting"],
    ["xclient", "during the identity's exchange"],
  ] as const) {
    const broken = approach({ identity });
    broken.fail("ECONNRESET");
    t.equal(broken.log.at(-1), "failed upstream-unavailable ECONNRESET");
    const closed = approach({ identity });
    closed.approach.onEnd();
    t.equal(closed.log.at(-1), `failed upstream-unavailable closed by the upstream ${when}`);
  }
});

t.test("Approach fails when TLS with the server does", async (t) => {
  for (const mode of ["implicit", "starttls"] as const) {
    const replies = mode === "starttls" ? [greeting, offer, ready] : [];
    const broken = approach({ mode });
    for (const reply of replies) broken.hear(reply);
    broken.fail("CERT_HAS_EXPIRED");
    t.equal(broken.log.at(-1), "fail tls-handshake CERT_HAS_EXPIRED");
    const secured = approach({ identity: "xclient", mode });
    for (const reply of replies) secured.hear(reply);
    secured.secured();
    secured.fail("ECONNRESET");
    t.equal(secured.log.at(-1), "failed upstream-unavailable ECONNRESET", "not when something else does");
  }
});

t.test("Approach fails when the server does not do its part of the exchange", async (t) => {
  for (const [replies, ending] of [
    [[greeting, "250 mail\r\n"], "fail upstream-unavailable STARTTLS not offered"],
    [[greeting, offer, `${ready}250 x\r\n`], "fail response-injection bytes behind the reply to STARTTLS"],
    [["554 no\r\n"], "declined by the upstream: 554 no\r\n"],
  ] as const) {
    const { log, hear } = approach({ identity: "xclient", mode: "starttls" });
    for (const reply of replies) hear(reply);
    t.equal(log.at(-1), ending);
    t.notOk(log.includes("secure"));
  }
  const passed = approach({ identity: "xclient", another: true });
  passed.hear("554 no\r\n");
  t.equal(passed.log.at(-1), "averse", "unless there is another server");
  const opaque = approach({ identity: "xclient", dialogue: null });
  t.equal(opaque.log.at(-1), "fail identity-refused no dialogue for it");
});

t.test("Approach lets nobody through in the clear when a dialogue forgets TLS", async (t) => {
  const forgetful: Dialogue = {
    ...smtp,
    introduce: () => ({ feed: (): IntroductionStep => ({ kind: "done", greeting: nothing }) }),
  };
  const { log, hear } = approach({ mode: "starttls", dialogue: forgetful });
  hear(greeting);
  t.equal(log.at(-1), "fail tls-handshake never begun");
});

interface Setting {
  readonly identity?: Identity;
  readonly mode?: PoolTlsOptions["mode"];
  readonly dialogue?: Dialogue | null;
  /** Whether there is a connection. */
  readonly connects?: boolean;
  /** Whether there is another server to try. */
  readonly another?: boolean;
}

/** An approach whose session and connection write down, in one log, what it does with them. */
function approach(setting: Setting) {
  const { identity = "proxy-v2", mode = "off", dialogue = smtp, connects = true, another = false } = setting;
  const log: string[] = [];
  const pool = {
    name: "p",
    servers: [serverAt("127.0.0.1", 25)],
    balance: "roundrobin" as const,
    identity,
    tls: { mode, verify: "none" as const, name: null, ca: null },
    connectTimeoutMs: 1000,
    greetTimeoutMs: 1000,
    health: defaultHealth,
    park: noPark,
  };
  const session: Approaching = {
    gate: {
      pool: new Pool(pool, Pool.allocate(pool, 1), 0),
      dialogue,
      upstreamTls: mode === "off" ? null : terms,
    },
    reached() {
      log.push("reached");
      return { client, destination, sessionId: "s1", tls: clientTls };
    },
    introduced: (greeting) =>
      void log.push(greeting === null ? "introduced" : `introduced ${textOf(greeting)}`),
    concluded: ({ words, detail }) => void log.push(`${detail}: ${textOf(words)}`),
    fail: (reason, detail) => void log.push(`fail ${reason} ${detail}`),
  };
  const search = {
    failed: (reason: string, detail: string | null) => void log.push(`failed ${reason} ${detail}`),
    refused: (greeting: Unwelcoming) => {
      log.push(greeting);
      return another;
    },
  };
  const owner = new Approach(session, search);
  const connection = new LoggedConnection(owner, log);
  if (connects) owner.onConnect(connection);
  return {
    log,
    connection,
    approach: owner,
    hear: (text: string) => owner.onData(connection, bytesOf(text)),
    fail: (code: string) => owner.onError(connection, code),
    secured: () => {
      connection.tls = facts;
      owner.onConnect(connection);
    },
  };
}
