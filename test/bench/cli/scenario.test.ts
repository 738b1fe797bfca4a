/** Whole runs from the command line that go well: what they report, to whom, and that both ends count alike. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { makeDirectory, until } from "../../servers/process.ts";
import { freePort, listen, ran, start } from "./bench.ts";

t.test("a scenario reports for people and for machines when it has gone well", async (t) => {
  const [port, directory] = [await freePort(), makeDirectory(t, "report")];
  const [file, page] = [join(directory, "result.json"), join(directory, "result.html")];
  const words = `churn --sink 127.0.0.1:${port} --sessions 40 --concurrency 4`;
  const table = await ran(t, `${words} --json ${file} --html ${page}`);
  t.match(table, { code: 0, stdout: /^churn \(SMTP\) to 127\.0\.0\.1:\d+, 4 at a time\n/ });
  t.match(table.stdout, /\ndone +40 /);
  t.match(table.stderr, /^churn \(SMTP\) to 127\.0\.0\.1:\d+, 4 at a time\n/);
  t.match(JSON.parse(readFileSync(file, "utf8")), {
    bench: "load",
    results: [{ counts: { begun: 40, done: 40, failed: 0, open: 0 } }],
  });
  t.match(readFileSync(page, "utf8"), /^<!doctype html>/);
  const json = await ran(t, `${words} --json`);
  t.match(JSON.parse(json.stdout), { results: [{ counts: { done: 40 } }] });
});

t.test("a scenario gives its sink as many threads as the load, and tells what they used", async (t) => {
  const words = `churn --sink 127.0.0.1:${await freePort()} --sessions 2000 --threads 2 --json`;
  const { harness } = JSON.parse((await ran(t, words)).stdout).results[0];
  t.match(harness, { threads: 2, sink: { threads: 2 } });
  t.ok(harness.sink.cpuShare > 0, JSON.stringify(harness.sink));
});

t.test("a scenario ends in time, and says what it never began, when the rate is far too high", async (t) => {
  const words = `churn --sink 127.0.0.1:${await freePort()} --rate 100000 --duration 500ms --json`;
  const { code, stdout, stderr } = await ran(t, words);
  t.equal(code, 0);
  t.notMatch(stderr, /^ +at /m, "no stack trace");
  const { counts, harness } = JSON.parse(stdout).results[0];
  t.equal(counts.failed, 0);
  t.ok(counts.done > 0, "the target was heard meanwhile");
  // The load thread begins a little later than the run's time does.
  t.ok(counts.neverBegun > 0 && counts.begun + counts.neverBegun <= 50_000, JSON.stringify(counts));
  t.ok(harness.isBottleneck);
});

t.test("a scenario counts mails as its sink does when there is one", async (t) => {
  const words = `smtp --sink 127.0.0.1:${await freePort()} --sessions 20 --messages 3 --json`;
  const { code, stdout } = await ran(t, words);
  t.equal(code, 0);
  const agreements = [{ harness: 60, target: 60, agrees: true }];
  t.match(JSON.parse(stdout), { results: [{ counts: { messages: 60 }, agreements }] });
});

t.test("a scenario takes a busy harness for one when its last sessions hang", async (t) => {
  let sessions = 0;
  const port = await listen(t, (socket) => {
    // One in a thousand is never greeted, so that the run ends five seconds after its load.
    if (++sessions % 1000 !== 1) socket.write("220 mx.example.test ESMTP\r\n");
    socket.on("data", (bytes) => {
      if (bytes.includes("QUIT")) socket.end("221 bye\r\n");
    });
  });
  const words = `churn --target 127.0.0.1:${port} --proxy off --concurrency 50 --duration 1s --timeout 20s --json`;
  const [result] = JSON.parse((await ran(t, words)).stdout).results;
  const { harness, seconds, samples } = result;
  t.ok(samples.at(-1).atMs - seconds * 1000 > 4000);
  t.ok(harness.cpuShare + harness.waitShare > 0.3, JSON.stringify(harness));
});

t.test("sink says what it has seen when it is told to end", async (t) => {
  const port = await freePort();
  const child = start(t, `sink --listen 127.0.0.1:${port} --record 1 --json`);
  await until("a sink that listens", () => child.stderr().includes("until Ctrl-C"));
  const words = `smtp --target 127.0.0.1:${port} --clients 203.0.113.7 --sessions 3 --json`;
  t.equal((await ran(t, words)).code, 0);
  t.equal(await child.stop("SIGTERM"), 0);
  t.match(JSON.parse(child.stdout()), {
    counts: { connections: 3, messages: 3 },
    identities: [{ proxy: /^203\.0\.113\.7:\d+$/ }],
  });
});
