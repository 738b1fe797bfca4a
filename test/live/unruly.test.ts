/**
 * Sessions that are followed, in the clear and in TLS, in which both sides do anything at any time: afterwards the gateway
 * has as many descriptors as before, no session and no lease, and it goes on.
 */
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { concurrency, metric, openFiles } from "./look.ts";
import { exchange, pair } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(120_000);

const listeners = ["off", "starttls", "implicit"] as const;
const visits = 300;
/** Many of them end by silence, which takes the gateway a second. */
const atOnce = 30;

const startTls = "STARTTLS\r\n";
const clientSays = fc.constantFrom(
  "EHLO a\r\n",
  "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\n",
  "DATA\r\n",
  "text\r\n.\r\n",
  "text\n.\r\n",
  "BDAT 4 LAST\r\ntext",
  "AUTH LOGIN\r\n",
  "Ym9i\r\n",
  startTls,
  "XCLIENT ADDR=127.0.0.1\r\n",
  "QUIT\r\n",
  "NOO",
  "\0\r\n",
);
const serverSays = fc.constantFrom(
  "220 hi\r\n",
  "250 ok\r\n",
  "250 ok\r\n",
  "250-a\r\n",
  "250-a\r\n250 CHUNKING\r\n",
  "354 go\r\n",
  "334 \r\n",
  "235 in\r\n",
  "421 bye\r\n",
  "550-no\r\n550 no\r\n",
  "25",
  "\r\n",
);

/** Over `node:net` a client that is gone as its handshake ends is noticed by the deadline alone, of 30 s. */
const patienceMs = 40_000;

/** What a side says, turn by turn, and what it does then: `tls` begins TLS, wherever that may be. */
interface Part {
  readonly says: readonly string[];
  readonly leaves: "end" | "reset" | "close" | "tls" | "nothing";
}

const parts = (word: fc.Arbitrary<string>): fc.Arbitrary<Part> =>
  fc.record({
    says: fc.array(word, { maxLength: 8 }),
    leaves: fc.constantFrom("end", "reset", "close", "tls", "nothing"),
  });

async function play(end: End, { says, leaves }: Part): Promise<void> {
  for (const text of says) {
    end.send(text);
    for (let turns = 0; turns < 3; turns++) await turn();
  }
  if (leaves === "tls") await Promise.race([end.secure().catch(() => {}), end.ending()]);
  else if (leaves !== "nothing") end[leaves]();
  // A handshake has more patience than a test.
  else if (says.includes(startTls)) end.end();
}

t.test("sessions in which anything happens leave nothing behind", async (t) => {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const serverParts = fc.sample(parts(serverSays), { numRuns: visits, seed: 3 });
  const clientParts = fc.sample(parts(clientSays), { numRuns: visits, seed: 5 });
  const seen: End[] = [];
  let isOver = false;
  const upstream = await startUpstream(t, {
    script: (end) => {
      const part = serverParts[seen.length];
      if (isOver || part === undefined) return;
      seen.push(end);
      void play(end, { ...part, says: ["220 hi\r\n", ...part.says] });
    },
  });
  const smtp = { ...behindProxy("smtp", "servers"), idleTimeout: "1s" };
  const gateway = await startGateway(t, {
    listeners: Object.fromEntries(listeners.map((tls) => [tls, { ...smtp, tls }])),
    pools: { servers: poolOf(upstream.port, "none") },
    limits: { default: { connectionCount: 0 } },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
  });
  const before = openFiles(gateway.pid).length;
  const visit = async (index: number) => {
    const listener = listeners[index % listeners.length]!;
    const end = await End.connect(t, { port: gateway.port(listener) }, proxyHeader("203.0.113.7"));
    if (listener === "implicit") await end.secure().catch(() => {});
    await play(end, clientParts[index]!);
    await end.ending();
    end.close();
  };
  let next = 0;
  const worker = async () => {
    while (next < visits) await visit(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  for (const _ of seen) await (await upstream.next()).ending();
  isOver = true;
  t.ok(seen.length > visits / 2, `${seen.length} servers have seen their end`);
  await until("all leases", async () => (await concurrency(gateway)) === 0);
  for (const listener of listeners) {
    const active = `postern_sessions_active{listener="${listener}"}`;
    await until(active, async () => (await metric(gateway, active)) === 0, patienceMs);
  }
  await until("the descriptors", () => openFiles(gateway.pid).length <= before);
  t.same(
    gateway.lines().filter(({ event }) => event === "thread-died"),
    [],
  );
  for (const listener of listeners) {
    const sane = await pair(t, gateway, upstream, { listener, tls: listener === "implicit" });
    await exchange(sane, "NOOP");
  }
});
