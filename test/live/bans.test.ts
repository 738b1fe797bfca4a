/**
 * Banned clients at a live gateway: what each listener does with them, who is not banned with them, and what the log, the
 * metrics and the pages say of it.
 */
import t, { type Test } from "tap";
import { postern } from "../commands/run.ts";
import { startBook } from "../servers/book.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader } from "../servers/header.ts";
import { json } from "../servers/lapi.ts";
import { makeDirectory } from "../servers/process.ts";
import { api, come, crowdsecAt, denied, events, eventsAre, hello, imapHello } from "./banned.ts";
import { End } from "./end.ts";
import { clients, concurrency, metric, metricIs } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const banned = "203.0.113.7";
const text = "Banned, see https://mail.example.test/banned";

/** What the banned client hears, and everybody else. */
const listeners: Readonly<Record<string, readonly [banned: string, others: string]>> = {
  smtp: [denied(banned), hello],
  imap: ["* BYE [NOPERM] Access denied\r\n", imapHello],
  own: [`554 5.7.1 ${text}\r\n`, hello],
  imapOwn: [`* BYE [NOPERM] ${text}\r\n`, imapHello],
  tcp: ["", hello],
  passthrough: ["", hello],
  implicit: ["", hello],
  drop: ["", hello],
};

async function start(t: Test) {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const imap = await startUpstream(t, { script: greeting(imapHello) });
  const { lapi, book } = await startBook(t);
  const addresses = [banned, "2001:db8:bad::/48", "127.0.0.2", "198.51.100.7", "198.51.0.0/16", "127.0.0.1"];
  for (const value of addresses) book.ban(value);
  const smtp = behindProxy("smtp", "servers");
  const gateway = await startGateway(t, {
    listeners: {
      smtp,
      imap: behindProxy("imap", "imap"),
      own: { ...smtp, ban: { action: "reply", text } },
      imapOwn: { ...behindProxy("imap", "imap"), ban: { text } },
      tcp: behindProxy("tcp", "servers"),
      passthrough: behindProxy("smtp", "servers", "passthrough"),
      implicit: { ...smtp, tls: "implicit" },
      drop: { ...smtp, ban: { action: "drop" } },
      direct: { listen: "127.0.0.1:0", protocol: "smtp", proxy: { mode: "off" }, pool: "servers" },
    },
    pools: { servers: poolOf(upstream.port, "none"), imap: poolOf(imap.port, "none") },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
    // One connection each is what an honest client is let have, of the banned one none is counted.
    limits: { default: { connectionRate: 1, timeUnit: "24h" } },
    crowdsec: crowdsecAt(lapi.url, { neverBan: ["198.51.100.0/24"] }),
  });
  await eventsAre(gateway, "decisions-loaded", 1);
  return { gateway, lapi, book, upstream, imap };
}

const { gateway, lapi, book, upstream, imap } = await start(t);

/** Who is refused is told of in the session's line, with the decision, and nowhere else. */
async function recorded(t: Test, listener: string, client: string, id: number): Promise<void> {
  const line = await gateway.session(listener, client);
  t.match(line, {
    outcome: "refused",
    reason: "banned",
    server: null,
    decision: { id, origin: "cscli", scenario: "manual 'ban' from 'test'", type: "ban" },
  });
}

/** Lets a client in that has heard its greeting, and away again. */
async function served(t: Test, client: End, listener: string, expected: string): Promise<void> {
  if (listener === "implicit") await client.secure();
  t.equal(await client.line(), expected, `${listener}: served`);
  client.reset();
}

t.test(
  "a banned client is refused in each listener's way, and its neighbour behind the same proxy is not",
  async (t) => {
    for (const [listener, [refusal, greeting]] of Object.entries(listeners)) {
      const before = upstream.connections + imap.connections;
      for (let time = 0; time < 3; time++) {
        const client = await come(t, gateway, banned, listener);
        t.equal(await client.rest(), refusal, listener);
        client.end();
      }
      await recorded(t, listener, banned, 1);
      await metricIs(gateway, `postern_refused_total{listener="${listener}",reason="banned"}`, 3);
      t.equal(upstream.connections + imap.connections, before, "no server has heard of it");
      await served(t, await come(t, gateway, "203.0.113.8", listener), listener, greeting);
    }
    await metricIs(gateway, 'postern_banned_total{origin="cscli"}', 3 * Object.keys(listeners).length);
  },
);

t.test("a client in a banned IPv6 network is refused, and one beside it is not", async (t) => {
  for (const inside of ["2001:db8:bad::", "2001:db8:bad:ffff:ffff:ffff:ffff:ffff"]) {
    const client = await come(t, gateway, inside);
    t.equal(await client.rest(), denied(inside));
    client.end();
    await recorded(t, "smtp", inside, 2);
  }
  for (const outside of ["2001:db8:bac:ffff:ffff:ffff:ffff:ffff", "2001:db8:bae::"])
    await served(t, await come(t, gateway, outside), "smtp", hello);
});

t.test("a banned client is refused without a load balancer, too", async (t) => {
  const port = gateway.port("direct");
  const client = await End.connect(t, { port, from: "127.0.0.2" });
  t.equal(await client.rest(), denied("127.0.0.2"));
  client.end();
  await recorded(t, "direct", "127.0.0.2", 3);
  await served(t, await End.connect(t, { port, from: "127.0.0.3" }), "smtp", hello);
});

