/** Certificates and tickets in a running gateway: replaced in every thread, and in those to come, without a session's loss. */
import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { type Certificate, makeCertificate } from "../servers/certificate.ts";
import { poolOf, startGateway, withBarePools } from "../servers/gateway.ts";
import { until } from "../servers/process.ts";
import { startUpstream } from "./upstream.ts";

/** So many connections that each of two threads has some of them. */
const MANY = 16;

const hello = "220 upstream\r\n";

const made = t.testdir({ one: {}, two: {} });
const one = makeCertificate(join(made, "one"), "one.example.test");
const two = makeCertificate(join(made, "two"), "two.example.test");

/** What a gateway is to serve from, and how to put another pair there. */
function folderOf(t: Test) {
  const folder = t.testdir();
  const pair = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const put = ({ certFile, keyFile }: Certificate) => {
    copyFileSync(certFile, pair.cert);
    copyFileSync(keyFile, pair.key);
  };
  put(one);
  return { pair, put, logFile: join(folder, "log") };
}

/** A gateway's file: implicit TLS ends at the listener `in`, before a server that greets and repeats what it is told. */
async function fileFor(t: Test, pair: object): Promise<Readonly<Record<string, unknown>>> {
  const upstream = await startUpstream(t, {
    script: (end) => {
      end.send(hello);
      end.line().then(
        (line) => end.send(line),
        () => {},
      );
    },
  });
  const listener = {
    listen: "127.0.0.1:0",
    protocol: "tcp",
    tls: "implicit",
    proxy: { mode: "off" },
    pool: "p",
  };
  return {
    threads: 2,
    listeners: { in: listener },
    ...withBarePools({ pools: { p: poolOf(upstream.port, "none") } }),
    limits: { default: { connectionCount: 0 } },
    tls: { certificates: [pair] },
    admin: { listen: "127.0.0.1:0" },
    drain: "0s",
  };
}

/** A client that has heard the server's greeting. */
async function greeted(t: Test, port: number, session?: Buffer): Promise<TLSSocket> {
  const client = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...(session && { session }) });
  t.teardown(() => client.destroy());
  const [bytes] = await once(client, "data");
  if (String(bytes) !== hello) throw new Error(`greeted with ${bytes}`);
  return client;
}

/** The fingerprints that so many clients are shown. */
async function shown(t: Test, port: number): Promise<Set<string>> {
  const clients = await Promise.all(Array.from({ length: MANY }, () => greeted(t, port)));
  const prints = new Set(clients.map((client) => client.getPeerCertificate().fingerprint256));
  for (const client of clients) client.destroy();
  return prints;
}

const onlyShows = (t: Test, port: number, { fingerprint256 }: Certificate) =>
  until("one certificate in all threads", async () => {
    const prints = await shown(t, port).catch(() => new Set<string>());
    return prints.size === 1 && prints.has(fingerprint256);
  });

t.test("a certificate that is replaced serves new sessions, and the old ones go on", async (t) => {
  const { pair, put } = folderOf(t);
  const gateway = await startGateway(t, await fileFor(t, pair));
  const port = gateway.port("in");
  t.same([...(await shown(t, port))], [one.fingerprint256]);
  const early = await greeted(t, port);

  put(two);
  process.kill(gateway.pid, "SIGHUP");
  t.match(await gateway.waitForLine("the reload", ({ event }) => event === "tls-reloaded"), {
    level: "info",
    certificates: [{ names: ["two.example.test"], notAfter: /^\d{4}-.*Z$/ }],
  });
  await onlyShows(t, port, two);

  writeFileSync(pair.key, readFileSync(one.keyFile));
  process.kill(gateway.pid, "SIGHUP");
  t.match(await gateway.waitForLine("the failure", ({ event }) => event === "tls-reload-failed"), {
    level: "error",
    file: pair.key,
    reason: "the key does not fit the certificate, the first in its file",
  });
  t.same([...(await shown(t, port))], [two.fingerprint256]);

  t.equal(early.getPeerCertificate().fingerprint256, one.fingerprint256);
  early.write("still here\r\n");
  const [answer] = await once(early, "data");
  t.equal(String(answer), "still here\r\n");
  t.equal(
    gateway.lines().filter(({ event, outcome }) => event === "session" && outcome !== "closed").length,
    0,
  );
});

t.test("a certificate that will not serve at start ends the start", async (t) => {
  const { pair } = folderOf(t);
  const file = await fileFor(t, pair);
  writeFileSync(pair.key, "");
  await t.rejects(
    startGateway(t, file),
    /tls\.certificates\[0\]\.key: the file holds no private key \(PEM\)/,
  );
});

t.test(
  "a session that one thread began is resumed in any, and a new thread has what the others have",
  async (t) => {
    const { pair, put, logFile } = folderOf(t);
    const log = { destination: logFile };
    const loaded = loadConfiguration(JSON.stringify({ ...(await fileFor(t, pair)), log }), {
      name: "test",
      environment: {},
      readFile: (path) => readFileSync(path, "utf8"),
      nowMs: Date.now(),
    });
    if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
    const gateway = await Gateway.start(loaded.configuration, "0.0.0");
    t.teardown(() => gateway.drain());
    const port = Number(gateway.listeners.in?.[0]?.split(":").at(-1));

    const first = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    const [session]: Buffer[] = await once(first, "session");
    first.destroy();
    const again = await Promise.all(Array.from({ length: MANY }, () => greeted(t, port, session)));
    t.same(new Set(again.map((client) => client.isSessionReused())), new Set([true]));
    for (const client of again) client.destroy();

    put(two);
    gateway.refresh();
    await onlyShows(t, port, two);
    for (let thread = 0; thread < 2; thread++) gateway.crew.kill(thread);
    await until("both deaths", () => readFileSync(logFile, "utf8").split('"thread-died"').length === 3);
    await onlyShows(t, port, two);
  },
);
