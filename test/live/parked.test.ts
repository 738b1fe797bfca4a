/** Clients that wait for a server in vain: what they hear, who else may wait, and what health checks are told of it. */
import t, { type Test } from "tap";
import type { Gateway } from "../servers/gateway.ts";
import { localHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { come, parked, startParking, unparked } from "./parking.ts";
import { greeting, startUpstream } from "./upstream.ts";

const words = {
  smtp: /^421 4\.3\.2 /,
  imap: /^\* BYE \[UNAVAILABLE\] /,
  tcp: /^$/,
} as const;

for (const protocol of ["smtp", "imap", "tcp"] as const) {
  t.test(`a parked ${protocol} client hears why when it was for nothing, and leaves at will`, async (t) => {
    const gateway = await startParking(
      t,
      `127.0.0.1:${await freePort()}`,
      { timeout: "3s", max: 2 },
      protocol,
    );
    const first = await come(t, gateway, 1);
    await metricIs(gateway, parked, 1);
    const second = await come(t, gateway, 2);
    await metricIs(gateway, parked, 2);
    const third = await come(t, gateway, 3);
    t.match(await third.rest(), words[protocol], "there is no place left");
    second.reset();
    await metricIs(gateway, parked, 1);
    const fourth = await come(t, gateway, 4);
    await metricIs(gateway, parked, 2);
    fourth.end();
    await metricIs(gateway, parked, 1);
    t.match(await first.rest(), words[protocol], "the time is over");
    const outcomes = ["served", "timeout", "overflow", "gone"].map((outcome) =>
      metric(gateway, unparked(outcome)),
    );
    t.same(await Promise.all(outcomes), [0, 1, 1, 2]);
    t.match(await gateway.session("mail", "203.0.113.1"), {
      outcome: "failed",
      reason: "upstream-unavailable",
      detail: "parked for too long",
      parkedMs: Number,
    });
    t.match(await gateway.session("mail", "203.0.113.4"), { outcome: "closed", reason: null });
  });
}

/** What a health check hears. */
async function check(t: Test, gateway: Gateway): Promise<string> {
  const end = await End.connect(t, { port: gateway.port("mail") }, localHeader);
  const line = await end.line();
  end.reset();
  return line;
}

t.test("health checks are told that servers are full when nobody is kept any more", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 hi\r\n") });
  const server = { address: `127.0.0.1:${upstream.port}`, maxConnections: 1 };
  const gateway = await startParking(t, server, { max: 1 });
  const first = await come(t, gateway, 1);
  t.equal(await first.line(), "220 hi\r\n");
  t.match(await check(t, gateway), /^220 /);
  await come(t, gateway, 2);
  await metricIs(gateway, parked, 1);
  t.match(await check(t, gateway), /^421 /);
  first.reset();
  await until("a place", async () => (await check(t, gateway)).startsWith("220 "));
});

t.test("health checks are told that clients are kept, until no more are", async (t) => {
  const gateway = await startParking(t, `127.0.0.1:${await freePort()}`, { max: 1 });
  t.match(await check(t, gateway), /^220 /);
  const only = await come(t, gateway, 1);
  await metricIs(gateway, parked, 1);
  t.match(await check(t, gateway), /^421 /, "there is no place left");
  only.reset();
  await until("a place", async () => (await check(t, gateway)).startsWith("220 "));
  const plain = await startParking(t, `127.0.0.1:${await freePort()}`, { healthchecks: "down" });
  await come(t, plain, 1);
  await metricIs(plain, parked, 1);
  t.match(await check(t, plain), /^421 /);
});
