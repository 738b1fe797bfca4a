/** A client whose login has failed is not heard for a while: for how long, what passes meanwhile, and what can end it. */
import t from "tap";
import { type Scene, scene } from "./fakes.ts";

/** A session in flow, in which the server's `NO` is a failed login. */
function spliced(limits = {}, idleTimeoutMs = 1000): Scene {
  const found = scene({ authFailureDelayMs: 500, ...limits }, "off", { protocol: "imap", idleTimeoutMs });
  found.watch.onServer = (text) => {
    if (text.startsWith("NO")) found.witness.login(false, "LOGIN", "alice");
  };
  found.upstream.hear("* OK hi\r\n");
  found.client.take();
  return found;
}

/** The client tries to log in, and fails. */
function fail({ client, upstream }: Scene): void {
  client.hear("LOGIN\r\n");
  upstream.hear("NO\r\n");
}

t.test("Session hears a client again when its pause is over, and not before", async (t) => {
  const found = spliced();
  const { client, upstream, pass } = found;
  for (const delay of [500, 1000, 2000]) {
    fail(found);
    t.equal(client.take(), "NO\r\n", "the server's answer has passed");
    t.strictSame([client.reading, upstream.reading], [false, true]);
    pass(delay - 1);
    t.equal(client.reading, false, `${delay}`);
    pass(1);
    t.equal(client.reading, true, `${delay}`);
  }
  t.equal(upstream.take(), "LOGIN\r\n".repeat(3));
});

t.test("Session passes what the server says in a pause, which neither that nor a drain ends", async (t) => {
  const found = spliced();
  const { client, upstream, pass } = found;
  fail(found);
  client.full = true;
  upstream.hear("* still here\r\n");
  t.strictSame([client.take(), upstream.reading], ["NO\r\n* still here\r\n", false]);
  client.drain();
  upstream.owner.onDrain(upstream);
  t.strictSame([client.reading, upstream.reading], [false, true]);
  pass(499);
  t.equal(client.reading, false);
  pass(1);
  t.equal(client.reading, true);
});

t.test("Session is idle from the end of a pause on, however long that was", async (t) => {
  const found = spliced({ authFailureDelayMs: 20_000 });
  const { pass, records } = found;
  fail(found);
  pass(20_000);
  t.same(records, []);
  pass(1249);
  t.same(records, [], "the idle timeout, and as much as a sweep may be late");
  pass(1);
  t.match(records, [{ outcome: "timeout" }]);
});

t.test("Session begins its pause anew when another login fails in it", async (t) => {
  const found = spliced();
  const { client, upstream, pass } = found;
  fail(found);
  pass(400);
  upstream.hear("NO\r\n");
  pass(999);
  t.equal(client.reading, false);
  pass(1);
  t.equal(client.reading, true);
});

t.test("Session gives the watch what it kept back when the pause is over", async (t) => {
  const found = spliced();
  const { client, upstream, watch, pass } = found;
  watch.stage = "waiting";
  client.hear("AUTHENTICATE and more\r\n");
  client.hangUp();
  const asked: string[] = [];
  watch.onClient = (text) => void asked.push(text);
  watch.stage = "following";
  upstream.hear("NO\r\n");
  t.strictSame([asked, upstream.ended], [[], false]);
  pass(500);
  t.strictSame([asked, upstream.ended], [[""], true], "and its end behind that");
});

t.test("Session passes a client's end on once, whether it came before a pause or in it", async (t) => {
  for (const when of ["before", "within"] as const) {
    const found = spliced();
    const { client, upstream, pass, records } = found;
    let ends = 0;
    upstream.end = () => void ends++;
    client.hear("LOGIN\r\n");
    if (when === "before") client.hangUp();
    upstream.hear("NO\r\n");
    if (when === "within") client.hangUp();
    t.equal(ends, when === "before" ? 1 : 0);
    pass(500);
    t.equal(ends, 1, when);
    upstream.hangUp();
    t.match(records, [{ outcome: "closed" }], when);
  }
});

t.test("Session ends in a pause when the client breaks, the server goes, or the drain is over", async (t) => {
  const endings: [string, string, (scene: Scene) => void][] = [
    ["the client breaks", "closed", ({ client }) => client.owner.onError(client, "ECONNRESET")],
    ["the server breaks", "failed", ({ upstream }) => upstream.owner.onError(upstream, "ECONNRESET")],
    ["the drain is over", "drained", ({ session }) => session.cut()],
  ];
  for (const [what, outcome, end] of endings) {
    const found = spliced();
    const { client, pass, records, sessions, table } = found;
    fail(found);
    end(found);
    pass(60_000);
    t.match(records, [{ outcome, imap: { failures: 1 } }], what);
    t.strictSame([records.length, client.closed, sessions.size], [1, true, 0], what);
    t.equal([...table.entries()][0]?.concurrency, 0, what);
  }
});

t.test("Session waits no longer for its client when the server has ended in the pause", async (t) => {
  const found = spliced({}, 3_600_000);
  const { client, upstream, pass, records } = found;
  fail(found);
  upstream.hear("* BYE\r\n");
  upstream.hangUp();
  t.strictSame([client.take(), client.ended, client.reading], ["NO\r\n* BYE\r\n", true, false]);
  pass(500);
  t.equal(client.reading, true);
  pass(30_249);
  t.same(records, []);
  pass(1);
  t.match(records, [{ outcome: "timeout" }]);
});

t.test("Session pauses nobody whom limits do not bind, nor behind a login that succeeds", async (t) => {
  for (const limits of [
    { authFailureDelayMs: 0, authFailureRate: 5 },
    { dryRun: true },
    { exceptions: ["203.0.113.7"] },
  ]) {
    const found = spliced(limits);
    fail(found);
    t.equal(found.client.reading, true, JSON.stringify(limits));
  }
  const { witness, client, upstream } = spliced();
  witness.login(true, "LOGIN", "alice");
  upstream.hear("OK\r\n");
  t.equal(client.reading, true);
});
