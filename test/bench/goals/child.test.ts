/** Benches that do as they should and benches that do not: each comes to a line or to a sentence, and leaves no process. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { type Ended, runBench } from "../../../bench/goals/child.ts";

const LONG_MS = 15_000;

function benchOf(t: Test, source: string): string {
  return join(t.testdir({ "bench.mjs": source }), "bench.mjs");
}

function run(file: string, options: { words?: readonly string[]; deadlineMs?: number } = {}): Promise<Ended> {
  const { words = [], deadlineMs = LONG_MS } = options;
  return runBench({ file, words, deadlineMs, signal: new AbortController().signal });
}

/** The pid that a bench wrote down, once it has. */
async function pidIn(file: string): Promise<number> {
  const endMs = performance.now() + LONG_MS;
  while (performance.now() < endMs) {
    try {
      const pid = Number(readFileSync(file, "utf8"));
      if (pid > 0) return pid;
    } catch {}
    await sleep(20);
  }
  throw new Error(`no pid came in ${file}`);
}

/** A zombie that its new parent has not fetched yet is gone as well. */
function isGone(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}

async function untilGone(pid: number): Promise<boolean> {
  const endMs = performance.now() + LONG_MS;
  while (!isGone(pid) && performance.now() < endMs) await sleep(20);
  return isGone(pid);
}

t.test("runBench reads the last line when a bench ends well", async (t) => {
  const file = benchOf(t, 'console.log("a table"); console.log(JSON.stringify(process.argv.slice(2)))');
  t.strictSame(await run(file, { words: ["3", "ecdsa"] }), { line: ["3", "ecdsa"] });
  const long = benchOf(t, 'console.log("x".repeat(200_000)); console.log("{}")');
  t.strictSame(await run(long), { line: {} });
});

t.test("runBench says why when a bench fails", async (t) => {
  const cases: readonly (readonly [source: string, fault: string])[] = [
    ['throw new Error("haproxy does not listen")', "haproxy does not listen"],
    ['null.x = 1; console.log("{}")', "Cannot set properties of null (setting 'x')"],
    [
      'console.error("taskset: failed to execute haproxy: No such file"); throw new Error("later")',
      "failed to execute haproxy: No such file",
    ],
    ["process.exit(3)", "ended with code 3"],
    ['process.kill(process.pid, "SIGKILL")', "ended with SIGKILL"],
    ['console.log("no figures")', "its last line is not JSON"],
    ["", "its last line is not JSON"],
  ];
  for (const [source, fault] of cases) t.strictSame(await run(benchOf(t, source)), { fault }, source);
});

t.test("runBench ends what a bench left behind when it has ended by itself", async (t) => {
  const source = `import { spawn } from "node:child_process";
    import { writeFileSync } from "node:fs";
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    child.unref();
    writeFileSync(process.argv[2], String(child.pid));
    console.log("{}");`;
  const file = benchOf(t, source);
  const pidFile = join(t.testdirName, "pid");
  t.strictSame(await run(file, { words: [pidFile] }), { line: {} });
  t.ok(await untilGone(await pidIn(pidFile)));
});

t.test("runBench ends a bench and what it started when its time is over", async (t) => {
  const source = `import { spawn } from "node:child_process";
    import { writeFileSync } from "node:fs";
    process.on("SIGTERM", () => {});
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    writeFileSync(process.argv[2], String(child.pid));`;
  const file = benchOf(t, source);
  const pidFile = join(t.testdirName, "pid");
  const controller = new AbortController();
  const ended = runBench({ file, words: [pidFile], deadlineMs: LONG_MS, signal: controller.signal });
  const pid = await pidIn(pidFile);
  t.notOk(isGone(pid));
  controller.abort();
  t.strictSame(await ended, { fault: "not measured: interrupted" });
  t.ok(await untilGone(pid), "nobody is left, though the bench would not end");

  const slow = benchOf(t, "setInterval(() => {}, 1000)");
  t.strictSame(await run(slow, { deadlineMs: 400 }), { fault: "no result in 1 s" });
});

t.test("runBench starts nothing when it is interrupted before", async (t) => {
  const file = join(t.testdir({}), "missing.mjs");
  const signal = AbortSignal.abort();
  t.strictSame(await runBench({ file, words: [], deadlineMs: LONG_MS, signal }), {
    fault: "not measured: interrupted",
  });
});
