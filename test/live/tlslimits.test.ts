/** Limits that TLS that ends here makes possible, at a live gateway of two threads: TLS sessions, and failed logins. */
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { concurrency, metric, metricIs } from "./look.ts";
import { exchange, hello, ok, type Pair, pair, secure } from "./pair.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const away = "421 4.7.0 gateway.example.test Error: too many";
const list = "250-upstream\r\n250 AUTH PLAIN\r\n";
const no = "535 5.7.8 no\r\n";
const yes = "235 2.7.0 yes\r\n";

const plain = (user: string, password: string) =>
  `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`;

interface World {
  readonly gateway: Gateway;
  readonly upstream: Upstream;
}

/** Both listeners count in one scope; the set `dry` refuses nothing. */
async function start(t: Test, limits: object): Promise<World> {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const upstream = await startUpstream(t);
  const smtp = behindProxy("smtp", "servers");
  const gateway = await startGateway(t, {
    threads: 2,
    listeners: {
      submission: { ...smtp, tls: "starttls" },
      submissions: { ...smtp, tls: "implicit" },
      dry: { ...smtp, tls: "implicit", limits: "dry" },
    },
    pools: { servers: poolOf(upstream.port, "none") },
    limits: {
      default: { timeUnit: "24h", scope: "logins", exceptions: ["198.51.100.0/24"], ...limits },
      dry: { timeUnit: "24h", dryRun: true, ...limits },
    },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
  });
  return { gateway, upstream };
}

/** A client in TLS at one of the listeners, past the EHLO in it. */
async function inside(
  t: Test,
  { gateway, upstream }: World,
  listener: string,
  source: string,
): Promise<Pair> {
  const both = await pair(t, gateway, upstream, { listener, source, tls: listener !== "submission" });
  if (listener === "submission") await secure(both);
  await exchange(both, "EHLO a", list);
  return both;
}

const refused = (listener: string, reason: string) =>
  `postern_refused_total{listener="${listener}",reason="${reason}"}`;

async function over(t: Test, gateway: Gateway, ...pairs: readonly Pair[]): Promise<void> {
  for (const { client } of pairs) client.reset();
  await until("all places", async () => (await concurrency(gateway)) === 0);
  for (const listener of ["submission", "submissions", "dry"])
    t.equal(await metric(gateway, `postern_sessions_active{listener="${listener}"}`), 0);
}

t.test("newTlsSessionRate ends the first session in excess, and keeps others from beginning", async (t) => {
  const world = await start(t, { newTlsSessionRate: 2 });
  const { gateway, upstream } = world;
  const source = "203.0.113.7";
  const first = await inside(t, world, "submission", source);
  const second = await inside(t, world, "submissions", source);

  const excess = await pair(t, gateway, upstream, { listener: "submission", source });
  await secure(excess);
  t.equal(await excess.client.rest(), `${away} new TLS sessions from unknown[${source}]\r\n`);
  excess.client.end();
  t.equal(await excess.server.rest(), "");
  const reason = "new-tls-session-rate";
  t.match(await gateway.session("submission", source), { outcome: "refused", reason });
  const limited = await gateway.waitForLine("the limit", ({ event }) => event === "sec.limit");
  t.match(limited, { service: "submission", reason, count: 3, limit: 2, dryRun: false });

  const later = await pair(t, gateway, upstream, { listener: "submission", source });
  later.client.send("STARTTLS\r\nNOOP\r\n");
  t.equal(await later.server.line(), "NOOP\r\n");
  const words = `454 4.7.0 Error: too many new TLS sessions from unknown[${source}]\r\n`;
  t.equal(await later.client.line(), words);
  later.server.send(ok);
  t.equal(await later.client.line(), ok, "the session goes on");

  const { connections } = upstream;
  const closed = await End.connect(t, { port: gateway.port("submissions") }, proxyHeader(source));
  await t.rejects(closed.secure(), "closed ahead of the handshake");
  t.equal(closed.unread, "");
  t.match(await gateway.session("submissions", source), { outcome: "refused", reason });
  t.equal(upstream.connections, connections, "no server is asked for it");
  await metricIs(gateway, refused("submission", reason), 2);
  await metricIs(gateway, refused("submissions", reason), 1);
  t.equal(await exchange(first, "NOOP"), ok, "those before go on");

  const others = [await inside(t, world, "submission", "203.0.113.8")];
  for (let count = 0; count < 4; count++) others.push(await inside(t, world, "submissions", "198.51.100.7"));
  await over(t, gateway, first, second, later, ...others);
});

