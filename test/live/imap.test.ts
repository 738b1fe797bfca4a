/**
 * IMAP clients and servers that speak as none should, at a live gateway, in the clear and inside TLS: whoever is at fault,
 * the other side hears nothing of it, the client gets an answer in IMAP, and the log says why.
 */
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory } from "../servers/process.ts";
import { End } from "./end.ts";
import { concurrency, metricIs } from "./look.ts";
import type { Pair } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(60_000);

const hello = "* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] upstream\r\n";
const away = "* BYE [UNAVAILABLE] Service not available, try again later\r\n";
const unreadable = "* BYE [CLIENTBUG] Commands that cannot be followed\r\n";
const tooLong = "* BYE [LIMIT] Line too long\r\n";

const listeners = ["off", "starttls", "implicit"] as const;
/** Behind these a server that does not greet is given up soon; and here a session that says nothing is. */
const hasty = ["off-hasty", "starttls-hasty", "implicit-hasty"] as const;
const silent = ["implicit-silent"] as const;
type Name = (typeof listeners | typeof hasty | typeof silent)[number];

const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mail.example.test");
const upstream = await startUpstream(t);
const imap = behindProxy("imap", "servers");
const imapHasty = behindProxy("imap", "hasty");
const pool = poolOf(upstream.port, "none");
const gateway = await startGateway(t, {
  listeners: {
    off: imap,
    starttls: { ...imap, tls: "starttls" },
    implicit: { ...imap, tls: "implicit" },
    "off-hasty": imapHasty,
    "starttls-hasty": { ...imapHasty, tls: "starttls" },
    "implicit-hasty": { ...imapHasty, tls: "implicit" },
    // Longer than a busy machine takes from one word to the next.
    "implicit-silent": { ...imap, tls: "implicit", idleTimeout: "3s" },
  },
  pools: { servers: pool, hasty: { ...pool, greetTimeout: "1s" } },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

let clients = 0;
const nextSource = () => `198.18.${++clients >> 8}.${clients & 255}`;

/** Both ends, before the server has greeted. */
async function meet(t: Test, name: Name, source: string): Promise<Pair> {
  const client = await End.connect(t, { port: gateway.port(name) }, proxyHeader(source));
  if (name.startsWith("implicit")) await client.secure();
  return { client, server: await upstream.next() };
}

/** Both ends, past the greeting, and in TLS where there is any: the server hears nothing of that. */
async function pair(t: Test, name: Name, source: string): Promise<Pair> {
  const both = await meet(t, name, source);
  both.server.send(hello);
  t.match(await both.client.line(), /^\* OK \[CAPABILITY .*\] upstream\r\n$/);
  if (name !== "starttls") return both;
  both.client.send("s STARTTLS\r\n");
  t.match(await both.client.line(), /^s OK /);
  await both.client.secure();
  return both;
}

/** What a client says, and what it is told when that ends its session. */
interface Offence {
  readonly says: string;
  readonly told?: string;
  /** What the server hears of it, and then answers. */
  readonly heard?: string;
  readonly answers?: string;
  /** What the client says then. */
  readonly adds?: string;
  readonly reason?: string;
  readonly detail?: string;
}

const asked = { heard: "a1 AUTHENTICATE PLAIN\r\n", answers: "+ \r\n" };
const offences: Readonly<Record<string, Offence>> = {
  "a literal without an end": {
    says: `a1 LOGIN {99999999+}\r\n${"x".repeat(100_000)}`,
    detail: "misplaced literal",
  },
  "a literal that is too long": { says: "a1 LOGIN {9000+}\r\n", detail: "overlong command" },
  "literals without an end": {
    says: `a1 LOGIN {1+}\r\n${"x {1+}\r\n".repeat(100)}`,
    heard: "a1 LOGIN {1+}\r\nx {1+}\r\nx",
    detail: "misplaced literal",
  },
  "an ID without an end": { says: `a1 ID (${"{1+}\r\nx ".repeat(100)}`, detail: "overlong command" },
  "ten thousand lists": { says: `a1 ID ${"(".repeat(10_000)}\r\n`, detail: "lists within lists" },
  "ten thousand lists elsewhere": { says: `a1 NOOP ${"(".repeat(7_000)}\r\n`, detail: "lists within lists" },
  "a tag of a megabyte": { says: "a".repeat(1_048_576), reason: "line-too-long", told: tooLong },
  "a NUL in a tag": { says: "a\0 NOOP\r\n", reason: "nul-byte" },
  "a NUL in a literal": {
    says: "a1 LOGIN {3+}\r\na\0b x\r\n",
    heard: "a1 LOGIN {3+}\r\n",
    reason: "nul-byte",
  },
  "8-bit in a tag": { says: "\xe41 NOOP\r\n", detail: "malformed command" },
  "a bare CR": { says: "a1 NOOP\ra2 NOOP\r\n", reason: "bare-newline" },
  "no tag": { says: "GET / HTTP/1.1\r\n", heard: "", detail: "malformed command" },
  "a response that is none": {
    says: "a1 AUTHENTICATE PLAIN\r\n",
    ...asked,
    adds: "a2 NOOP\r\n",
    detail: "malformed response to AUTHENTICATE",
  },
  "a response of a megabyte": {
    says: "a1 AUTHENTICATE PLAIN\r\n",
    ...asked,
    adds: "A".repeat(1_048_576),
    reason: "line-too-long",
    told: tooLong,
  },
};

for (const [what, offence] of Object.entries(offences)) {
  t.test(`${what} ends the session, and goes no further`, async (t) => {
    const { says, told = unreadable, heard = "", answers, adds = "", detail } = offence;
    const { reason = "protocol-violation" } = offence;
    for (const name of listeners) {
      const source = nextSource();
      const { client, server } = await pair(t, name, source);
      client.send(says);
      if (answers !== undefined) {
        t.equal(await server.line(), heard);
        server.send(answers);
        t.equal(await client.line(), answers);
        client.send(adds);
      }
      t.equal(await client.rest(), told, name);
      t.equal(await server.rest(), answers === undefined ? heard : "", "the server has heard nothing else");
      client.end();
      const line = await gateway.session(name, source);
      t.match(line, { outcome: "refused", reason, ...(detail === undefined ? {} : { detail }) });
    }
  });
}

t.test("AUTHENTICATE that is called off is the server's to answer, and no failure", async (t) => {
  for (const name of listeners) {
    const source = nextSource();
    const { client, server } = await pair(t, name, source);
    client.send("a1 AUTHENTICATE PLAIN\r\n");
    t.equal(await server.line(), asked.heard);
    server.send(asked.answers);
    t.equal(await client.line(), asked.answers);
    client.send("*\r\n");
    t.equal(await server.line(), "*\r\n");
    server.send("a1 BAD aborted\r\n");
    t.equal(await client.line(), "a1 BAD aborted\r\n");
    client.send("a2 NOOP\r\n");
    t.equal(await server.line(), "a2 NOOP\r\n", "the session goes on");
    client.end();
    server.end();
    t.match(await gateway.session(name, source), { imap: { user: null, logins: 0, failures: 0 } });
  }
});

/** What a server does, how its client is told, and what the log has of it. */
interface Fault {
  /** Whether the server greets first. */
  readonly greets: boolean;
  /** What the client says then. */
  readonly says?: string;
  readonly answers: string;
  readonly told: string;
  readonly detail?: string;
  readonly outcome?: "failed" | "closed" | "timeout";
  readonly reason?: string | null;
  /** Where this can be seen; by default at every listener that waits for its servers as long as usual. */
  readonly at?: readonly Name[];
  /** Whether the server ends then. */
  readonly ends?: boolean;
}

const noop = { greets: true, says: "a1 NOOP\r\n" };
const faults: Readonly<Record<string, Fault>> = {
  PREAUTH: { greets: false, answers: "* PREAUTH in\r\n", told: away, detail: "greeting is not OK" },
  "a greeting of another protocol": { greets: false, answers: "220 hi\r\n", told: away },
  "a greeting that never comes": {
    greets: false,
    answers: "",
    told: away,
    reason: "upstream-timeout",
    at: hasty,
  },
  "half a greeting": {
    greets: false,
    answers: "* OK he",
    told: away,
    outcome: "timeout",
    reason: null,
    at: silent,
  },
  "BYE as a greeting": {
    greets: false,
    answers: "* BYE not you\r\n",
    told: "* BYE not you\r\n",
    ends: true,
    outcome: "closed",
    reason: null,
  },
  "a wrong tag": { ...noop, answers: "a2 OK done\r\n", told: away, detail: "completion of nothing" },
  "two completions": { ...noop, answers: "a1 OK\r\na1 OK\r\n", told: `a1 OK\r\n${away}` },
  "a continuation of nothing": {
    ...noop,
    answers: "+ go\r\n",
    told: away,
    detail: "continuation of nothing",
  },
  "a line that is no response": { ...noop, answers: "hello\r\n", told: away, detail: "malformed response" },
  "a literal without an end": {
    ...noop,
    answers: `* ID {99999}\r\n${"x".repeat(50_000)}`,
    told: away,
    detail: "overlong response",
  },
  "a line without an end": {
    ...noop,
    answers: "* X".padEnd(50_000, "x"),
    told: away,
    detail: "overlong response",
  },
  "an end instead of a completion": {
    ...noop,
    answers: "* 1 EXISTS\r\n",
    ends: true,
    told: `* 1 EXISTS\r\n${away}`,
    reason: "upstream-unavailable",
  },
  silence: { ...noop, answers: "", told: away, outcome: "timeout", reason: null, at: silent },
};

for (const [what, fault] of Object.entries(faults)) {
  t.test(`${what}: the client is told to come back, and the server no more`, async (t) => {
    const { greets, says = "", answers, told, outcome = "failed", ends = false, detail } = fault;
    const { reason = "protocol-violation", at = listeners } = fault;
    for (const name of at) {
      const source = nextSource();
      const { client, server } = await (greets ? pair(t, name, source) : meet(t, name, source));
      client.send(says);
      if (says !== "") t.equal(await server.line(), says);
      server.send(answers);
      if (ends) server.end();
      t.equal(await client.rest(), told, name);
      client.end();
      t.equal(await server.rest(), "");
      const line = await gateway.session(name, source);
      t.match(line, { outcome, reason, ...(detail === undefined ? {} : { detail }) });
    }
  });
}

/** The most memory that the process has had, in bytes. */
function peakBytes(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kilobytes) * 1024;
}

t.test("what is said without an end takes no more memory, however much it is", async (t) => {
  const rounds = 40;
  const atOnce = 10;
  const megabyte = Buffer.alloc(1_048_576, "x");
  const visit = async () => {
    const { client, server } = await pair(t, "off", nextSource());
    client.send("a1 ID (");
    server.send("* ID (");
    client.send(megabyte);
    t.equal(await client.rest(), tooLong);
    client.close();
  };
  const round = () => Promise.all(Array.from({ length: atOnce }, visit));
  // What a thread takes for its first such sessions it keeps.
  await round();
  const before = peakBytes(gateway.pid);
  for (let index = 0; index < rounds; index++) await round();
  const grown = peakBytes(gateway.pid) - before;
  const said = rounds * atOnce * megabyte.length;
  // What waits to be collected is in it as well, which on a busy machine is more than an eighth.
  t.ok(grown < said / 3, `${grown} bytes for ${said}`);
});

t.test("nothing is left of all these sessions", async (t) => {
  for (const name of [...listeners, ...hasty, ...silent])
    await metricIs(gateway, `postern_sessions_active{listener="${name}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});
