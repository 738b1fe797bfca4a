/** The control thread's log: the text of its lines, and the data threads' batches among them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Batch } from "../../src/observe/batch.ts";
import { Destination } from "../../src/observe/destination.ts";
import { openLog } from "../../src/observe/log.ts";
import { ThreadLog } from "../../src/observe/threadlog.ts";

t.test("event writes level, time and event first, and no process id", async (t) => {
  const file = join(t.testdir(), "log");
  const log = openLog({ level: "info", destination: file });
  log.event("info", "ready", { listeners: { smtp: ["127.0.0.1:2525"] }, admin: "127.0.0.1:9025" });
  log.event("debug", "unwanted");
  await log.close();
  t.match(
    readFileSync(file, "utf8"),
    /^\{"level":"info","time":"[^"]+Z","event":"ready","listeners":\{"smtp":\["127.0.0.1:2525"\]\},"admin":"127.0.0.1:9025"\}\n$/,
  );
});

t.test("batch writes a thread's lines whole and takes them off its backlog", async (t) => {
  const file = join(t.testdir(), "log");
  const log = openLog({ level: "info", destination: file });
  const threads = ["a", "b"].map((name) => {
    const backlog = Batch.backlog();
    const send = (lines: string) => log.batch(lines, backlog);
    return { name, backlog, log: new ThreadLog({ level: "info", backlog, send, dropped: () => t.fail() }) };
  });
  for (let line = 0; line < 2000; line++)
    for (const { name, log } of threads) log.event("info", name, { line });
  for (const { log } of threads) log.flush();
  log.event("info", "last");
  await log.close();
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  t.equal(lines.length, 4001);
  for (const line of lines) JSON.parse(line);
  t.match(lines.at(-1), /"event":"last"\}$/);
  for (const { backlog } of threads) t.equal(Atomics.load(backlog, 0), 0);
  t.equal(log.linesDropped, 0);
});

t.test(
  "redirect writes to the new place, and what waited to the old one, and goes on counting",
  async (t) => {
    const folder = t.testdir();
    const [old, young] = [join(folder, "old"), join(folder, "young")];
    const log = openLog({ level: "info", destination: old });
    for (let line = 0; line < 1000; line++) log.event("info", "before", { line });
    log.redirect(new Destination(young));
    log.level = "warn";
    log.event("info", "unwanted");
    log.event("warn", "after");
    await log.close();
    const lines = (file: string) => readFileSync(file, "utf8").split("\n").slice(0, -1);
    while (lines(old).length < 1000) await new Promise(setImmediate);
    t.equal(lines(old).length, 1000);
    t.match(lines(young), [/"event":"after"/]);
    t.equal(lines(young).length, 1);
    // A closed log loses what comes, and says so, wherever it was lost.
    log.event("warn", "late");
    t.equal(log.linesDropped, 1);
    log.redirect(new Destination(join(folder, "third")));
    await new Promise(setImmediate);
    t.equal(log.linesDropped, 1);
    await log.close();
  },
);

t.test("openLog passes on what is wrong with the destination", async (t) => {
  const destination = join(t.testdir(), "missing", "log");
  const message = `log.destination: cannot open ${destination}: ENOENT`;
  t.throws(() => openLog({ level: "info", destination }), { message });
});
