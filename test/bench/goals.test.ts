/** The command itself, as far as it goes without measuring: what it refuses at once, and what it says when it is interrupted. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { LIST } from "../../bench/goals/list.ts";
import { goals } from "../../bench/goals.ts";

interface Options {
  readonly json?: boolean;
  readonly only?: string;
  readonly write?: string;
}

/** Nothing is ever measured: it is interrupted before it begins. */
async function run(t: Test, { json = false, only, write }: Options) {
  const out = t.capture(console, "log");
  const errors = t.capture(console, "error");
  const code = await goals({ json, only: only ?? null, write: write ?? null, signal: AbortSignal.abort() });
  const said = (calls: readonly { readonly args: readonly unknown[] }[]) =>
    calls.map(({ args }) => args.join(" ")).join("\n");
  return { code, out: said(out()), errors: said(errors()) };
}

t.test("goals says which goals there are when it is asked for another", async (t) => {
  const { code, out, errors } = await run(t, { only: "thread" });
  t.equal(code, 2);
  t.equal(out, "");
  t.match((await run(t, { only: "refused-l" })).errors, / \(did you mean refused-limit\?\)/, "a beginning");
  t.match(
    errors,
    /^postern-bench: goals: no goal is called thread \(did you mean threads\?\): they are .*\bbulk\b/,
  );
});

t.test("goals refuses at once when it could not write in the end", async (t) => {
  const directory = t.testdir({ "README.md": "# a\n" });
  const file = join(directory, "README.md");
  const bare = await run(t, { write: file });
  t.equal(bare.code, 2);
  t.equal(bare.errors, `postern-bench: goals: ${file}: no line says <!-- goals -->`);
  const missing = await run(t, { write: join(directory, "missing") });
  t.equal(missing.code, 2);
  t.match(missing.errors, /cannot be read: ENOENT$/);
  const partial = await run(t, { write: file, only: "bulk" });
  t.equal(partial.code, 2);
  t.match(partial.errors, /--only/);
});

t.test("goals tells what it has and writes nothing when it is interrupted", async (t) => {
  const text = "<!-- goals -->\nold\n<!-- /goals -->\n";
  const file = join(t.testdir({ "README.md": text }), "README.md");
  const { code, out, errors } = await run(t, { json: true, write: file });
  t.equal(code, 1);
  const expected = LIST.goals.map(({ name, atMost, atLeast }) => ({
    name,
    goal: atMost ?? atLeast,
    measured: null,
    held: false,
  }));
  t.equal(out, JSON.stringify({ goals: expected }));
  t.match(errors, /bulk: not measured: interrupted/);
  t.equal(readFileSync(file, "utf8"), text);
  const one = await run(t, { only: "bulk" });
  t.match(one.out, /^bulk {2}not measured {2}at most 0\.75 × HAProxy {2}unknown$/);
});
