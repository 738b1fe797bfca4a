/** Runs that are interrupted: once, and a second time. */
import t from "tap";
import { until } from "../../servers/process.ts";
import { freePort, listen, start } from "./bench.ts";

t.test("a scenario ends with the report so far when it is interrupted", async (t) => {
  const child = start(t, `churn --sink 127.0.0.1:${await freePort()} --duration 1h`);
  await until("a sign of life", () => / left .*\n/.test(child.stderr()));
  process.kill(child.pid, "SIGINT");
  process.kill(child.pid, "SIGTERM");
  t.equal(await child.ended, 0, "told twice is told once");
  t.match(child.stdout(), /\nStopped early: these are the figures so far\.\n/);
  t.match(child.stdout(), /\ndone +[1-9]/);
});

t.test("a scenario ends at once when it is interrupted a second time", async (t) => {
  const port = await listen(t, () => {});
  const child = start(t, `churn --target 127.0.0.1:${port} --timeout 10m`);
  await until("a sign of life", () => / left .*\n/.test(child.stderr()));
  // The first one waits for what is open, which takes seconds; what follows at once is that same wish.
  let code: number | null = null;
  void child.ended.then((ended) => {
    code = ended;
  });
  await until("the end", () => {
    if (code === null) interrupt(child.pid);
    return code !== null;
  });
  t.equal(code, 130);
  t.equal(child.stdout(), "");
});

function interrupt(pid: number): void {
  try {
    process.kill(pid, "SIGINT");
  } catch {
    // It is gone, which is not known here yet.
  }
}
