/** The load harness's command line as a user meets it: what it says to wrong words, and what it ends with. */
import t from "tap";
import { startChild } from "../servers/process.ts";
import { launcher, listen, ran } from "./cli/bench.ts";

t.test("main says one line and ends with 2 when the command line is wrong", async (t) => {
  const table: readonly [string, string][] = [
    ["chrun", 'unknown command "chrun" (did you mean churn?)'],
    ["help chrun", 'unknown command "chrun" (did you mean churn?)'],
    ["churn --taget 127.0.0.1:25", "churn: unknown option --taget (did you mean --target?)"],
    [
      "churn --target 192.0.2.1:25",
      "churn: --target 192.0.2.1 is not this machine: confirm it with --allow 192.0.2.1",
    ],
    ["goals --json x", "goals: --json takes no file: it is standard output's"],
  ];
  for (const [words, line] of table) {
    t.strictSame(await ran(t, words), { code: 2, stdout: "", stderr: `postern-bench: ${line}\n` }, words);
  }
});

t.test("main says what there is when it is asked, or given nothing", async (t) => {
  const help = await ran(t, "help");
  t.match(help, { code: 0, stdout: /^usage: postern-bench COMMAND/, stderr: "" });
  t.strictSame(await ran(t, ""), { code: 2, stdout: "", stderr: help.stdout });
  const churn = await ran(t, "help churn");
  t.match(churn, { code: 0, stdout: /^usage: postern-bench churn/, stderr: "" });
  t.strictSame(await ran(t, "churn --target 127.0.0.1:25 --help"), churn);
});

t.test("main ends with 3 when a run cannot begin", async (t) => {
  const port = await listen(t, () => {});
  const table: readonly [string, RegExp][] = [
    [
      `churn --sink 127.0.0.1:${port}`,
      /^postern-bench: the sink cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE\n$/,
    ],
    [
      `sink --listen 127.0.0.1:${port}`,
      /^postern-bench: the sink cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE\n$/,
    ],
    [
      `churn --target 127.0.0.1:${port} --html /nowhere/x`,
      /^postern-bench: \/nowhere\/x cannot be written \(ENOENT\)\n$/,
    ],
  ];
  for (const [words, stderr] of table) t.match(await ran(t, words), { code: 3, stdout: "", stderr }, words);
});

t.test("main stays quiet when nobody reads its output", async (t) => {
  const child = startChild(t, ["sh", "-c", `${launcher} help smtp | head -n 1`]);
  t.equal(await child.ended, 0);
  t.match(child.stdout(), /^usage: .*\n$/);
  t.equal(child.stderr(), "");
});
