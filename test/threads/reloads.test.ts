/** Reloads one at a time: who is told what, when several ask at once and when something is wrong. */
import t from "tap";
import type { Configuration } from "../../src/config/options.ts";
import { type Reloaded, Reloads } from "../../src/threads/reloads.ts";
import { least, loaded } from "../config/fixtures.ts";
import { memoryLog } from "../observe/fixtures.ts";

/** A file that the test writes, and what comes of asking for it. */
function setUp() {
  const log = memoryLog();
  const begun: string[] = [];
  let hostname = "a.test";
  let refusal: string | null = null;
  let current = loaded(`${least}hostname: a.test\n`);
  const reloads = new Reloads({
    log,
    origin: {
      read: async () => {
        begun.push(hostname);
        const configuration = { ...current, hostname, threads: 7 };
        return hostname === ""
          ? { ok: false, errors: ["no name"] }
          : { ok: true, configuration, warnings: [] };
      },
      changes: (from: Configuration, to: Configuration) =>
        (["hostname", "threads"] as const)
          .filter((what) => from[what] !== to[what])
          .map((what) => ({ what, from: from[what], to: to[what] })),
    },
    apply: async (asked) => {
      await Promise.resolve();
      if (refusal !== null) throw new Error(refusal);
      const before = current;
      const now = { ...asked, threads: before.threads };
      current = now;
      return { before, asked, now };
    },
  });
  const write = (name: string) => {
    hostname = name;
  };
  const refuse = (why: string | null) => {
    refusal = why;
  };
  return { reloads, log, begun, write, refuse };
}

const changed = (outcome: Reloaded) => (outcome.ok ? outcome.changes.map(({ to }) => to) : outcome.errors);

t.test("Reloads tells of each change, and of what needs a restart", async (t) => {
  const { reloads, log, write } = setUp();
  write("b.test");
  t.match(await reloads.ask(), {
    ok: true,
    changes: [{ what: "hostname", from: "a.test", to: "b.test" }],
    needRestart: ["threads"],
  });
  t.match(log.events, [
    { level: "info", event: "reloaded", fields: { what: "hostname", from: "a.test", to: "b.test" } },
    { level: "warn", event: "reload-needs-restart", fields: { settings: ["threads"] } },
    { level: "info", event: "reload-done", fields: { changes: 1 } },
  ]);
});

t.test("Reloads reads once for all that ask while one is under way, and after they have", async (t) => {
  const { reloads, begun, write } = setUp();
  write("b.test");
  const first = reloads.ask();
  await Promise.resolve();
  const [second, third] = [reloads.ask(), reloads.ask()];
  write("c.test");
  t.same((await Promise.all([first, second, third])).map(changed), [["b.test"], ["c.test"], ["c.test"]]);
  t.same(begun, ["b.test", "c.test"]);
  t.same(changed(await reloads.ask()), []);
});

t.test("Reloads goes on when a file was wrong or could not come into force", async (t) => {
  const { reloads, log, write, refuse } = setUp();
  write("");
  t.same(await reloads.ask(), { ok: false, errors: ["no name"] });
  write("b.test");
  refuse("no port");
  t.same(await reloads.ask(), { ok: false, errors: ["no port"] });
  t.same(
    log.events.map(({ level, event, fields }) => [level, event, fields]),
    [["no name"], ["no port"]].map((errors) => ["error", "reload-failed", { errors }]),
  );
  refuse(null);
  t.same(changed(await reloads.ask()), ["b.test"]);
});
