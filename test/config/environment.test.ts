/** Environment variables in texts: replaced, escaped, missing. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration look like this.
import t from "tap";
import { substitute } from "../../src/config/environment.ts";

const environment = { NAME: "value", EMPTY: "", NESTED: "${NAME}", _x1: "y" };

t.test("substitute replaces variables and escapes when the text holds them", async (t) => {
  const table: readonly [string, string][] = [
    ["plain $5 {x}", "plain $5 {x}"],
    ["${NAME}", "value"],
    ["a${NAME}b${_x1}c", "avaluebyc"],
    ["[${EMPTY}]", "[]"],
    ["${NESTED}", "${NAME}"],
    ["$${NAME}", "${NAME}"],
    ["$$${NAME}", "$${NAME}"],
    ["$${", "${"],
  ];
  for (const [text, result] of table)
    t.same(substitute(text, environment), { text: result, problem: null }, text);
});

t.test("substitute names the problem when a variable is not there or not well written", async (t) => {
  const form = "a variable is written ${NAME}, and the characters themselves $${";
  const table: readonly [string, string][] = [
    ["${ABSENT}", "the environment variable ABSENT is not set"],
    ["${NAME} ${ABSENT} ${OTHER}", "the environment variable ABSENT is not set"],
    ["${}", form],
    ["${NAME", form],
    ["${1A}", form],
    ["${NAME:-default}", form],
    ["${ NAME }", form],
  ];
  for (const [text, problem] of table) t.equal(substitute(text, environment).problem, problem, text);
});
