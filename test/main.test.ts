/** The command line: which words it knows, and what it says to others. */
import { readFileSync } from "node:fs";
import t from "tap";
import { postern, unread } from "./commands/run.ts";

t.test("main prints its usage when it is asked to, or given nothing", async (t) => {
  const help = await postern(["--help"]);
  t.same([help.code, help.stderr], [0, ""]);
  for (const command of ["serve", "check", "why", "schema", "demo"]) t.match(help.stdout, `\n  ${command} `);
  t.same(await postern(["check", "-h"]), help);
  t.same(await postern([]), { code: 2, stdout: "", stderr: help.stdout });
});

t.test("main prints the package's version when it is asked to", async (t) => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  t.same(await postern(["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
});

t.test("main says one line when the command line is wrong", async (t) => {
  const table: readonly [string[], string][] = [
    [["sreve"], 'unknown command "sreve" (did you mean serve?)'],
    [["constructor"], 'unknown command "constructor"'],
    [["a\nb"], 'unknown command "a\\nb"'],
    [["--check"], 'unknown command "--check" (did you mean check?)'],
    [["why"], "why: asks about one ADDRESS"],
    [["why", "203.0.113.7", "203.0.113.8", "-c", "x"], "why: asks about one ADDRESS"],
    [["why", "203.0.113.7/32", "-c", "x"], 'why: "203.0.113.7/32" is no address'],
    [["why", "203.0.113.7"], "why: -c FILE or --admin HOST:PORT is missing"],
    [["why", "203.0.113.7", "--admin", "9025"], 'why: --admin: "9025" is no HOST:PORT'],
    [["why", "203.0.113.7", "--admin", "a/b:1"], 'why: --admin: "a/b:1" is no HOST:PORT'],
    [["why", "--jsn"], "why: Unknown option '--jsn'"],
    [["schema", "--jsn"], "schema: Unknown option '--jsn'"],
    [["schema", "more"], "schema: Unexpected argument 'more'"],
    [["check", "-c"], "check: Option '-c, --config <value>' argument missing"],
  ];
  for (const [args, line] of table) {
    t.same(await postern(args), { code: 2, stdout: "", stderr: `postern: ${line}\n` }, args.join(" "));
  }
});

t.test("schema prints a JSON Schema", async (t) => {
  const { code, stdout, stderr } = await postern(["schema"]);
  t.same([code, stderr], [0, ""]);
  t.match(JSON.parse(stdout), {
    type: "object",
    additionalProperties: false,
    required: ["listeners", "pools"],
  });
});

t.test("main stays quiet when nobody reads its output", async (t) => {
  t.equal((await unread(["schema"])).stderr, "");
});
