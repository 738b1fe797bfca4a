/**
 * The real postern, HAProxy and nginx with the configurations that they are compared by: each takes them without a word of
 * complaint, lets a mail through to a server that is told who the client is, and refuses who comes too often if it can.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { makeCertificate } from "../../bench/harness/certificate.ts";
import type { Name, ProxyOptions } from "../../bench/peers/peer.ts";
import { freePorts, peers, startProxy } from "../../bench/peers/start.ts";
import { type Sink, startSink } from "../../bench/sink/sink.ts";
import { Client } from "../servers/client.ts";
import { proxyHeader } from "../servers/header.ts";

/** Haraka is nobody's package in Debian. */
const names = ["postern", "haproxy", "nginx"] as const;

const source = "203.0.113.7";

/** How each of them looks at a configuration without running it; in place of the words that would run it. */
const checks: Readonly<Record<(typeof names)[number], (command: readonly string[]) => readonly string[]>> = {
  postern: (command) => command.map((word) => (word === "serve" ? "check" : word)),
  haproxy: (command) => [...command, "-c"],
  nginx: (command) => [...command, "-t"],
};

const certificate = makeCertificate("ECDSA P-256");

function optionsTo({ port }: Sink): ProxyOptions {
  return { routes: [{ to: [port], protocol: "smtp" }], threads: 1, cores: "all" };
}

function programOf(name: Name): string {
  const found = peers[name].find(undefined);
  if (found.kind === "missing") throw new Error(`${name}: ${found.reason}`);
  return found.program;
}

for (const name of names) {
  t.test(`${name} accepts its configuration when it is asked to check it`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "peers-"));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const [adminPort = 0, ...ports] = await freePorts(2);
    const limit = { connections: 10, window: "60s" };
    const route = { to: [2525, 2526], protocol: "smtp" } as const;
    for (const more of [{}, { limit, certificate, banned: ["192.0.2.1"] }]) {
      const command = peers[name].command(
        { program: programOf(name), directory, ports, adminPort },
        { routes: [route], threads: 1, cores: "all", ...more },
      );
      const [program = "", ...words] = checks[name](command);
      const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: 20_000 });
      t.equal(status, 0, `${Object.keys(more).join() || "plain"}: ${stdout}${stderr}`);
      t.notMatch(stdout + stderr, /warn/i);
    }
  });

  t.test(`${name} tells the server of the client when a mail goes through it`, async (t) => {
    const sink = await startSink({ protocol: "smtp", record: 10, proxy: peers[name].tells });
    t.teardown(() => sink.stop());
    const proxy = await startProxy(name, optionsTo(sink));
    t.teardown(() => proxy.stop());
    const client = await Client.connect(t, { port: proxy.ports[0]!, header: proxyHeader(source) });
    t.match(await client.reply(), /^220 /);
    for (const [command, code] of [
      ["EHLO client.example.org", /^250/],
      ["MAIL FROM:<a@example.org>", /^250/],
      ["RCPT TO:<b@example.test>", /^250/],
      ["DATA", /^354/],
      ["Subject: one\r\n\r\nA line.\r\n.", /^250/],
      ["QUIT", /^221/],
    ] as const) {
      client.send(`${command}\r\n`);
      t.match(await client.reply(), code, command);
    }
    t.equal((await sink.counts()).messages, 1);
    const told = (await sink.identities()).map(({ proxy }) => proxy ?? "");
    t.ok(told.some((each) => each.startsWith(`${source}:`)));
  });

  t.test(`${name} speaks TLS behind the header when it has a certificate`, async (t) => {
    const sink = await startSink({ protocol: "smtp" });
    t.teardown(() => sink.stop());
    const proxy = await startProxy(name, { ...optionsTo(sink), certificate });
    t.teardown(() => proxy.stop());
    const client = await Client.connect(t, { port: proxy.ports[0]!, header: proxyHeader(source) });
    await client.startTls(null);
    t.match(await client.reply(), /^220 /);
    client.close();
  });
}

for (const name of ["postern", "haproxy"] as const) {
  t.test(`${name} refuses a client, and no other, when it comes more often than it may`, async (t) => {
    const sink = await startSink({ protocol: "smtp" });
    t.teardown(() => sink.stop());
    const limit = { connections: 2, window: "60s" };
    const proxy = await startProxy(name, { ...optionsTo(sink), limit });
    t.teardown(() => proxy.stop());
    const isGreeted = async (from: string) => {
      const client = await Client.connect(t, { port: proxy.ports[0]!, header: proxyHeader(from) });
      // HAProxy closes without a word.
      const said = await client.reply().catch(() => "");
      client.close();
      return said.startsWith("220 ");
    };
    for (let time = 1; time <= 2; time++) t.equal(await isGreeted(source), true, `${time}`);
    t.equal(await isGreeted(source), false, "once too often");
    t.equal(await isGreeted("203.0.113.8"), true, "somebody else");
  });
}
