/** What LAPI decides, update by update, and what becomes of the clients: banned, unbanned, banned anew, or never heard of. */
import t from "tap";
import { startBook } from "../servers/book.ts";
import { until } from "../servers/process.ts";
import { come, events, eventsAre, fares, startBanning } from "./banned.ts";
import { metric, metricIs } from "./look.ts";

t.test(
  "a client that is unbanned is served again, and so is one that is banned and unbanned at once",
  async (t) => {
    const { lapi, book } = await startBook(t);
    const address = book.ban("203.0.113.7");
    const network = book.ban("198.51.100.0/24", { origin: "crowdsec", scenario: "postern/auth-bf" });
    const gateway = await startBanning(t, lapi);
    await eventsAre(gateway, "decisions-loaded", 1);
    t.equal(await fares(t, gateway, "203.0.113.7"), "refused");
    t.equal(await fares(t, gateway, "198.51.100.9"), "refused");
    t.match(await gateway.session("smtp", "198.51.100.9"), {
      decision: { id: network.id, origin: "crowdsec", scenario: "postern/auth-bf" },
    });

    // Within one poll, both of them, in either direction.
    const again = book.ban("203.0.113.8");
    book.lift(address, network, again);
    await book.settled();
    for (const source of ["203.0.113.7", "203.0.113.8", "198.51.100.9"])
      t.equal(await fares(t, gateway, source), "served", source);

    const second = book.ban("203.0.113.7");
    await book.settled();
    t.equal(await fares(t, gateway, "203.0.113.7"), "refused");
    book.lift(second);
    const third = book.ban("203.0.113.7");
    await book.settled();
    t.equal(await fares(t, gateway, "203.0.113.7"), "refused", "unbanned and banned anew within one poll");
    book.lift(third);
    await book.settled();
    t.equal(await fares(t, gateway, "203.0.113.7"), "served");
    t.equal(events(gateway, "decisions-loaded").length, 1, "by changes alone");
    await metricIs(gateway, 'postern_bans{origin="cscli"}', 0);
  },
);

t.test("a client is banned for as long as any decision holds", async (t) => {
  const { lapi, book } = await startBook(t);
  const narrow = book.ban("203.0.113.7");
  const alike = book.ban("203.0.113.7/32", { origin: "CAPI" });
  const wide = book.ban("203.0.113.0/24", { origin: "lists", scenario: "a list" });
  const gateway = await startBanning(t, lapi);
  await eventsAre(gateway, "decisions-loaded", 1);
  t.equal(await metric(gateway, 'postern_bans{origin="lists:a list"}'), 1);
  for (const decision of [alike, narrow]) {
    book.lift(decision);
    await book.settled();
    t.equal(await fares(t, gateway, "203.0.113.7"), "refused");
  }
  book.lift(wide);
  await book.settled();
  t.equal(await fares(t, gateway, "203.0.113.7"), "served");
});

t.test("a ban ends by itself when its time is over, though nobody says so", async (t) => {
  const { lapi, book } = await startBook(t);
  book.ban("203.0.113.7", { duration: "4.9s" });
  book.ban("203.0.113.8");
  const gateway = await startBanning(t, lapi);
  const loaded = await eventsAre(gateway, "decisions-loaded", 1);
  t.match(loaded, [{ decisions: 2 }], "it did hold");
  await until("the ban's end", async () => (await fares(t, gateway, "203.0.113.7")) === "served");
  await metricIs(gateway, 'postern_bans{origin="cscli"}', 1);
  t.equal(await fares(t, gateway, "203.0.113.8"), "refused");
  t.equal(events(gateway, "decisions-loaded").length, 1);
});

t.test("decisions of other types are what the configuration makes of them", async (t) => {
  const fate = { ignore: "served", ban: "refused", tarpit: "held" } as const;
  for (const [otherTypes, expected] of Object.entries(fate)) {
    const { lapi, book } = await startBook(t);
    book.ban("203.0.113.7", { type: "captcha" });
    book.ban("203.0.113.8");
    const gateway = await startBanning(t, lapi, { otherTypes });
    await eventsAre(gateway, "decisions-loaded", 1);
    t.equal(await fares(t, gateway, "203.0.113.8"), "refused");
    if (expected !== "held") t.equal(await fares(t, gateway, "203.0.113.7"), expected);
    else {
      const client = await come(t, gateway, "203.0.113.7");
      await book.settled();
      t.equal(client.unread, "");
      t.equal(await metric(gateway, 'postern_sessions_active{listener="smtp"}'), 1);
      client.end();
      t.equal(await client.rest(), "");
      t.match(await gateway.session("smtp", "203.0.113.7"), {
        reason: "banned",
        decision: { type: "captcha" },
      });
    }
    const ignored = await metric(gateway, 'postern_decisions_ignored_total{kind="other-type"}');
    t.equal(ignored, expected === "served" ? 1 : 0);
    t.same(events(gateway, "decision-ignored"), [], "as it was asked for");
    await gateway.stop();
  }
});

t.test("what is no decision is left out with one line a kind, and the others are obeyed", async (t) => {
  const { lapi, book } = await startBook(t);
  const scoped = (scope: string) => ({ scope });
  for (const value of ["300.1.2.3", "", "203.0.113", "0x7f.1", "203.0.113.7 "]) book.ban(value);
  for (const value of ["::/129", "203.0.113.0/33", "203.0.113.0/", "/24"]) book.ban(value);
  for (const value of ["64496", "64497"]) book.ban(value, scoped("AS"));
  book.ban("XX", scoped("Country"));
  book.ban("alice", scoped("Username"));
  // To LAPI an address is no network.
  book.ban("203.0.113.0/24", scoped("Ip"));
  book.ban("203.0.113.9", { duration: "soon" });
  book.ban("203.0.113.9", { duration: "-5m" });
  book.ban("203.0.113.9", { origin: "" });
  book.ban("203.0.113.8");
  book.ban("2001:db8:bad::1/48");
  const gateway = await startBanning(t, lapi);
  await eventsAre(gateway, "decisions-loaded", 1);
  t.equal(await fares(t, gateway, "203.0.113.8"), "refused");
  t.equal(await fares(t, gateway, "2001:db8:bad:9::9"), "refused", "host bits are nobody's");
  for (const source of ["203.0.113.7", "203.0.113.9", "8.8.8.8"])
    t.equal(await fares(t, gateway, source), "served", source);
  const kinds = {
    value: 10,
    "scope-as": 2,
    "scope-country": 1,
    "scope-other": 1,
    duration: 1,
    expired: 1,
    malformed: 1,
  };
  for (const [kind, count] of Object.entries(kinds))
    t.equal(await metric(gateway, `postern_decisions_ignored_total{kind="${kind}"}`), count, kind);
  const told = events(gateway, "decision-ignored").map(({ kind }) => String(kind));
  t.same(
    told.sort(),
    Object.keys(kinds)
      .filter((kind) => kind !== "expired")
      .sort(),
  );
  t.match(
    events(gateway, "decision-ignored").find(({ kind }) => kind === "scope-as"),
    {
      level: "warn",
      example: "64496",
      count: 2,
    },
  );
  book.ban("64498", scoped("AS"));
  await metricIs(gateway, 'postern_decisions_ignored_total{kind="scope-as"}', 3);
  t.equal(events(gateway, "decision-ignored").length, told.length, "told of once");
  t.equal(await metric(gateway, 'postern_bans{origin="cscli"}'), 2);
});
