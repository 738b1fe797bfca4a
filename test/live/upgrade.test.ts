/**
 * One gateway takes another's place while clients come and go: none of them is refused or reset, and those that were there
 * before go on with the old one to their ends.
 */
import t from "tap";
import { startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { readiness } from "./look.ts";
import { exchange, hello, ok, type Pair } from "./pair.ts";
import { startStream } from "./stream.ts";
import { events, makeFile } from "./upgrading.ts";

const header = proxyHeader("203.0.113.7");

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
