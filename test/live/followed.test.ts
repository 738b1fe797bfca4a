/**
 * SMTP that is followed, at a live gateway with a server that speaks as Postfix does: what never reaches the server, and
 * what the log and the metrics say of messages, refusals and logins.
 */
import t, { type Test } from "tap";
import { behindProxy, type LogLine, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { exchange, hello, ok, type Pair, pair } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

const client = "203.0.113.7";
const offer = "250-upstream\r\n250-XFORWARD NAME ADDR\r\n250-AUTH PLAIN\r\n250 xclient NAME ADDR\r\n";

async function start(t: Test, limits: object, listeners: Readonly<Record<string, object>> = {}) {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    threads: 4,
    listeners: { smtp: behindProxy("smtp", "servers"), ...listeners },
    pools: { servers: poolOf(upstream.port, "none") },
    limits: { default: limits },
  });
  return { upstream, gateway };
}

t.test(
  "XCLIENT and XFORWARD never pass from a client, whatever the servers are told otherwise",
  async (t) => {
    const upstream = await startUpstream(t);
    const identities = ["none", "proxy-v2", "xclient"];
    const gateway = await startGateway(t, {
      listeners: Object.fromEntries(identities.map((name) => [name, behindProxy("smtp", name)])),
      pools: Object.fromEntries(identities.map((name) => [name, poolOf(upstream.port, name)])),
    });
    for (const identity of identities) {
      const header = proxyHeader(client);
      const end = await End.connect(t, { port: gateway.port(identity) }, header);
      const server = await upstream.next();
      if (identity === "proxy-v2") await server.bytes(header.length);
      server.send(hello);
      if (identity === "xclient") {
        await server.line();
        server.send(offer);
        t.match(await server.line(), /^XCLIENT .*ADDR=203\.0\.113\.7/);
        server.send(hello);
      }
      await end.line();
      end.send("EHLO client\r\n");
      t.equal(await server.line(), "EHLO client\r\n");
      server.send(offer);
      t.equal(await end.through("AUTH PLAIN\r\n"), "250-upstream\r\n250 AUTH PLAIN\r\n", identity);
      end.send("NOOP\r\nXCLIENT ADDR=127.0.0.1\r\nxforward ADDR=127.0.0.1\r\nNOOP\r\n");
      t.equal((await server.line()) + (await server.line()), "NOOP\r\nNOOP\r\n", identity);
      server.send(ok);
      t.match(await end.through(ok), ok);
      t.match([await end.line(), await end.line()], [/^502 5\.5\.1 /, /^502 5\.5\.1 /], "in their turn");
      server.send(ok);
      t.equal(await end.line(), ok);
      end.reset();
    }
  },
);

t.test("messageRate is exact over threads, and what it refuses never reaches a server", async (t) => {
  const { upstream, gateway } = await start(t, { messageRate: 5, connectionCount: 0, timeUnit: "24h" });
  const pairs: Pair[] = [];
  for (let count = 0; count < 8; count++) pairs.push(await pair(t, gateway, upstream));
  for (const each of pairs) await exchange(each, "EHLO client", offer.replace(/XFOR|xcl/g, "Y"));
  const mail = "MAIL FROM:<>";
  for (const each of pairs.slice(0, 5)) t.equal(await exchange(each, mail), ok);
  for (const { client, server } of pairs.slice(5)) {
    client.send(`${mail}\r\nNOOP\r\n`);
    t.equal(await server.line(), "NOOP\r\n");
    server.send(ok);
    t.equal(await client.line(), "450 4.7.1 Error: too much mail from 203.0.113.7\r\n");
    t.equal(await client.line(), ok, "the session goes on");
  }
  for (const { client } of pairs) client.reset();
  // The threads' lines come in no order.
  const isFirst = (line: LogLine) => line.event === "sec.limit" && "count" in line && line.count === 6;
  const limited = await gateway.waitForLine("the limit", isFirst);
  t.match(limited, { service: "smtp", client: { ip: client }, reason: "message-rate", count: 6, limit: 5 });
  await metricIs(gateway, 'postern_refused_total{listener="smtp",reason="message-rate"}', 3);
  await metricIs(gateway, 'postern_sessions_total{listener="smtp",outcome="closed"}', 8);
  t.equal(await metric(gateway, 'postern_sessions_total{listener="smtp",outcome="refused"}'), 0);
});

t.test("a session's line and the metrics say what the servers took", async (t) => {
  const { upstream, gateway } = await start(t, { recipientRate: 3 });
  const both = await pair(t, gateway, upstream);
  await exchange(both, "EHLO client", "250 upstream\r\n");
  await exchange(both, "MAIL FROM:<>");
  await exchange(both, "RCPT TO:<a@example.test>");
  await exchange(both, "RCPT TO:<b@example.test>", "550 no\r\n");
  await exchange(both, "DATA", "354 go ahead\r\n");
  await exchange(both, ".", "250 queued\r\n");
  await metricIs(gateway, 'postern_messages_total{listener="smtp"}', 1);
  await exchange(both, "MAIL FROM:<>");
  await exchange(both, "RCPT TO:<a@example.test>");
  both.client.send("RCPT TO:<b@example.test>\r\n");
  t.match(await both.client.line(), /^450 4\.7\.1 Error: too many recipients/);
  await exchange(both, "DATA", "354 go ahead\r\n");
  await exchange(both, ".", "554 spam\r\n");
  both.client.reset();
  t.match(await gateway.session("smtp"), {
    outcome: "closed",
    smtp: { mails: 1, recipients: 1, refused: 2 },
    inspected: "full",
  });
  await metricIs(gateway, `postern_client_messages_total{client="${client}"}`, 1);
});

