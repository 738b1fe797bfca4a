/** XCLIENT against a server that speaks as Postfix does: the exchange to the byte, and every way in which it can fail. */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const hello = "EHLO gateway.example.test\r\n";
const offer =
  "250-upstream\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT\r\n250 DSN\r\n";
const unavailable = "421 4.3.2 gateway.example.test Service not available, try again later\r\n";

function start(t: Test, upstream: Upstream): Promise<Gateway> {
  return startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "postfix") },
    pools: { postfix: { ...poolOf(upstream.port, "xclient"), greetTimeout: "5s" } },
  });
}

t.test("XCLIENT names the client, and the session begins with the fresh greeting", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  for (const [source, line] of [
    ["203.0.113.7", "NAME=[UNAVAILABLE] PORT=40123 DESTADDR=192.0.2.25 DESTPORT=25 ADDR=203.0.113.7"],
    [
      "2001:db8::7",
      "NAME=[UNAVAILABLE] PORT=40123 DESTADDR=IPV6:2001:db8:ffff::25 DESTPORT=25 ADDR=IPV6:2001:db8::7",
    ],
  ] as const) {
    const early = "EHLO early\r\nMAIL FROM:<>\r\n";
    const client = await End.connect(
      t,
      { port: gateway.port("smtp") },
      Buffer.concat([proxyHeader(source), Buffer.from(early)]),
    );
    const server = await upstream.next();
    // In pieces, as a slow server's greeting may come; nobody speaks before its last line.
    server.send("220-upstream says ");
    await sleep(30);
    server.send("a lot\r\n220-and more\r\n");
    await sleep(30);
    t.equal(server.unread, "", "no word before the greeting is whole");
    server.send("220 upstream ESMTP\r\n");
    t.equal(await server.line(), hello);
    server.send(offer);
    t.equal(await server.line(), `XCLIENT ${line}\r\n`);
    await sleep(30);
    t.equal(server.unread, "", "the client is not heard before the fresh greeting");
    t.equal(client.unread, "", "the client hears nothing of the exchange");
    server.send("220-fresh\r\n220 upstream ESMTP\r\n");
    t.equal((await server.line()) + (await server.line()), early);
    server.send("250 upstream\r\n250 Ok\r\n");
    t.equal(
      await client.through("250 Ok\r\n"),
      "220-fresh\r\n220 upstream ESMTP\r\n250 upstream\r\n250 Ok\r\n",
    );
    client.end();
    server.end();
    t.match(await gateway.session("smtp", source), {
      outcome: "closed",
      reason: null,
      bytesIn: early.length,
      bytesOut: 53,
    });
  }
});

t.test("XCLIENT says only what is advertised", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
  const server = await upstream.next();
  server.send("220 upstream\r\n");
  await server.line();
  server.send("250-upstream\r\n250 XCLIENT ADDR PORT\r\n");
  t.equal(await server.line(), "XCLIENT PORT=40123 ADDR=203.0.113.7\r\n");
});

/** What the server says at each of its turns; null: it closes. */
const failures: readonly {
  readonly name: string;
  readonly turns: readonly (string | null)[];
  readonly client: string;
  readonly reason: string;
}[] = [
  {
    name: "XCLIENT is not offered",
    turns: ["220 a\r\n", "250-a\r\n250 DSN\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "XCLIENT is offered without ADDR",
    turns: ["220 a\r\n", "250-a\r\n250 XCLIENT NAME\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "XCLIENT is refused",
    turns: ["220 a\r\n", offer, "550 5.7.0 insufficient authorization\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "XCLIENT is answered with 250",
    turns: ["220 a\r\n", offer, "250 ok\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "EHLO is refused",
    turns: ["220 a\r\n", "502 what\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  { name: "the greeting is no SMTP", turns: ["hello\r\n"], client: unavailable, reason: "identity-refused" },
  {
    name: "there are bytes behind the greeting",
    turns: ["220 a\r\n250 b\r\n"],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "the greeting is endless",
    turns: ["220-a\r\n".repeat(200)],
    client: unavailable,
    reason: "identity-refused",
  },
  {
    name: "the greeting is 554",
    turns: ["554-no\r\n554 5.7.1 not you\r\n"],
    client: "554-no\r\n554 5.7.1 not you\r\n",
    reason: "upstream-unavailable",
  },
  {
    name: "the greeting is 421",
    turns: ["421 4.3.2 busy\r\n"],
    client: "421 4.3.2 busy\r\n",
    reason: "upstream-unavailable",
  },
  {
    name: "the fresh greeting is 421",
    turns: ["220 a\r\n", offer, "421 4.7.0 too many\r\n"],
    client: "421 4.7.0 too many\r\n",
    reason: "upstream-unavailable",
  },
  {
    name: "it closes before its greeting",
    turns: [null],
    client: unavailable,
    reason: "upstream-unavailable",
  },
  {
    name: "it closes after its greeting",
    turns: ["220 a\r\n", null],
    client: unavailable,
    reason: "upstream-unavailable",
  },
  {
    name: "it closes instead of the fresh greeting",
    turns: ["220 a\r\n", offer, null],
    client: unavailable,
    reason: "upstream-unavailable",
  },
];

t.test("no client gets past an upstream that does not take XCLIENT", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  for (const [index, { name, turns, client: words, reason }] of failures.entries()) {
    const source = `203.0.113.${index + 10}`;
    const early = Buffer.from("EHLO early\r\n");
    const client = await End.connect(
      t,
      { port: gateway.port("smtp") },
      Buffer.concat([proxyHeader(source), early]),
    );
    const server = await upstream.next();
    for (const [turn, said] of turns.entries()) {
      if (turn > 0) t.match(await server.line(), turn === 1 ? /^EHLO gateway/ : /^XCLIENT /, name);
      if (said === null) server.end();
      else server.send(said);
    }
    t.equal(await client.rest(), words, name);
    t.notMatch(await server.rest(), "early", name);
    client.end();
    t.match(
      await gateway.session("smtp", source),
      { outcome: "failed", reason, server: `127.0.0.1:${upstream.port}` },
      name,
    );
  }
});

t.test("an upstream that is silent in the exchange has the time of a greeting, all in all", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "postfix") },
    pools: { postfix: { ...poolOf(upstream.port, "xclient"), greetTimeout: "600ms" } },
  });
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
  const server = await upstream.next();
  // A line every 100 ms: no single wait is long, the whole is.
  const drip = setInterval(() => server.send("220-wait\r\n"), 100);
  t.teardown(() => clearInterval(drip));
  t.equal(await client.rest(), unavailable);
  client.end();
  t.match(await gateway.session("smtp"), { outcome: "failed", reason: "upstream-timeout" });
});
