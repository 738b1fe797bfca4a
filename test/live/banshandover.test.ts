/** Bans where one configuration, or one process, follows another: what was known goes on to hold, and nothing gets lost between. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { startBook } from "../servers/book.ts";
import { type Gateway, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { type FakeLapi, json, silent } from "../servers/lapi.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { come, crowdsecAt, denied, events, eventsAre, firstLine, startBanning } from "./banned.ts";
import { End } from "./end.ts";
import { metric } from "./look.ts";
import { hello } from "./pair.ts";
import { reload } from "./reloading.ts";
import { makeFile } from "./upgrading.ts";

const client = "203.0.113.7";

const isStream = ({ path }: { readonly path: string }) => path.startsWith("/v1/decisions/stream?");
const isFull = ({ path }: { readonly path: string }) => path.includes("startup=true");

/** How a client fares that comes to the gateway with this port now. */
async function hears(t: Test, port: number, source: string): Promise<string> {
  const end = await End.connect(t, { port }, proxyHeader(source));
  const line = await end.line();
  end.close();
  return line;
}

/** What it runs with, to be changed and written again. */
function fileOf({ path }: Gateway) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The lines' places in the log, in the order of the names. */
function placesOf(gateway: Gateway, ...names: string[]): number[] {
  const all = gateway.lines().map(({ event }) => event);
  return names.map((name) => all.indexOf(name));
}

t.test(
  "a gateway that takes another's place misses no ban and no unban, though LAPI knows both by one key",
  async (t) => {
    const { lapi, book } = await startBook(t);
    const lifted = book.ban("203.0.113.99");
    const { file, ports } = await makeFile(t, { crowdsec: crowdsecAt(lapi.url) });
    const old = await startGateway(t, file);
    await eventsAre(old, "decisions-loaded", 1);
    // Its session keeps the old one there for as long as the test lasts.
    const stays = await End.connect(t, { port: ports.long }, proxyHeader("203.0.113.8"));
    t.equal(await stays.line(), hello);
    const next = await startGateway(t, file);
    const [loaded = 0, ready = 0] = placesOf(next, "decisions-loaded", "ready");
    t.ok(loaded >= 0 && loaded < ready, "it had a list before the first client came");
    const fullOnes = () => lapi.asked.filter(isStream).filter(isFull).length;
    await until("another full answer, behind the old one's last question", () => fullOnes() >= 3);
    book.lift(lifted);
    for (let round = 0; round < 6; round++) {
      const banned = `203.0.113.${10 + round}`;
      book.ban(banned);
      await until(
        `the ban of ${banned}`,
        async () => (await hears(t, ports.smtp, banned)) === denied(banned),
      );
    }
    t.equal(await hears(t, ports.smtp, "203.0.113.99"), hello);
    t.equal(events(old, "drained").length, 0);
    stays.reset();
    t.equal(await old.ended, 0);
  },
);

t.test("a gateway with a list on disk accepts nobody before it has read it", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "bans");
  const { lapi, book } = await startBook(t);
  for (let index = 0; index < 20_000; index++) book.ban(`198.18.${index >> 8}.${index & 255}`);
  book.ban(client);
  const first = await startBanning(t, lapi, { cache });
  await eventsAre(first, "decisions-loaded", 1);
  await first.stop();
  await lapi.stop();
  for (const onFailure of ["open", "closed"]) {
    const gateway = await startBanning(t, lapi, { cache, onFailure });
    const [restored = 0, ready = 0] = placesOf(gateway, "decisions-restored", "ready");
    t.ok(restored >= 0 && restored < ready, onFailure);
    t.equal(await firstLine(t, gateway, client), denied(client));
    t.equal(await firstLine(t, gateway, "203.0.113.8"), hello);
  }
});

t.test("a gateway starts all the same when LAPI says nothing", async (t) => {
  const { lapi } = await startBook(t);
  lapi.answer = silent;
  const gateway = await startBanning(t, lapi);
  t.equal(await firstLine(t, gateway, client), hello);
});

t.test("a list that was made with other settings is not taken up", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "bans");
  const { lapi, book } = await startBook(t);
  book.ban(client, { type: "captcha" });
  const first = await startBanning(t, lapi, { cache, otherTypes: "ban" });
  await eventsAre(first, "decisions-loaded", 1);
  t.equal(await firstLine(t, first, client), denied(client));
  await first.stop();
  await lapi.stop();
  const second = await startBanning(t, lapi, { cache });
  t.match(events(second, "ban-cache-refused"), [{ path: cache, reason: /^it was made with other / }]);
  t.equal(await firstLine(t, second, client), hello);
});

t.test("a network that a reload protects is protected in sessions that are open already", async (t) => {
  const { lapi, book } = await startBook(t);
  const gateway = await startBanning(t, lapi);
  const file = fileOf(gateway);
  const [saved, other] = [await come(t, gateway, client), await come(t, gateway, "198.51.100.7")];
  t.same([await saved.line(), await other.line()], [hello, hello]);
  gateway.write({ ...file, crowdsec: { ...file.crowdsec, neverBan: ["203.0.113.0/24"] } });
  t.equal((await reload(gateway)).status, 200);
  book.ban(client);
  book.ban("198.51.100.7");
  t.match(await other.rest(), /^421 /);
  t.equal(events(gateway, "decision-overruled").length, 1);
  t.equal(saved.unread, "");
  t.equal(await firstLine(t, gateway, client), hello);
});

t.test("the age of the list is known across a reload while LAPI is away", async (t) => {
  const { lapi } = await startBook(t);
  const gateway = await startBanning(t, lapi);
  await eventsAre(gateway, "decisions-loaded", 1);
  await lapi.stop();
  const file = fileOf(gateway);
  gateway.write({ ...file, crowdsec: { ...file.crowdsec, neverBan: ["203.0.113.0/24"] } });
  t.equal((await reload(gateway)).status, 200);
  await eventsAre(gateway, "lapi-failed", 1);
  t.ok(Number.isFinite(await metric(gateway, "postern_bans_age_seconds")));
});

t.test("usage is told once and whole, whoever tells it: across a reload, and at the end", async (t) => {
  const { lapi, book } = await startBook(t);
  const processed: number[] = [];
  const pushes = (server: FakeLapi) => server.asked.filter(({ path }) => path === "/v1/usage-metrics").length;
  book.other = (response, asked) => {
    for (const { name, value } of JSON.parse(asked.body).remediation_components[0].metrics[0].items)
      if (name === "processed") processed.push(value);
    json({}, 201)(response, asked);
  };
  const sum = () => processed.reduce((all, value) => all + value, 0);
  const gateway = await startBanning(t, lapi, { usageMetricsInterval: "1h" });
  await eventsAre(gateway, "decisions-loaded", 1);
  for (let time = 0; time < 3; time++) await firstLine(t, gateway, client);
  const file = fileOf(gateway);
  gateway.write({ ...file, crowdsec: { ...file.crowdsec, neverBan: ["203.0.113.0/24"] } });
  t.equal((await reload(gateway)).status, 200);
  await until("the first ones", () => sum() === 3);
  for (let time = 0; time < 2; time++) await firstLine(t, gateway, client);
  t.equal(await gateway.stop(), 0);
  t.same([sum(), pushes(lapi)], [5, 2]);
});
