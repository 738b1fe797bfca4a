/** Sessions in flow inside TLS that ends here: each side's end passes by itself, and readers that are slow lose nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { makeDirectory } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import { concurrency, metricIs } from "./look.ts";
import { exchange, ok, type Pair, pair, secure } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

const listeners = ["starttls", "implicit", "tcp"];

const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
const upstream = await startUpstream(t);
const smtp = behindProxy("smtp", "servers");
const gateway = await startGateway(t, {
  listeners: {
    starttls: { ...smtp, tls: "starttls" },
    implicit: { ...smtp, tls: "implicit" },
    tcp: { ...behindProxy("tcp", "servers"), tls: "implicit" },
  },
  pools: { servers: poolOf(upstream.port, "none") },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});
let clients = 0;

/** A client in TLS, and its server. */
async function inside(t: Test, listener: string): Promise<Pair & { source: string }> {
  const source = `203.0.113.${++clients}`;
  const both = await pair(t, gateway, upstream, { listener, source, tls: listener !== "starttls" });
  if (listener === "starttls") await secure(both);
  // Only what comes through tells that the gateway's own side of the handshake is done, too.
  if (listener === "starttls") await exchange(both, "NOOP");
  return { ...both, source };
}

t.test("a client that ends in TLS can still read", async (t) => {
  for (const listener of listeners) {
    const { client, server, source } = await inside(t, listener);
    client.send("NOOP\r\nQUIT\r\n");
    client.end();
    t.equal(await server.rest(), "NOOP\r\nQUIT\r\n", listener);
    t.equal(await server.ending(), "end");
    server.send(ok);
    t.equal(await client.line(), ok);
    server.send("221 bye\r\n");
    server.end();
    t.equal(await client.rest(), "221 bye\r\n");
    t.equal(await client.ending(), "end");
    t.match(await gateway.session(listener, source), { outcome: "closed", reason: null });
  }
});

t.test("a server that ends can still read what its client says in TLS", async (t) => {
  for (const listener of listeners) {
    const { client, server, source } = await inside(t, listener);
    server.end();
    t.equal(await client.rest(), "", listener);
    t.equal(await client.ending(), "end");
    client.send("NOOP\r\n");
    t.equal(await server.line(), "NOOP\r\n");
    client.end();
    t.equal(await server.ending(), "end");
    t.match(await gateway.session(listener, source), { outcome: "closed", reason: null });
  }
});

t.test("a side that breaks off takes the other with it", async (t) => {
  for (const listener of listeners) {
    const left = await inside(t, listener);
    left.client.reset();
    t.equal(await left.server.rest(), "", listener);
    t.match(await gateway.session(listener, left.source), { outcome: "closed" });
    const lost = await inside(t, listener);
    lost.server.reset();
    t.equal(await lost.client.rest(), "", "no word of ours where none was owed");
    lost.client.end();
    t.match(await gateway.session(listener, lost.source), {
      outcome: "failed",
      reason: "upstream-unavailable",
    });
  }
});

t.test(
  "a message of many bytes reaches a server that is slow to read, and its answer a slow client",
  async (t) => {
    const total = 12_000_000;
    for (const listener of ["starttls", "implicit"]) {
      const both = await inside(t, listener);
      const { client, server } = both;
      await exchange(both, "EHLO a", "250-upstream\r\n250 CHUNKING\r\n");
      await exchange(both, "MAIL FROM:<>");
      await exchange(both, "RCPT TO:<b@example.test>");
      server.pause();
      client.send(`BDAT ${total} LAST\r\n`);
      const bytes = new Numbered(total);
      for (let sent = 0; sent < total; sent += 750_000) client.send(bytes.next(750_000));
      await sleep(300);
      server.resume();
      t.equal(await server.line(), `BDAT ${total} LAST\r\n`);
      const checker = new Checker(total);
      checker.feed(await server.bytes(total));
      t.same([checker.fault, checker.count], [null, total], listener);

      const answer = `${`250-${"x".repeat(2000)}\r\n`.repeat(900)}${ok}`;
      client.pause();
      server.send(answer);
      await sleep(300);
      client.resume();
      t.equal((await client.bytes(answer.length)).toString(), answer);
      client.end();
      server.end();
      t.match(await gateway.session(listener, both.source), { smtp: { mails: 1, recipients: 1 } });
    }
  },
);

t.test("nothing is left of all these sessions", async (t) => {
  for (const listener of listeners)
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});