t.test("newTlsSessionRate counts no session that is resumed, and refuses nothing in a dry run", async (t) => {
  const { gateway, upstream } = await start(t, { newTlsSessionRate: 2 });
  const source = "203.0.113.7";
  const pairs: Pair[] = [];
  const come = async (listener: string, session?: Buffer) => {
    const client = await End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
    const facts = await client.secure(session && { session });
    const server = await upstream.next();
    server.send(hello);
    t.equal(await client.line(), hello);
    pairs.push({ client, server });
    return facts;
  };
  const session = (await come("submissions")).getSession();
  for (let count = 0; count < 4; count++)
    t.equal((await come("submissions", session)).isSessionReused(), true, "a resumed one is not new");
  await come("submissions");
  const excess = await End.connect(t, { port: gateway.port("submissions") }, proxyHeader(source));
  await excess.secure();
  t.equal(await excess.rest(), `${away} new TLS sessions from unknown[${source}]\r\n`, "the third new one");
  excess.end();
  for (let count = 0; count < 4; count++) await come("dry");
  const reason = "new-tls-session-rate";
  await metricIs(gateway, `postern_dry_run_refusals_total{listener="dry",reason="${reason}"}`, 2);
  t.equal(await metric(gateway, refused("dry", reason)), 0);
  const told = await until("both lines", () => {
    const found = gateway.lines().filter(({ event, service }) => event === "sec.limit" && service === "dry");
    return found.length === 2 && found;
  });
  for (const count of [3, 4]) {
    const line = told.find((one) => "count" in one && one.count === count);
    t.match(line, { reason, limit: 2, dryRun: true }, "which of the two comes first is for their threads");
  }
  await over(t, gateway, ...pairs);
});

t.test(
  "authFailureRate holds over connections and listeners of one scope, whatever is said next",
  async (t) => {
    const world = await start(t, { authFailureRate: 3 });
    const { gateway } = world;
    const source = "203.0.113.7";
    const reason = "auth-failure-rate";
    const first = await inside(t, world, "submission", source);
    t.equal(await exchange(first, plain("alice", "wrong"), no), no);
    const second = await inside(t, world, "submissions", source);
    t.equal(await exchange(second, plain("bob", "wrong"), no), no);
    t.equal(await exchange(first, plain("alice", "right"), yes), yes, "not yet");

    const third = await inside(t, world, "submissions", source);
    third.client.send(`${plain("carol", "wrong")}\r\n${plain("carol", "right")}\r\nNOOP\r\n`);
    t.equal(await third.server.line(), `${plain("carol", "wrong")}\r\n`);
    third.server.send(no);
    const words = `${away} failed logins from ${source}\r\n`;
    t.equal(await third.client.rest(), no + words, "not by saying it ahead either");
    t.equal(await third.server.rest(), "", "the server has not heard of it");
    const fourth = await inside(t, world, "submission", source);
    for (const { client, server } of [second, fourth]) {
      client.send(`${plain("dave", "right")}\r\n`);
      t.equal(await client.rest(), words);
      t.equal(await server.rest(), "");
    }
    for (const { client } of [second, third, fourth]) client.end();
    await metricIs(gateway, refused("submissions", reason), 2);
    await metricIs(gateway, refused("submission", reason), 1);
    t.match(await gateway.session("submission", source), { outcome: "refused", reason, tls: {} });
    const limited = await gateway.waitForLine("the limit", ({ event }) => event === "sec.limit");
    t.match(limited, { service: "submissions", client: { ip: source }, reason, count: 3, limit: 3 });
    await metricIs(gateway, 'postern_auth_total{listener="submission",result="failed"}', 1);
    await metricIs(gateway, 'postern_auth_total{listener="submissions",result="failed"}', 2);

    const other = await inside(t, world, "submission", "203.0.113.8");
    t.equal(await exchange(other, plain("alice", "right"), yes), yes);
    await over(t, gateway, first, other);
  },
);

t.test("authFailureRate refuses nothing in a dry run, and says whom it would have", async (t) => {
  const world = await start(t, { authFailureRate: 1 });
  const { gateway } = world;
  const both = await inside(t, world, "dry", "203.0.113.7");
  for (let count = 0; count < 3; count++) t.equal(await exchange(both, plain("alice", "wrong"), no), no);
  t.equal(await exchange(both, plain("alice", "right"), yes), yes);
  const reason = "auth-failure-rate";
  await metricIs(gateway, `postern_dry_run_refusals_total{listener="dry",reason="${reason}"}`, 3);
  t.equal(await metric(gateway, refused("dry", reason)), 0);
  const limited = await gateway.waitForLine("the limit", ({ event }) => event === "sec.limit");
  t.match(limited, { service: "dry", reason, count: 1, limit: 1, dryRun: true });
  await over(t, gateway, both);
});
