/** Suggestions: near words are offered, far ones are not. */
import t from "tap";
import { suggestion } from "../../src/config/nearest.ts";

t.test("suggestion offers the known word when a slip or two separate it", async (t) => {
  const table: readonly [string, string[], string][] = [
    ["sreve", ["serve", "check", "schema", "demo"], "serve"],
    ["pol", ["listen", "pool", "proxy"], "pool"],
    ["poool", ["listen", "pool", "proxy"], "pool"],
    ["MAXCONNECTIONS", ["threads", "maxConnections"], "maxConnections"],
    ["max_connections", ["threads", "maxConnections"], "maxConnections"],
    ["connectionCuont", ["connectionRate", "connectionCount"], "connectionCount"],
    ["ab", ["ba"], "ba"],
  ];
  for (const [word, known, meant] of table)
    t.equal(suggestion(word, known), ` (did you mean ${meant}?)`, word);
});

t.test("suggestion is empty when no known word is near", async (t) => {
  const known = ["serve", "check", "schema", "demo"];
  for (const word of ["", "x", "health", "constructor", "s".repeat(10_000)]) {
    t.equal(suggestion(word, known), "", word.slice(0, 20));
  }
  t.equal(suggestion("serve", []), "");
});
