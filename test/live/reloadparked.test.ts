/** Another configuration while clients wait for a server: they keep their places and their order, and meet what is new. */
import { createServer } from "node:net";
import t, { type Test } from "tap";
import { behindProxy, startGateway } from "../servers/gateway.ts";
import { freePort } from "../servers/ports.ts";
import type { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { come, parked, unparked } from "./parking.ts";
import { hangUp, reload } from "./reloading.ts";

t.setTimeout(90_000);

const MAX = 6;

/** A pool of a server at this port. In one thread turns come to the server in their order. */
function fileOf(port: number, own: object = {}) {
  return {
    threads: 1,
    listeners: { mail: behindProxy("smtp", "servers") },
    limits: { default: { connectionCount: 0 } },
    pools: {
      servers: {
        servers: [`127.0.0.1:${port}`],
        identity: "none",
        park: { timeout: "60s", max: MAX },
        ...own,
      },
    },
  };
}

/** Greets each with the number of those before it. */
function serve(t: Test, port: number): void {
  let count = 0;
  const server = createServer((socket) => void socket.on("error", () => {}).write(`220 ${count++}\r\n`));
  t.teardown(() => server.close());
  server.listen(port, "127.0.0.1");
}

async function start(t: Test, port: number) {
  const gateway = await startGateway(t, fileOf(port));
  const ends: End[] = [];
  /** So many more come, each when the one before it waits. */
  const more = async (count: number) => {
    const before = ends.length;
    while (ends.length < before + count) {
      ends.push(await come(t, gateway, ends.length + 1));
      await metricIs(gateway, parked, ends.length);
    }
  };
  /** All of them are served, in the order in which they came. */
  const served = async () => {
    const greetings: string[] = [];
    for (const end of ends) greetings.push(await end.line());
    t.same(
      greetings,
      ends.map((_, number) => `220 ${number}\r\n`),
    );
    await metricIs(gateway, parked, 0);
    t.equal(await metric(gateway, unparked("served")), ends.length);
  };
  return { gateway, ends, more, served };
}

t.test("those who wait keep their places and their order when nothing is another", async (t) => {
  const port = await freePort();
  const { gateway, ends, more, served } = await start(t, port);
  await more(2);
  t.match(await hangUp(gateway), { event: "reload-done" });
  t.equal(await metric(gateway, parked), 2);
  await more(2);
  t.match(await reload(gateway), { status: 200 });
  await more(2);
  const late = await come(t, gateway, 99);
  t.match(await late.rest(), /^421 /, "there is no place left");
  t.equal(ends.filter(({ unread }) => unread.length > 0).length, 0);
  serve(t, port);
  await served();
});

t.test("those who wait are served at the address that a reload has corrected", async (t) => {
  const [wrong, right] = [await freePort(), await freePort()];
  const { gateway, more, served } = await start(t, wrong);
  await more(4);
  gateway.write(fileOf(right));
  t.match(await reload(gateway), { status: 200 });
  serve(t, right);
  await served();
});

t.test("those who wait are told so when a reload has ended the waiting", async (t) => {
  const port = await freePort();
  const { gateway, ends, more } = await start(t, port);
  await more(2);
  gateway.write(fileOf(port, { park: { max: 0 } }));
  t.match(await reload(gateway), { status: 200 });
  for (const end of ends) t.match(await end.rest(), /^421 /, "as soon as it has been tried once more");
  t.equal(await metric(gateway, unparked("gone")), 2);
  gateway.write(fileOf(port));
  t.match(await reload(gateway), { status: 200 });
  await come(t, gateway, 9);
  await metricIs(gateway, parked, 1);
});