t.test("whom the configuration spares is served whatever is decided, and so are checks", async (t) => {
  await served(t, await come(t, gateway, "198.51.100.7"), "smtp", hello);
  await served(t, await come(t, gateway, "198.51.100.8"), "smtp", hello);
  const beside = await come(t, gateway, "198.51.99.8");
  t.equal(await beside.rest(), denied("198.51.99.8"), "the rest of the network is banned");
  beside.end();
  await served(t, await End.connect(t, { port: gateway.port("direct"), from: "127.0.0.1" }), "smtp", hello);
  for (const [listener, word] of [
    ["smtp", "220 "],
    ["imap", "* OK "],
    ["drop", "220 "],
  ] as const) {
    const check = await End.connect(t, { port: gateway.port(listener) }, localHeader);
    t.ok((await check.line()).startsWith(word), `${listener}: the check is answered`);
    check.reset();
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 1);
  }
});

t.test("each decision that is not obeyed is told of once, however often it comes", async (t) => {
  lapi.next(json({}, 500));
  await eventsAre(gateway, "lapi-recovered", 1);
  await eventsAre(gateway, "decisions-loaded", 2);
  await book.settled();
  const told = events(gateway, "decision-overruled");
  t.match(told, [
    { level: "warn", id: 4, network: "198.51.100.7/32" },
    { level: "warn", id: 5, network: "198.51.0.0/16" },
    { level: "warn", id: 6, network: "127.0.0.1/32" },
  ]);
  t.equal(told.length, 3);
});

t.test("the pages and postern why agree with what becomes of clients", async (t) => {
  const why = async (address: string) => {
    const { code, stdout } = await postern(["why", address, "--json", "--admin", gateway.adminUrl.slice(7)]);
    t.equal(code, 0);
    return JSON.parse(stdout);
  };
  const refused = await why(banned);
  t.match(refused, { address: banned, ban: { id: 1, origin: "cscli", scope: "ip", value: banned } });
  for (const { listener, outcome, reason, action } of refused.listeners) {
    const expected = listener === "drop" ? "drop" : "reply";
    t.match({ outcome, reason, action }, { outcome: "refused", reason: "banned", action: expected });
  }
  t.match(await why("198.51.100.7"), {
    ban: { id: 4, protected: true },
    listeners: [{ reason: /connection-rate/ }],
  });
  t.match(await why("203.0.113.8"), { ban: null });
  t.match(await why("203.0.113.9"), { ban: null, listeners: [{ outcome: "accepted" }] });
  t.match(await api(gateway, "/api/bans"), { total: 6, origins: { cscli: 6 }, received: true });
  t.match(await api(gateway, "/api/bans?contains=2001:db8:bad::9"), [
    { id: 2, scope: "range", value: "2001:db8:bad::/48" },
  ]);
  t.same(await api(gateway, "/api/bans?contains=203.0.113.9"), []);
  t.equal(await metric(gateway, 'postern_bans{origin="cscli"}'), 6);
  const age = await metric(gateway, "postern_bans_age_seconds");
  t.ok(age >= 0 && age < 20, `age ${age}`);
});

t.test("nothing is counted of a banned client, and no parser can take it for an offender", async (t) => {
  const known = (await clients(gateway)).map(({ address }) => address);
  t.ok(known.includes("203.0.113.8"));
  for (const address of [banned, "127.0.0.2", "2001:db8:bad::", "198.51.99.8"])
    t.notOk(known.includes(address), address);
  t.same(
    gateway.lines().filter(({ event }) => event?.startsWith("sec.")),
    [],
  );
  for (const listener of [...Object.keys(listeners), "direct"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});

t.test("a tarpit holds banned clients that are quiet, so many and no more", async (t) => {
  const { lapi: other, book } = await startBook(t);
  book.ban(banned);
  const gateway = await startGateway(t, {
    threads: 1,
    listeners: { smtp: { ...behindProxy("smtp", "servers"), ban: { action: "tarpit" } } },
    pools: { servers: poolOf(upstream.port, "none") },
    crowdsec: crowdsecAt(other.url),
    drain: "0s",
  });
  await eventsAre(gateway, "decisions-loaded", 1);
  const held: End[] = [];
  for (let count = 0; count < 100; count++) held.push(await come(t, gateway, banned));
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 100);
  const beyond = await come(t, gateway, banned);
  t.equal(await beyond.rest(), denied(banned), "one too many is refused at once");
  beyond.end();
  t.same(held.map(({ unread }) => unread).join(""), "", "the others hear nothing");
  t.equal(await (await come(t, gateway, "203.0.113.8")).line(), hello, "they are in nobody's way");
  const [loud, leaving, quiet] = held;
  loud?.send("x".repeat(20_000));
  t.equal(await loud?.rest(), "", "one that will not be quiet is closed");
  leaving?.end();
  t.equal(await leaving?.rest(), "");
  const next = await come(t, gateway, banned);
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 100);
  t.equal(next.unread, "", "there is room again");
  quiet?.send("EHLO a\r\n");
  await book.settled();
  t.equal(quiet?.unread, "");
  const { length } = events(gateway, "session").filter(({ reason }) => reason === "banned");
  t.equal(length, 3);
});
