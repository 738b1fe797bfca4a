/** Where lines end up: rotation, slow and failing destinations, and the end of the process. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { Destination } from "../../src/observe/destination.ts";

const module = new URL("../../src/observe/destination.ts", import.meta.url).href;

/** Runs a script that has `Destination`, in a process of its own. */
function run(t: Test, script: string): ChildProcess {
  const source = `import { Destination } from ${JSON.stringify(module)};\n${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], { stdio: "pipe" });
  t.teardown(() => child.kill("SIGKILL"));
  return child;
}

t.test("reopen goes on in a new file when the old one was renamed", async (t) => {
  const file = join(t.testdir(), "log");
  const destination = new Destination(file);
  destination.write("before\n");
  while (readFileSync(file, "utf8") === "") await new Promise(setImmediate);
  renameSync(file, `${file}.1`);
  destination.reopen();
  destination.write("between\n");
  destination.reopen();
  destination.write("after\n");
  await destination.close();
  t.equal(readFileSync(`${file}.1`, "utf8"), "before\n");
  t.equal(readFileSync(file, "utf8"), "between\nafter\n");
});

t.test("reopen keeps the old file when the new one cannot be opened", async (t) => {
  const folder = t.testdir({ logs: {} });
  const file = join(folder, "logs", "log");
  const child = run(
    t,
    `import { renameSync } from "node:fs";
    const destination = new Destination(${JSON.stringify(file)});
    destination.write("before\\n");
    renameSync(${JSON.stringify(join(folder, "logs"))}, ${JSON.stringify(join(folder, "gone"))});
    destination.reopen();
    destination.write("after\\n");
    await destination.close();`,
  );
  t.equal(await text(child.stderr!), `log.destination: cannot write to ${file}: ENOENT\n`);
  t.equal(readFileSync(join(folder, "gone", "log"), "utf8"), "before\nafter\n");
});

t.test("reopen does nothing for standard output", async (t) => {
  const child = run(
    t,
    `const destination = new Destination("stdout");
    destination.reopen();
    destination.write("line\\n");
    await destination.close();`,
  );
  t.equal(await text(child.stdout!), "line\n");
});

t.test("A destination that cannot be opened is said at once, with the reason", async (t) => {
  const missing = join(t.testdir(), "missing", "log");
  t.throws(() => new Destination(missing), { message: `log.destination: cannot open ${missing}: ENOENT` });
  const pipe = join(t.testdir(), "pipe");
  execFileSync("mkfifo", [pipe]);
  t.throws(() => new Destination(pipe), { message: `log.destination: cannot open ${pipe}: ENXIO` });
});

t.test("A line after close is dropped and counted", async (t) => {
  const destination = new Destination(join(t.testdir(), "log"));
  await destination.close();
  await destination.close();
  destination.write("one\ntwo\n");
  destination.reopen();
  t.equal(destination.linesDropped, 2);
});

t.test("Everything is written when the process exits without close", async (t) => {
  const child = run(
    t,
    `const destination = new Destination("stdout");
    for (let line = 0; line < 20_000; line++) destination.write(line + "\\n");
    process.exit(3);`,
  );
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, "close")]);
  // The first line was with the kernel already when the process ended, and may come in among the others.
  const lines = output.split("\n").slice(0, -1).map(Number);
  t.same(
    lines.sort((a, b) => a - b),
    Array.from({ length: 20_000 }, (_, line) => line),
  );
  t.equal(code, 3);
});

t.test("A line is out at once, not only when more have come", async (t) => {
  const child = run(
    t,
    `const destination = new Destination("stdout");
    destination.write("ready\\n");
    setInterval(() => {}, 1000);`,
  );
  const [chunk] = await once(child.stdout!, "data");
  t.equal(String(chunk), "ready\n");
});

t.test("A full disk costs lines beyond a bound, is said once, and stops nothing", async (t) => {
  const child = run(
    t,
    `const destination = new Destination("/dev/full");
    const lines = "{}\\n".repeat(350_000);
    destination.write(lines);
    await new Promise(setImmediate);
    for (let count = 0; count < 20; count++) destination.write(lines);
    console.log(destination.linesDropped);
    await destination.close();
    console.log(destination.linesDropped);`,
  );
  const [output, complaint, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close"),
  ]);
  t.equal(complaint, "log.destination: cannot write to /dev/full: ENOSPC\n");
  // The first piece is being tried; behind it 16 MiB hold 15 pieces of 1,050,000 characters. At the end all are lost.
  t.equal(output, `${5 * 350_000}\n${21 * 350_000}\n`);
  t.equal(code, 0);
});

t.test("A full pipe takes the rest once it is read again", async (t) => {
  const pipe = join(t.testdir(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = spawn("sh", ["-c", `exec 3<"${pipe}"; read go; exec cat <&3`], { stdio: "pipe" });
  t.teardown(() => reader.kill("SIGKILL"));
  let destination: Destination | null = null;
  // Until the reader has opened it, the pipe cannot be opened for writing.
  while (destination === null) {
    try {
      destination = new Destination(pipe);
    } catch {
      await new Promise(setImmediate);
    }
  }
  const lines = Array.from({ length: 50_000 }, (_, line) => `${line}\n`).join("");
  destination.write(lines);
  await new Promise(setImmediate);
  reader.stdin.end("go\n");
  const [output] = await Promise.all([text(reader.stdout), destination.close()]);
  t.equal(output, lines);
  t.equal(destination.linesDropped, 0);
});

t.test("A reader that goes away stops nothing, and lines are counted as dropped", async (t) => {
  const child = run(
    t,
    `import { setTimeout } from "node:timers/promises";
    const destination = new Destination("stdout");
    while (destination.linesDropped < 3) {
      destination.write("line\\n");
      await setTimeout(1);
    }
    await destination.close();
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
    `const destination = new Destination("stdout");
    destination.write("line\\n".repeat(100_000));
    await destination.close();
    console.error("closed");`,
  );
  // The process itself may have to wait: a thread of its pool is stuck in the kernel.
  const [said] = await once(child.stderr!, "data");
  t.equal(String(said), "closed\n");
});
