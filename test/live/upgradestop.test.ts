/** Signals to a gateway whose place was taken: whoever stops it knows nothing of its drain. */
import t from "tap";
import { startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { exchange, hello, ok } from "./pair.ts";
import { events, makeFile } from "./upgrading.ts";

const header = proxyHeader("203.0.113.7");

t.test("a signal to the gateway whose place was taken cuts no session, a second one does", async (t) => {
  const { file, slow, ports } = await makeFile(t);
  const old = await startGateway(t, file);
  const client = await End.connect(t, { port: ports.long }, header);
  t.equal(await client.line(), hello);
  const idle = { client, server: await slow.next() };
  await startGateway(t, file);
  process.kill(old.pid, "SIGTERM");
  // It says nothing to that, but to these. The second was sent when the first one was answered, and so comes last.
  for (const asked of [1, 2]) {
    process.kill(old.pid, "SIGHUP");
    await until("an answer", () => events(old, "reload-failed").length === asked);
  }
  t.equal(await exchange(idle, "NOOP"), ok);
  process.kill(old.pid, "SIGTERM");
  t.equal(await old.ended, 0);
  await idle.client.rest();
});
