/** What is read of a process, and what its cost comes to: this process, a child that it has, and one that is gone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import t from "tap";
import type { Counts, ProcessState } from "../../../bench/load/result.ts";
import { cost, peakOf, TargetProcess } from "../../../bench/target/process.ts";
import { until } from "../../servers/process.ts";

const MIB = 1024 ** 2;

/** Keeps a core busy until this process has used so much more of it. */
function work(seconds: number): void {
  const end = process.cpuUsage().user + seconds * 1e6;
  while (process.cpuUsage().user < end);
}

function stateOf(target: TargetProcess): ProcessState {
  const state = target.state();
  if (state === null) throw new Error("the process is gone");
  return state;
}

t.test("TargetProcess tells what was used and opened when it watches this process", async (t) => {
  const target = new TargetProcess(process.pid);
  t.equal(target.fault(), null);
  const before = stateOf(target);
  work(0.2);
  for (let count = 0; count < 10; count++) openSync("/dev/null", "r");
  const held = Buffer.alloc(64 * MIB, 1);
  await until("a switch of context", () => stateOf(target).contextSwitches > before.contextSwitches);
  const after = stateOf(target);
  t.ok(after.cpuSeconds - before.cpuSeconds > 0.18, `${after.cpuSeconds - before.cpuSeconds} s`);
  t.ok(after.descriptors >= before.descriptors + 10);
  t.ok(after.residentBytes >= before.residentBytes + held.length / 2);
});

t.test(
  "TargetProcess counts a child and its child when they run, and what they used when they are gone",
  async (t) => {
    // Node tells when its child's child has worked; both then wait for their input to end.
    const worker =
      "const end = Date.now() + 300; while (Date.now() < end); console.log('done'); process.stdin.resume()";
    const parent = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(worker)}], { stdio: "inherit" })`;
    const before = stateOf(new TargetProcess(process.pid));
    const child = spawn(process.execPath, ["-e", parent], { stdio: ["pipe", "pipe", "inherit"] });
    t.teardown(() => child.kill());
    await once(child.stdout, "data");
    const own = new TargetProcess(process.pid);
    const during = stateOf(own);
    t.ok(during.residentBytes > before.residentBytes + 40 * MIB, "two more of Node's processes");
    const whole = stateOf(new TargetProcess(child.pid ?? 0));
    t.ok(whole.cpuSeconds > 0.1, `${whole.cpuSeconds} s of child and grandchild`);
    const gone = once(child, "exit");
    child.stdin.end();
    await gone;
    const after = stateOf(own);
    t.ok(after.residentBytes < during.residentBytes - 20 * MIB, "they hold nothing more");
    t.ok(after.cpuSeconds > before.cpuSeconds + whole.cpuSeconds * 0.8, "what they used is not forgotten");
    t.equal(new TargetProcess(child.pid ?? 0).state(), null);
  },
);

t.test("TargetProcess says why in a line when there is no such process", async (t) => {
  const target = new TargetProcess(2 ** 22 + 1);
  t.equal(target.fault(), "there is no process 4194305");
  t.equal(target.state(), null);
});

t.test("TargetProcess says whose it is when a process may not be read", async (t) => {
  if (process.getuid?.() !== 0) {
    t.match(new TargetProcess(1).fault(), "process 1 is another user's");
    return;
  }
  // Whoever is root may read everything: the question is put as somebody else.
  const path = new URL("../../../bench/target/process.ts", import.meta.url).href;
  const ask = `import(${JSON.stringify(path)}).then(({ TargetProcess }) => { process.seteuid(65534); console.log(new TargetProcess(${process.pid}).fault()) })`;
  const child = spawn(process.execPath, ["-e", ask], { stdio: ["ignore", "pipe", "inherit"] });
  const [answer] = await once(child.stdout, "data");
  t.equal(String(answer), `process ${process.pid} is another user's and may not be read\n`);
});

const counts: Counts = {
  begun: 2000,
  done: 2000,
  turnedAway: 0,
  failed: 0,
  open: 0,
  neverBegun: 0,
  messages: 1000,
  bytesIn: 200 * MIB,
  bytesOut: 312 * MIB,
};

const before: ProcessState = { cpuSeconds: 1, residentBytes: 50 * MIB, descriptors: 20, contextSwitches: 10 };
const after: ProcessState = { cpuSeconds: 2, residentBytes: 60 * MIB, descriptors: 21, contextSwitches: 99 };

t.test("cost is shared out when there was something to share it", async (t) => {
  const peak = peakOf(after, { ...before, residentBytes: 70 * MIB });
  t.same(peak, { ...after, residentBytes: 70 * MIB });
  t.same(cost({ before, peak, after }, { counts, faults: [] }, 1000), {
    before,
    peak,
    after,
    cpuUsPerSession: 500,
    cpuUsPerMessage: 1000,
    cpuMsPerGib: 2000,
    bytesPerOpenSession: (20 * MIB) / 1000,
  });
});

t.test("cost is shared out among those sessions that the target met", async (t) => {
  const faults = [
    { phase: "connect", kind: "refused", count: 1000 },
    { phase: "connect", kind: "reset", count: 600 },
  ] as const;
  t.match(cost({ before, peak: after, after }, { counts, faults }, 5), { cpuUsPerSession: 1000 });
});

t.test("cost is unknown when too little was done to tell", async (t) => {
  const none: Counts = { ...counts, begun: 0, messages: 0, bytesIn: 1000, bytesOut: 0 };
  t.match(cost({ before, peak: after, after }, { counts: none, faults: [] }, 5), {
    cpuUsPerSession: null,
    cpuUsPerMessage: null,
    cpuMsPerGib: null,
    bytesPerOpenSession: null,
  });
});
