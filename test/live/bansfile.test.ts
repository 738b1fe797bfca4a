/** The list on disk: what a gateway leaves there, what the next one makes of it without LAPI, and what it does not believe. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { startBook } from "../servers/book.ts";
import { proxyHeader } from "../servers/header.ts";
import { silent } from "../servers/lapi.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { come, events, eventsAre, fares, hello, startBanning } from "./banned.ts";
import { End } from "./end.ts";
import { metric, readiness } from "./look.ts";

const client = "203.0.113.7";

t.test("SIGTERM ends a gateway promptly, whatever LAPI does, and its list is left in the file", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "bans");
  const { lapi, book } = await startBook(t);
  const first = await startBanning(t, lapi, { cache });
  await eventsAre(first, "decisions-loaded", 1);
  // The file was written with the first list; it is only written again after a while, or at the end.
  book.ban(client);
  book.ban("198.51.100.7", { duration: "1s" });
  book.ban("2001:db8:bad::/48", { origin: "lists", scenario: "a list" });
  await book.settled();
  const before = lapi.asked.length;
  lapi.answer = silent;
  await until("a question without an answer", () => lapi.asked.length > before);
  // A question may be under way for a minute. `stop` is not as patient: it would end the gateway by force.
  t.equal(await first.stop("SIGTERM"), 0);
  t.equal(statSync(cache).mode & 0o777, 0o600);
  await lapi.stop();

  const closed = { cache, onFailure: "closed", requireList: true };
  const second = await startBanning(t, lapi, closed);
  await eventsAre(second, "lapi-failed", 1);
  t.equal(await readiness(second), "200 ready", "the old list will do");
  t.equal(await fares(t, second, client), "refused");
  t.equal(await fares(t, second, "203.0.113.8"), "served");
  t.equal(await fares(t, second, "198.51.100.7"), "served", "its time is over");
  t.equal(await fares(t, second, "2001:db8:bad::9"), "refused");
  t.match(await second.session("smtp", "2001:db8:bad::9"), { decision: { id: 3, origin: "lists:a list" } });
  t.equal(await metric(second, 'postern_bans{origin="lists:a list"}'), 1);
  const { book: later } = await startBook(t, lapi.port);
  later.ban("203.0.113.8");
  later.ban("203.0.113.9");
  await eventsAre(second, "decisions-loaded", 1);
  await later.settled();
  t.equal(await fares(t, second, client), "served", "LAPI's list takes the old one's place");
  t.equal(await fares(t, second, "203.0.113.8"), "refused");
});

t.test("a gateway that never had a list leaves none that the next one could take for one", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "bans");
  const { lapi } = await startBook(t);
  await lapi.stop();
  const closed = { cache, onFailure: "closed", requireList: true };
  const first = await startBanning(t, lapi, closed);
  await eventsAre(first, "lapi-failed", 1);
  t.equal(await first.stop(), 0);
  t.equal(existsSync(cache), false);
  const second = await startBanning(t, lapi, closed);
  await eventsAre(second, "lapi-failed", 1);
  t.match(await readiness(second), /^503 /);
  t.match(await (await come(t, second, client)).rest(), /^421 /);
});

t.test("a file that is damaged is refused with a line, and is not believed", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "bans");
  const { lapi, book } = await startBook(t);
  book.ban(client);
  const first = await startBanning(t, lapi, { cache });
  await eventsAre(first, "decisions-loaded", 1);
  await first.stop();
  await lapi.stop();
  const whole = readFileSync(cache);
  const damages: Readonly<Record<string, Buffer>> = {
    "a bit is another": Buffer.from(whole.map((byte, at) => (at === whole.length >> 1 ? byte ^ 1 : byte))),
    "its end is missing": whole.subarray(0, -8),
    "it is empty": Buffer.alloc(0),
    "it is something else": Buffer.alloc(whole.length, "postern "),
  };
  for (const [what, bytes] of Object.entries(damages)) {
    writeFileSync(cache, bytes);
    const gateway = await startBanning(t, lapi, { cache });
    await eventsAre(gateway, "lapi-failed", 1);
    t.match(events(gateway, "ban-cache-refused"), [{ level: "warn", path: cache, reason: /^its? / }], what);
    t.equal(await fares(t, gateway, client), "served", what);
    await gateway.stop();
    t.same(readFileSync(cache), bytes, "it is left for somebody to look at");
  }
});

t.test("a file that cannot be written is told of once, and nothing else comes of it", async (t) => {
  const cache = join(makeDirectory(t, "cache"), "missing", "bans");
  const { lapi, book } = await startBook(t);
  book.ban(client);
  const gateway = await startBanning(t, lapi, { cache });
  const told = await eventsAre(gateway, "ban-cache-failed", 1);
  t.match(told, [{ level: "warn", path: cache, reason: "ENOENT" }]);
  t.equal(await fares(t, gateway, client), "refused");
  const open = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.8"));
  t.equal(await open.line(), hello);
  open.reset();
  t.equal(await gateway.stop(), 0);
  t.equal(events(gateway, "ban-cache-failed").length, 1);
});
