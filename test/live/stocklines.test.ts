/** The stock lines of a live gateway: from its threads into the file, which is opened anew when it is told to. */
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { behindProxy, poolOf, withBarePools } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { startUpstream } from "./upstream.ts";

const lie = Buffer.from("\0x>, rip=192.0.2.66, lip=192.0.2.1\0unknown[192.0.2.66]").toString("base64");

t.test("a failed login and an offence each have one stock line, and nothing else has", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "stock.log");
  const upstream = await startUpstream(t);
  const text = JSON.stringify({
    hostname: "mx1.example.test",
    threads: 2,
    log: { destination: join(folder, "log") },
    admin: { listen: "127.0.0.1:0" },
    listeners: { smtp: behindProxy("smtp", "servers"), imap: behindProxy("imap", "servers") },
    ...withBarePools({ pools: { servers: poolOf(upstream.port, "none") } }),
    limits: { default: { connectionRate: 3 } },
    drain: "0s",
  });
  const loaded = loadConfiguration(text, { name: "test", environment: {}, readFile: () => "", nowMs: 0 });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  const log = { ...loaded.configuration.log, stockLines: { kind: "file", path } } as const;
  const gateway = await Gateway.start({ ...loaded.configuration, log }, "0.0.0");
  t.teardown(() => gateway.drain());
  const port = (name: string) => Number(gateway.listeners[name]?.[0]?.split(":").at(-1));
  const lines = () => readFileSync(path, "utf8").split("\n").slice(0, -1);

  for (const answer of ["535 5.7.8 no\r\n", "235 2.7.0 yes\r\n", "454 4.7.0 later\r\n"]) {
    const client = await End.connect(t, { port: port("smtp") }, proxyHeader("203.0.113.7"));
    const server = await upstream.next();
    server.send("220 upstream\r\n");
    await client.line();
    client.send(`AUTH PLAIN ${lie}\r\n`);
    await server.line();
    server.send(answer);
    t.equal(await client.line(), answer);
    client.close();
  }
  // Beyond the limit: no line.
  const limited = await End.connect(t, { port: port("smtp") }, proxyHeader("203.0.113.7"));
  t.match(await limited.line(), /^421 /);
  await until("the login's line", () => lines().length === 1);
  renameSync(path, `${path}.1`);
  gateway.refresh();

  const foreign = await End.connect(t, { port: port("smtp") }, proxyHeader("2001:db8::7"));
  (await upstream.next()).send("220 upstream\r\n");
  await foreign.line();
  foreign.send("GET /unknown[192.0.2.66] HTTP/1.1\r\n\r\n");
  t.match(await foreign.line(), /^221 /);
  const reader = await End.connect(t, { port: port("imap") }, proxyHeader("203.0.113.8"));
  const server = await upstream.next();
  server.send("* OK [CAPABILITY IMAP4rev1] upstream\r\n");
  await reader.line();
  reader.send("a LOGIN x>,rip=192.0.2.66 wrong\r\n");
  await server.line();
  server.send("a NO [AUTHENTICATIONFAILED] no\r\n");
  t.match(await reader.line(), /^a NO /);
  await gateway.drain();

  const before = readFileSync(`${path}.1`, "utf8");
  t.match(
    before,
    /^\S+Z mx1\.example\.test postfix\/smtpd\[\d+\]: warning: unknown\[203\.0\.113\.7\]: SASL PLAIN authentication failed: authentication failure\n$/,
  );
  const after = lines().map((line) => line.replace(/^\S+Z /, ""));
  t.equal(after.length, 2);
  t.match(after.sort(), [
    /^mx1\.example\.test dovecot\[\d+\]: imap-login: .*: user=<>, method=LOGIN, rip=203\.0\.113\.8, lip=127\.0\.0\.1$/,
    /^mx1\.example\.test postfix\/smtpd\[\d+\]: lost connection after UNKNOWN from unknown\[2001:db8::7\]$/,
  ]);
  t.notMatch(before + after.join(), "192.0.2.66");
});
