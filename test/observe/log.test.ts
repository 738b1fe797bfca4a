/** The log's destination: what is written, rotation, and destinations that fail. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { openLog } from "../../src/observe/log.ts";
import { ThreadLog } from "../../src/observe/threadlog.ts";

const module = new URL("../../src/observe/log.ts", import.meta.url).href;

/** Runs a script that has `openLog`, in a process of its own. */
function run(t: Test, script: string): ChildProcess {
  const source = `import { openLog } from ${JSON.stringify(module)};\n${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], { stdio: "pipe" });
  t.teardown(() => child.kill("SIGKILL"));
  return child;
}

function events(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => String((JSON.parse(line) as { event: unknown }).event));
}

t.test("event writes level, time and event first, and no process id", async (t) => {
  const file = join(t.testdir(), "log");
  const log = await openLog({ level: "info", destination: file });
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
  const log = await openLog({ level: "info", destination: file });
  const threads = ["a", "b"].map((name) => {
    const backlog = ThreadLog.backlog();
    const send = (lines: string) => log.batch(lines, backlog);
    return { name, backlog, log: new ThreadLog({ level: "info", backlog, send, dropped: () => t.fail() }) };
  });
  for (let line = 0; line < 2000; line++)
    for (const { name, log } of threads) log.event("info", name, { line });
  for (const { log } of threads) log.flush();
  log.event("info", "last");
  await log.close();
  const written = events(file);
  t.equal(written.length, 4001);
  t.equal(written.at(-1), "last");
  for (const { backlog } of threads) t.equal(Atomics.load(backlog, 0), 0);
});

t.test("reopen goes on in a new file when the old one was renamed", async (t) => {
  const file = join(t.testdir(), "log");
  const log = await openLog({ level: "info", destination: file });
  log.event("info", "before");
  while (readFileSync(file, "utf8") === "") await new Promise(setImmediate);
  renameSync(file, `${file}.1`);
  log.reopen();
  log.event("info", "after");
  log.reopen();
  await log.close();
  t.same(events(`${file}.1`), ["before"]);
  t.same(events(file), ["after"]);
});

t.test("reopen keeps the old file when the new one cannot be opened", async (t) => {
  const folder = t.testdir({ logs: {} });
  const file = join(folder, "logs", "log");
  const child = run(
    t,
    `import { renameSync } from "node:fs";
    const log = await openLog({ level: "info", destination: ${JSON.stringify(file)} });
    log.event("info", "before");
    renameSync(${JSON.stringify(join(folder, "logs"))}, ${JSON.stringify(join(folder, "gone"))});
    log.reopen();
    log.event("info", "after");
    await log.close();`,
  );
  const complaint = await text(child.stderr!);
  t.equal(complaint, `log.destination: cannot write to ${file}: ENOENT\n`);
  t.same(events(join(folder, "gone", "log")), ["before", "after"]);
});

t.test("openLog says which file and why when it cannot be written", async (t) => {
  const file = join(t.testdir(), "missing", "log");
  await t.rejects(openLog({ level: "info", destination: file }), {
    message: `log.destination: cannot write to ${file}: ENOENT`,
  });
});

t.test("An event after close is counted as dropped", async (t) => {
  const log = await openLog({ level: "info", destination: join(t.testdir(), "log") });
  await log.close();
  await log.close();
  log.event("info", "late");
  t.equal(log.linesDropped, 1);
});

t.test("Everything is written when the process exits without closing the log", async (t) => {
  const child = run(
    t,
    `const log = await openLog({ level: "info", destination: "stdout" });
    for (let line = 0; line < 1000; line++) log.event("info", "line", { line });
    process.exit(3);`,
  );
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, "close")]);
  t.equal(output.split("\n").length, 1001);
  t.match(output, /"line":999\}\n$/);
  t.equal(code, 3);
});

t.test("A line is out soon, not only when a buffer is full", async (t) => {
  const child = run(
    t,
    `const log = await openLog({ level: "info", destination: "stdout" });
    log.event("info", "ready");
    setInterval(() => {}, 1000);`,
  );
  const [chunk] = await once(child.stdout!, "data");
  t.match(String(chunk), /"event":"ready"\}\n$/);
});

t.test("A full disk costs lines beyond a bound, is said once, and stops nothing", async (t) => {
  const child = run(
    t,
    `const log = await openLog({ level: "info", destination: "/dev/full" });
    const backlog = new Int32Array(new SharedArrayBuffer(4));
    const batch = "{}\\n".repeat(350_000);
    for (let count = 0; count < 20; count++) {
      log.batch(batch, backlog);
      await new Promise(setImmediate);
    }
    await log.close();
    console.log(log.linesDropped);`,
  );
  const [output, complaint, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close"),
  ]);
  t.equal(complaint, "log.destination: cannot write to /dev/full: ENOSPC\n");
  // 16 MiB hold 15 batches of 1,050,000 bytes.
  t.equal(output, `${5 * 350_000}\n`);
  t.equal(code, 0);
});

t.test("A reader that goes away stops nothing, and lines are counted as dropped", async (t) => {
  const child = run(
    t,
    `import { setTimeout } from "node:timers/promises";
    const log = await openLog({ level: "info", destination: "stdout" });
    while (log.linesDropped < 3) {
      log.event("info", "line");
      await setTimeout(1);
    }
    await log.close();
    console.error("still here");`,
  );
  child.stdout!.destroy();
  const [complaint, [code]] = await Promise.all([text(child.stderr!), once(child, "close")]);
  t.equal(complaint, "log.destination: cannot write to stdout: EPIPE\nstill here\n");
  t.equal(code, 0);
});

t.test("close gives up when nobody reads the pipe", async (t) => {
  const child = run(
    t,
    `const log = await openLog({ level: "info", destination: "stdout" });
    for (let line = 0; line < 100_000; line++) log.event("info", "line", { line });
    await log.close();
    console.error("closed");
    process.exit(0);`,
  );
  t.equal(await text(child.stderr!), "closed\n");
});
