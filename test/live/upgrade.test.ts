/**
 * One gateway takes another's place while clients come and go: none of them is refused or reset, and those that were there
 * before go on with the old one to their ends.
 */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { End } from "./end.ts";
import { readiness } from "./look.ts";
import { exchange, hello, ok, type Pair } from "./pair.ts";
import { startStream } from "./stream.ts";
import { greeting, startUpstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");

/** Greets, and says goodbye to whoever says QUIT. */
function polite(end: End): void {
  greeting(hello)(end);
  void end.line().then(
    () => {
      end.send("221 bye\r\n");
      end.end();
    },
    () => {},
  );
}

/** A file with fixed ports for two listeners and the admin address. */
async function makeFile(t: Test, more: object = {}) {
  const quick = await startUpstream(t, { script: polite });
  const slow = await startUpstream(t, { script: greeting(hello) });
  const [smtp, long, admin] = [await freePort(), await freePort(), await freePort()];
  const file = {
    drain: "60s",
    listeners: {
      smtp: { ...behindProxy("smtp", "quick"), listen: `127.0.0.1:${smtp}` },
      long: { ...behindProxy("smtp", "slow"), listen: `127.0.0.1:${long}` },
    },
    pools: { quick: poolOf(quick.port, "none"), slow: poolOf(slow.port, "none") },
    limits: { default: { connectionCount: 0 } },
    admin: { listen: `127.0.0.1:${admin}` },
    ...more,
  };
  return { file, slow, ports: { smtp, long, admin } };
}

const events = (gateway: Gateway, name: string) => gateway.lines().filter(({ event }) => event === name);

t.test("serve takes the place of a running gateway ten times, and no client notices", async (t) => {
  const { file, slow, ports } = await makeFile(t);
  const stay = async (source: string): Promise<Pair> => {
    const client = await End.connect(t, { port: ports.long }, proxyHeader(source));
    t.equal(await client.line(), hello);
    return { client, server: await slow.next() };
  };
  let gateway = await startGateway(t, file);
  const stream = startStream(t, ports.smtp, header);
  const idle = await stay("203.0.113.8");
  for (let round = 1; round <= 10; round++) {
    const sending = await stay("203.0.113.9");
    for (const line of ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.test>"])
      await exchange(sending, line);
    await exchange(sending, "DATA", "354 go\r\n");
    sending.client.send("Subject: half of it\r\n");
    const old = gateway;
    gateway = await startGateway(t, file);
    t.match(events(gateway, "took-over"), [{ pid: old.pid, sockets: 4 }], `round ${round}`);
    t.equal(events(gateway, "ready").length, 1);
    t.equal(await readiness(gateway), "200 ready");
    // The message that was under way ends where it began.
    sending.client.send("\r\n.\r\n");
    await sending.server.through(".\r\n");
    sending.server.send(ok);
    t.equal(await sending.client.line(), ok);
    sending.client.end();
    sending.server.end();
    if (round > 1) t.equal(await old.ended, 0);
    if (round === 1) t.equal(await exchange(idle, "NOOP"), ok);
  }
  await stream.stop();
  t.strictSame(stream.failures, []);
  t.equal(stream.served, stream.begun);
  t.comment(`${stream.begun} sessions`);
  // Nine take-overs later the first one still has its client.
  t.equal(await exchange(idle, "NOOP"), ok);
});
