/** Clients that wait for a server while the gateway drains: one that returns serves them, and the drain's end is theirs too. */
import t from "tap";
import { freePort } from "../servers/ports.ts";
import { metricIs } from "./look.ts";
import { hello } from "./pair.ts";
import { come, parked, startParking } from "./parking.ts";
import { polite } from "./upgrading.ts";
import { startUpstream } from "./upstream.ts";

t.test("the parked wait on while the gateway drains, and are served when a server returns", async (t) => {
  const port = await freePort();
  const gateway = await startParking(t, `127.0.0.1:${port}`, {}, "smtp", { drain: "10m" });
  const ends = await Promise.all([1, 2, 3].map((number) => come(t, gateway, number)));
  await metricIs(gateway, parked, 3);
  const stopped = gateway.stop("SIGTERM");
  await gateway.waitForLine("draining", ({ event }) => event === "draining");
  await startUpstream(t, { port, script: polite });
  for (const end of ends) t.equal(await end.line(), hello);
  for (const end of ends) {
    end.send("QUIT\r\n");
    await end.rest();
    end.end();
  }
  t.equal(await stopped, 0);
});

t.test("the parked are told when the drain is over", async (t) => {
  const gateway = await startParking(t, `127.0.0.1:${await freePort()}`, {}, "smtp", { drain: "1s" });
  const ends = await Promise.all([1, 2, 3].map((number) => come(t, gateway, number)));
  await metricIs(gateway, parked, 3);
  const stopped = gateway.stop("SIGTERM");
  for (const end of ends) t.match(await end.rest(), /^421 4\.3\.2 /);
  for (const end of ends) end.end();
  t.equal(await stopped, 0);
  const lines = gateway.lines().filter(({ event }) => event === "session");
  t.equal(lines.length, 3);
  for (const line of lines) t.match(line, { outcome: "failed", detail: "draining" });
});
