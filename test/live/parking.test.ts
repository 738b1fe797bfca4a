/** Clients that no server can take yet are kept, and served in their order. */
import { createServer } from "node:net";
import t, { type Test } from "tap";
import type { Gateway } from "../servers/gateway.ts";
import { freePort } from "../servers/ports.ts";
import type { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { come, parked, startParking, unparked } from "./parking.ts";
import { greeting, startUpstream } from "./upstream.ts";

/** A server that greets each with the number of those before it, on a port that was deaf. */
function serve(t: Test, port: number): void {
  let count = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(`220 ${count++}\r\n`);
  });
  t.teardown(() => server.close());
  server.listen(port, "127.0.0.1");
}

/** So many come one after the other while nobody listens, and then somebody does; gives what each is greeted with. */
async function outwait(t: Test, gateway: Gateway, port: number) {
  const ends: End[] = [];
  for (let number = 0; number < 40; number++) {
    ends.push(await come(t, gateway, number + 1));
    await metricIs(gateway, parked, number + 1);
  }
  t.equal(ends.filter(({ unread }) => unread.length > 0).length, 0, "nobody hears anything");
  serve(t, port);
  const greetings: string[] = [];
  for (const end of ends) greetings.push(await end.line());
  return { ends, greetings };
}

const inOrder = Array.from({ length: 40 }, (_, number) => `220 ${number}\r\n`);

t.test("clients wait for a server that is down, each for its turn, over two threads", async (t) => {
  const port = await freePort();
  const gateway = await startParking(t, `127.0.0.1:${port}`, {});
  const { greetings } = await outwait(t, gateway, port);
  // Two turns that follow one another in two threads may come to the server the other way round.
  t.same(new Set(greetings), new Set(inOrder));
  await metricIs(gateway, parked, 0);
  t.equal(await metric(gateway, unparked("served")), 40);
});

t.test("clients wait for a server that is down, and are served in their order", async (t) => {
  const port = await freePort();
  const gateway = await startParking(t, `127.0.0.1:${port}`, {}, "smtp", { threads: 1 });
  const { ends, greetings } = await outwait(t, gateway, port);
  t.same(greetings, inOrder);
  await metricIs(gateway, parked, 0);
  t.equal(await metric(gateway, unparked("served")), 40);
  ends[0]!.reset();
  const { parkedMs = 0 } = await gateway.session("mail", "203.0.113.1");
  t.ok(parkedMs > 0);
  const late = await come(t, gateway, 99);
  t.equal(await late.line(), "220 40\r\n");
  late.reset();
  t.notHas(await gateway.session("mail", "203.0.113.99"), { parkedMs: Number });
});

t.test("clients wait for a full server, and each is served when another has gone", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 hi\r\n") });
  const gateway = await startParking(t, { address: `127.0.0.1:${upstream.port}`, maxConnections: 1 }, {});
  const ends: End[] = [];
  for (let number = 0; number < 6; number++) {
    ends.push(await come(t, gateway, number + 1));
    await metricIs(gateway, parked, number === 0 ? 0 : number);
  }
  for (const [number, end] of ends.entries()) {
    t.equal(await end.line(), "220 hi\r\n");
    t.equal(upstream.connections, number + 1, "one after the other");
    end.reset();
  }
  t.equal(await metric(gateway, unparked("served")), 5);
});
