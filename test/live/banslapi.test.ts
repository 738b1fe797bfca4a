/** A LAPI that is away, wrong or broken: who is let in without a list, and that the last good one stays. */
import t from "tap";
import { Book, startBook } from "../servers/book.ts";
import { localHeader } from "../servers/header.ts";
import { type Answer, changes, forbidden, garbage, hungUp, json, text, truncated } from "../servers/lapi.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { come, events, eventsAre, fares, hello, imapHello, startBanning } from "./banned.ts";
import { End } from "./end.ts";
import { metric, metricIs, readiness } from "./look.ts";

const client = "203.0.113.7";
const unreachable = 'postern_lapi_errors_total{kind="unreachable"}';
const away = "421 4.3.2 gateway.example.test Service not available, try again later\r\n";

t.test(
  "without LAPI at the start everybody is served, unless the configuration says otherwise",
  async (t) => {
    const port = await freePort();
    const gateway = await startBanning(t, { url: `http://127.0.0.1:${port}` });
    t.equal(await fares(t, gateway, client), "served");
    t.equal(await readiness(gateway), "200 ready");
    const age = await metric(gateway, "postern_bans_age_seconds");
    t.ok(Number.isNaN(age), "+Inf, which is no number to this reader");
    await until("a second try", async () => (await metric(gateway, unreachable)) >= 2);
    t.match(events(gateway, "lapi-failed"), [{ level: "warn", kind: "unreachable", detail: "ECONNREFUSED" }]);
    const { book } = await startBook(t, port);
    book.ban(client);
    await eventsAre(gateway, "lapi-recovered", 1);
    await eventsAre(gateway, "decisions-loaded", 1);
    t.equal(events(gateway, "lapi-failed").length, 1, "one line, however long");
    await book.settled();
    t.equal(await fares(t, gateway, client), "refused");
  },
);

t.test("without LAPI nobody is let in where that is asked for, until there is a list", async (t) => {
  const port = await freePort();
  const closed = { onFailure: "closed", requireList: true };
  const gateway = await startBanning(t, { url: `http://127.0.0.1:${port}` }, closed);
  t.match(await readiness(gateway), /^503 there is no ban list/);
  const words = {
    smtp: away,
    imap: "* BYE [UNAVAILABLE] Service not available, try again later\r\n",
    tcp: "",
  };
  for (const [listener, expected] of Object.entries(words)) {
    const end = await come(t, gateway, client, listener);
    t.equal(await end.rest(), expected, listener);
    end.end();
    t.match(await gateway.session(listener, client), { outcome: "refused", reason: "ban-list-missing" });
    await metricIs(gateway, `postern_refused_total{listener="${listener}",reason="ban-list-missing"}`, 1);
  }
  const check = await End.connect(t, { port: gateway.port("smtp") }, localHeader);
  t.match(await check.line(), /^220 /, "a load balancer's check is answered");
  check.reset();
  t.same(
    gateway.lines().filter(({ event }) => event?.startsWith("sec.")),
    [],
  );
  // One that bans nobody is a list as well.
  await startBook(t, port, new Book());
  await eventsAre(gateway, "decisions-loaded", 1);
  t.equal(await readiness(gateway), "200 ready");
  for (const [listener, greeting] of [
    ["smtp", hello],
    ["imap", imapHello],
    ["tcp", hello],
  ] as const)
    t.equal(await (await come(t, gateway, client, listener)).line(), greeting);
});

t.test(
  "a LAPI that will not have us, or that nobody understands, leaves the last list as it is",
  async (t) => {
    const { lapi, book } = await startBook(t);
    book.ban(client);
    const gateway = await startBanning(t, lapi);
    await eventsAre(gateway, "decisions-loaded", 1);
    const none = changes([]);
    const faults: Readonly<Record<string, readonly [kind: string, Answer]>> = {
      "a wrong key": ["forbidden", forbidden],
      "no HTTP": ["malformed", garbage],
      "a status": ["status", json({ message: "database is locked" }, 500)],
      "a page of a proxy's": ["status", text("<html>bad gateway</html>", 502)],
      "a page that is well": ["malformed", text("<html>hello</html>")],
      "another JSON": ["malformed", json([1, 2, 3])],
      "half an answer": ["truncated", truncated(none, none.length - 2)],
      "an answer that ends early, neatly": ["truncated", text(none.slice(0, -1))],
      "no answer": ["truncated", hungUp],
    };
    const counts: Record<string, number> = {};
    let rounds = 0;
    for (const [what, [kind, answer]] of Object.entries(faults)) {
      lapi.next(answer);
      await eventsAre(gateway, "lapi-recovered", ++rounds);
      counts[kind] = (counts[kind] ?? 0) + 1;
      t.match(events(gateway, "lapi-failed")[rounds - 1], { level: "warn", kind }, what);
      t.equal(await fares(t, gateway, client), "refused", what);
      t.equal(await fares(t, gateway, "203.0.113.8"), "served", what);
    }
    for (const [kind, count] of Object.entries(counts))
      await metricIs(gateway, `postern_lapi_errors_total{kind="${kind}"}`, count);
    // The key was good all the time: what has changed since is enough.
    t.equal(events(gateway, "decisions-loaded").length, rounds, "all is asked for after any doubt");
    t.notMatch(gateway.output(), /secret|locked|html/);
  },
);

t.test("trouble that stays has one line a kind", async (t) => {
  const { lapi, book } = await startBook(t);
  book.ban(client);
  const gateway = await startBanning(t, lapi);
  await eventsAre(gateway, "decisions-loaded", 1);
  const failing = json({}, 503);
  lapi.next(failing, forbidden, failing);
  await eventsAre(gateway, "lapi-recovered", 1);
  t.same(
    events(gateway, "lapi-failed").map(({ kind, detail }) => [kind, detail]),
    [
      ["status", "503"],
      ["forbidden", "403"],
    ],
  );
  t.match(events(gateway, "lapi-recovered"), [{ level: "info", missed: 3 }]);
  t.equal(await metric(gateway, 'postern_lapi_errors_total{kind="status"}'), 2);
});

t.test("half the list is not given up for one answer that lacks it", async (t) => {
  const { lapi, book } = await startBook(t);
  const bans = Array.from({ length: 10 }, (_, index) => book.ban(`203.0.113.${index}`));
  const gateway = await startBanning(t, lapi);
  await eventsAre(gateway, "decisions-loaded", 1);
  const short: Answer = (response, asked) => text(changes(bans.slice(0, 4)))(response, asked);
  const failing = json({}, 500);
  lapi.next(failing, short, failing, failing);
  t.match(await eventsAre(gateway, "decisions-shrunk", 1), [{ level: "warn", decisions: 4, before: 10 }]);
  t.equal(await fares(t, gateway, "203.0.113.9"), "refused");
  await eventsAre(gateway, "lapi-recovered", 2);
  t.equal(await metric(gateway, 'postern_bans{origin="cscli"}'), 10, "the next whole answer disagreed");
  t.equal(await fares(t, gateway, "203.0.113.9"), "refused");

  book.lose(...bans.slice(4));
  lapi.next(failing);
  await eventsAre(gateway, "decisions-shrunk", 2);
  await metricIs(gateway, 'postern_bans{origin="cscli"}', 4);
  t.equal(await fares(t, gateway, "203.0.113.9"), "served", "the next one agreed");
  t.equal(await fares(t, gateway, "203.0.113.3"), "refused");
});
