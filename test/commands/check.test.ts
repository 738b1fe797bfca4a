/** `postern check` as a user meets it: what it prints, where to, and with which exit code. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { least } from "../config/fixtures.ts";
import { postern } from "./run.ts";

const folder = t.testdir({
  "right.yaml": least,
  "wrong.yaml": least.replace("pool: postfix", "pool: postfx").replace("listen:", "listn:"),
  "warned.yaml": least.replace("xclient", "none"),
  token: "s3cret\n",
  key: "lapi-k3y\n",
});
const file = (name: string) => join(folder, name);

t.test("check prints a summary when the file is right", async (t) => {
  const { code, stdout, stderr } = await postern(["check", "-c", file("right.yaml")]);
  t.equal(code, 0);
  t.equal(stderr, "");
  t.match(stdout, "listener smtp: 0.0.0.0:2525\n");
  t.match(stdout, "postfix: 127.0.0.1:25 (connect 5s, greet 30s)");
});

t.test("check prints each error on a line when the file is wrong", async (t) => {
  const { code, stdout, stderr } = await postern(["check", "-c", file("wrong.yaml")]);
  const name = file("wrong.yaml");
  t.equal(code, 2);
  t.equal(stdout, "");
  t.same(stderr.trimEnd().split("\n"), [
    `${name}:3:5: listeners.smtp.listen: is missing`,
    `${name}:3:5: listeners.smtp.listn: unknown key (did you mean listen?)`,
    `${name}:6:11: listeners.smtp.pool: no pool is named "postfx" (known: postfix)`,
  ]);
});

t.test("check warns on standard error when the file is allowed and dangerous", async (t) => {
  const { code, stdout, stderr } = await postern(["check", "-c", file("warned.yaml")]);
  t.equal(code, 0);
  t.match(stdout, "none: every client has the gateway's own address");
  t.match(stderr, /^warning: .*warned\.yaml:10:15: pools\.postfix\.identity: .*open relay.*\n$/);
});

t.test("check reads standard input when the file is -", async (t) => {
  t.equal((await postern(["check", "-c", "-"], least)).code, 0);
  const empty = await postern(["check", "-c", "-"]);
  t.same([empty.code, empty.stderr], [2, "<stdin>:1:1: the file is empty\n"]);
});

t.test("check ends with 2 when there is no file to read", async (t) => {
  const absent = await postern(["check", "-c", file("absent.yaml")]);
  t.same([absent.code, absent.stderr], [2, `${file("absent.yaml")}: cannot be read (ENOENT)\n`]);
  const directory = await postern(["check", "-c", folder]);
  t.same([directory.code, directory.stderr], [2, `${folder}: cannot be read (EISDIR)\n`]);
  const none = await postern(["check"]);
  t.same([none.code, none.stderr], [2, "postern: check: -c FILE is missing (-c - reads standard input)\n"]);
});

t.test("check --json reports without secrets when a program asks", async (t) => {
  const text = `${least}admin: { tokenFile: "${file("token")}" }
crowdsec:
  url: http://127.0.0.1:8080
  apiKeyFile: "${file("key")}"
  alerts: { machineId: edge, password: p4ssword }
`;
  writeFileSync(file("secret.yaml"), text);
  const right = await postern(["check", "--json", "-c", file("secret.yaml")]);
  t.equal(right.code, 0);
  for (const secret of ["s3cret", "lapi-k3y", "p4ssword"]) t.notMatch(right.stdout, secret);
  const report = JSON.parse(right.stdout);
  t.same([report.ok, report.warnings, report.configuration.admin.token], [true, [], "hidden"]);
  const { credentials, alerts } = report.configuration.crowdsec;
  t.same(credentials, { kind: "key", apiKey: "hidden" });
  t.same(alerts, { machineId: "edge", password: "hidden" });
  t.equal(report.configuration.listeners[0].idleTimeoutMs, 300_000);
  const wrong = await postern(["check", "--json", "-c", "-"], "a: [");
  t.same([wrong.code, wrong.stderr, JSON.parse(wrong.stdout).ok], [2, "", false]);
});
