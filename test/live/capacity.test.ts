/** More connections than there may be: who is told so, and that a place that is left is a place again. */
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { metricIs } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

t.test("maxConnections holds over all listeners and threads, and places come free", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const mailbox = await startUpstream(t, { script: greeting("* OK upstream\r\n") });
  const gateway = await startGateway(t, {
    maxConnections: 3,
    listeners: {
      smtp: behindProxy("smtp", "servers"),
      imap: behindProxy("imap", "mailbox"),
      tcp: behindProxy("tcp", "servers"),
    },
    pools: { servers: poolOf(upstream.port, "none"), mailbox: poolOf(mailbox.port, "none") },
  });
  const come = (listener: string) =>
    End.connect(t, { port: gateway.port(listener) }, proxyHeader("203.0.113.7"));
  const inside = [await come("smtp"), await come("imap"), await come("smtp")];
  for (const client of inside) t.match(await client.line(), / upstream\r\n$/);
  for (const [listener, words] of [
    ["smtp", "421 4.3.2 gateway.example.test Error: too many connections\r\n"],
    ["imap", "* BYE [LIMIT] Too many connections\r\n"],
    ["tcp", ""],
  ] as const) {
    const end = await come(listener);
    t.equal(await end.rest(), words, listener);
    end.close();
    await metricIs(gateway, `postern_refused_total{listener="${listener}",reason="max-connections"}`, 1);
    const refused = (line: { reason?: string | null; listener?: string }) =>
      line.reason === "max-connections" && line.listener === listener;
    const client = { ip: "203.0.113.7" };
    t.match(await gateway.waitForLine("the refusal", refused), { outcome: "refused", client });
  }
  for (const client of inside) client.reset();
  for (const listener of ["smtp", "imap"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  const again = [await come("smtp"), await come("smtp"), await come("smtp")];
  for (const client of again) t.equal(await client.line(), "220 upstream\r\n");
  t.equal(upstream.connections + mailbox.connections, 6);
});

t.test("a health check is answered when there are too many connections", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await startGateway(t, {
    maxConnections: 1,
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const inside = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
  await inside.line();
  const checker = await End.connect(t, { port: gateway.port("smtp") }, localHeader);
  t.equal(await checker.line(), "220 gateway.example.test ESMTP\r\n");
});

t.test("a flood over maxConnections is bounded, and ends with it", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await startGateway(t, {
    threads: 1,
    maxConnections: 1,
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const come = () => End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
  const inside = await come();
  await inside.line();
  // None of them closes by itself, as a flood would not; those beyond the bound are closed without a word.
  const flood = await Promise.all(Array.from({ length: 300 }, come));
  const heard = await Promise.all(flood.map((client) => client.rest()));
  const told = heard.filter((words) => words.startsWith("421 ")).length;
  t.ok(told >= 32 && told <= 64, `${told} of 300 were told`);
  t.ok(heard.every((words) => words === "" || words.startsWith("421 4.3.2 ")));
  inside.reset();
  for (const client of flood) client.close();
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 0);
  t.equal(await (await come()).line(), "220 upstream\r\n");
});