t.test("logins are told with their user; AUTH too soon waits, AUTH too often is not passed on", async (t) => {
  const { upstream, gateway } = await start(t, { authRate: 2, authFailureDelay: "500ms" });
  const both = await pair(t, gateway, upstream);
  await exchange(both, "EHLO client", "250-upstream\r\n250 AUTH PLAIN\r\n");
  const plain = (user: string) => `AUTH PLAIN ${Buffer.from(`\0${user}\0secret`).toString("base64")}`;
  const startedMs = performance.now();
  await exchange(both, plain('x","ok":true'), "535 5.7.8 no\r\n");
  await exchange(both, plain("alice"), "235 2.7.0 yes\r\n");
  t.ok(performance.now() - startedMs >= 500, "not before the delay for the first one");
  both.client.send(`${plain("alice")}\r\n`);
  t.match(await both.client.line(), "450 4.7.1 Error: too many AUTH commands from 203.0.113.7\r\n");
  t.equal(both.server.unread, "");
  const logins = await until("two lines", () => {
    const found = gateway.lines().filter(({ event }) => event === "sec.auth");
    return found.length === 2 && found;
  });
  const common = { service: "smtp", client: { ip: client }, method: "PLAIN", tls: false };
  t.match(logins, [
    { ...common, ok: false, user: 'x","ok":true' },
    { ...common, ok: true, user: "alice" },
  ]);
  t.notMatch(JSON.stringify(gateway.lines()), "secret");
  await metricIs(gateway, 'postern_auth_total{listener="smtp",result="ok"}', 1);
  await metricIs(gateway, 'postern_auth_total{listener="smtp",result="failed"}', 1);
});

t.test("a bare newline in a message takes the server away at once, and the client hears why", async (t) => {
  const { upstream, gateway } = await start(t, {});
  const both = await pair(t, gateway, upstream);
  await exchange(both, "EHLO client", "250 upstream\r\n");
  await exchange(both, "MAIL FROM:<>");
  await exchange(both, "RCPT TO:<a@example.test>");
  await exchange(both, "DATA", "354 go ahead\r\n");
  both.client.send("Subject: hi\r\n\r\none\r\n");
  await both.server.through("one\r\n");
  both.client.send("two\n.\r\nMAIL FROM:<>\r\n");
  t.notMatch(await both.server.rest(), ".\r\n", "nothing that could end a message");
  both.client.send("three\r\n.\r\n");
  t.match(await both.client.rest(), /^550 5\.5\.2 gateway\.example\.test Error: bare <LF> received\r\n/);
  both.client.end();
  t.match(await gateway.session("smtp"), {
    outcome: "refused",
    reason: "bare-newline",
    smtp: { mails: 0, refused: 1 },
  });
});

t.test("a session says how much of it was read", async (t) => {
  const passthrough = behindProxy("smtp", "servers", "passthrough");
  const { upstream, gateway } = await start(t, { messageRate: 1 }, { smtps: passthrough });
  const both = await pair(t, gateway, upstream);
  await exchange(both, "STARTTLS", "220 2.0.0 Ready to start TLS\r\n");
  both.client.send("\x16\x03\x01 anything\n");
  t.equal(await both.server.through("anything\n"), "\x16\x03\x01 anything\n");
  both.server.send("at all\0");
  t.equal(await both.client.through("\0"), "at all\0");
  both.client.reset();
  t.match(await gateway.session("smtp"), { inspected: "until-starttls", smtp: { mails: 0 } });
  const opaque = await pair(t, gateway, upstream, { listener: "smtps" });
  opaque.client.reset();
  const line = await gateway.session("smtps");
  t.equal(line.inspected, "none");
  t.notOk("smtp" in line);
});

t.test("a server that goes in the midst of a message has taken none", async (t) => {
  const { upstream, gateway } = await start(t, {});
  for (const way of ["end", "reset"] as const) {
    const source = way === "end" ? "203.0.113.8" : "203.0.113.9";
    const both = await pair(t, gateway, upstream, { source });
    await exchange(both, "EHLO client", "250 upstream\r\n");
    await exchange(both, "MAIL FROM:<>");
    await exchange(both, "RCPT TO:<a@example.test>");
    await exchange(both, "DATA", "354 go ahead\r\n");
    both.client.send("text\r\n");
    await both.server.line();
    both.server[way]();
    t.match(await both.client.rest(), /^421 4\.3\.2 gateway\.example\.test [^\n]*\n$/, "to come back");
    both.client.reset();
    t.match(await gateway.session("smtp", source), { smtp: { mails: 0, recipients: 0 } });
  }
  t.equal(await metric(gateway, 'postern_messages_total{listener="smtp"}'), 0);
});
