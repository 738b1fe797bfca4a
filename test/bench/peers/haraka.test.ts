/** What Haraka is told, as far as it can be read without Haraka. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { haraka } from "../../../bench/peers/haraka.ts";

t.test("haraka's settings of connections have every section when they stand in for its own", async (t) => {
  const directory = t.testdir();
  haraka.command(
    { program: "haraka", directory, ports: [2525], adminPort: 1 },
    { routes: [{ to: [2600], protocol: "smtp" }], threads: 1, cores: "all" },
  );
  const text = readFileSync(join(directory, "config/connection.ini"), "utf8");
  for (const section of ["haproxy", "headers", "max", "message", "uuid"]) t.match(text, `[${section}]\n`);
  // Without it the first command ends the whole server.
  t.match(text, /^line_length=\d+$/m);
});
