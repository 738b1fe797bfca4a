/** Names of servers, asked for when it is time, with a resolver and timers in the test's hands. */
import t, { type Test } from "tap";
import { Address } from "../../src/address.ts";
import { Pool } from "../../src/pools/pool.ts";
import { Names } from "../../src/threads/names.ts";
import type { Resolution } from "../../src/wire/names.ts";
import { memoryLog } from "../observe/fixtures.ts";
import { optionsOf, plain } from "../pools/fixtures.ts";

function answerOf(ttlSeconds: number | null, ...texts: string[]): Extract<Resolution, { ok: true }> {
  const addresses = texts.map((text) => Address.parse(text)!);
  return { ok: true, addresses, unknown: null, ttlSeconds };
}
/** The same, where the question for the other family has failed. */
const half = (unknown: 4 | 6, ...texts: string[]): Resolution => ({ ...answerOf(600, ...texts), unknown });
const failure: Resolution = { ok: false, code: "ENOTFOUND" };

/** Starts, and gives one answer after the other; each time says how long it is until the next question. */
async function waits(t: Test, answers: readonly Resolution[]) {
  const options = optionsOf([{ endpoint: { host: "mail.example.org", port: 25 } }, ...plain(1)]);
  const pool = new Pool(options, Pool.allocate(options, 1), -1);
  const log = memoryLog();
  const found: number[] = [];
  const seen: string[][] = [];
  let changes = 0;
  let next = () => {};
  const left = [...answers];
  const names = new Names([pool], {
    resolve: async (name) => {
      t.equal(name, "mail.example.org");
      return left.shift()!;
    },
    timers: {
      after(milliseconds, call) {
        found.push(milliseconds);
        next = call;
        return () => {};
      },
    },
    log,
    changed: () => changes++,
  });
  names.start();
  for (let turn = 1; turn <= answers.length; turn++) {
    while (found.length < turn) await null;
    seen.push(pool.servers.map(({ endpoint }) => endpoint.host));
    if (turn < answers.length) next();
  }
  return { found, seen, log, changes };
}

t.test("Names asks again when the answer has had its time, within bounds", async (t) => {
  const { found } = await waits(t, [
    answerOf(60, "192.0.2.7"),
    answerOf(0, "192.0.2.7"),
    answerOf(null, "192.0.2.7"),
    answerOf(100_000, "192.0.2.7"),
    failure,
    answerOf(60),
  ]);
  t.same(found, [60_000, 5000, 30_000, 3_600_000, 5000, 5000]);
});

t.test("Names keeps the last addresses when a later answer is none, and says so once", async (t) => {
  const { seen, log, changes } = await waits(t, [
    failure,
    failure,
    answerOf(60, "192.0.2.7", "192.0.2.8"),
    failure,
    answerOf(60, "192.0.2.8"),
  ]);
  t.same(
    seen.map((hosts) => hosts.slice(0, -1)),
    [[], [], ["192.0.2.7", "192.0.2.8"], ["192.0.2.7", "192.0.2.8"], ["192.0.2.8"]],
  );
  t.equal(changes, 2);
  const told = { pool: "servers", server: "mail.example.org:25" };
  t.match(log.events, [
    { level: "warn", event: "server-unresolved", fields: { ...told, code: "ENOTFOUND" } },
    { level: "info", event: "server-resolved", fields: { ...told, addresses: ["192.0.2.7", "192.0.2.8"] } },
    { level: "warn", event: "server-unresolved" },
    { level: "info", event: "server-resolved", fields: { addresses: ["192.0.2.8"] } },
  ]);
});

t.test(
  "Names keeps the addresses of a family for which the question has failed, and asks again soon",
  async (t) => {
    const { seen, found } = await waits(t, [
      answerOf(600, "192.0.2.7", "2001:db8::7"),
      half(6, "192.0.2.8"),
      half(4, "2001:db8::8"),
      answerOf(600, "2001:db8::8"),
      half(4, "2001:db8::9"),
    ]);
    t.same(
      seen.map((hosts) => hosts.slice(0, -1).sort()),
      [
        ["192.0.2.7", "2001:db8::7"],
        ["192.0.2.8", "2001:db8::7"],
        ["192.0.2.8", "2001:db8::8"],
        ["2001:db8::8"],
        ["2001:db8::9"],
      ],
    );
    t.same(found, [600_000, 30_000, 30_000, 600_000, 30_000]);
  },
);
