/** The three ways in which goals are told, to the letter. */
import t from "tap";
import type { Measured } from "../../../bench/goals/measure.ts";
import { jsonOf, sectionOf, tableOf, withSection } from "../../../bench/goals/text.ts";

const common = { bench: "churn", figure: "ratio" };

const all: readonly Measured[] = [
  {
    goal: {
      ...common,
      name: "churn",
      question: "CPU for a session",
      unit: "× HAProxy",
      atMost: 1.15,
      stretch: 1,
    },
    measured: 1.15,
    held: true,
    fault: null,
  },
  {
    goal: { ...common, name: "idle-tls", question: "memory", unit: "KB", atLeast: 40 },
    measured: 7,
    held: false,
    fault: null,
  },
  {
    goal: { ...common, name: "bulk", question: "CPU for a GiB", unit: "ms", atMost: 2 },
    measured: null,
    held: false,
    fault: "haproxy cannot be started",
  },
];

t.test("jsonOf has four keys for each goal when it tells machines", async (t) => {
  t.equal(
    jsonOf(all),
    '{"goals":[{"name":"churn","goal":1.15,"measured":1.15,"held":true},' +
      '{"name":"idle-tls","goal":40,"measured":7,"held":false},' +
      '{"name":"bulk","goal":2,"measured":null,"held":false}]}',
  );
});

t.test("tableOf lines up name, figure, bound and verdict when it tells people", async (t) => {
  t.equal(
    tableOf(all),
    [
      "churn     1.15 × HAProxy  at most 1.15 × HAProxy, better 1  holds",
      "idle-tls  7 KB            at least 40 KB                    falls short",
      "bulk      not measured    at most 2 ms                      unknown",
    ].join("\n"),
  );
});

t.test("sectionOf is a table under its machine when it tells readers", async (t) => {
  t.equal(
    sectionOf(all.slice(0, 2), "2 cores, 2026-11-22"),
    [
      "Machine: 2 cores, 2026-11-22.",
      "",
      "| question | measured | goal | |",
      "|---|---|---|---|",
      "| CPU for a session | 1.15 × HAProxy | at most 1.15 × HAProxy, better 1 | holds |",
      "| memory | 7 KB | at least 40 KB | falls short |",
    ].join("\n"),
  );
});

t.test(
  "withSection replaces what is between its comments, and nothing else, when both are there",
  async (t) => {
    const around = (middle: string) => `# a\n\n<!-- goals -->\n${middle}<!-- /goals -->\n\n$& b\n`;
    t.strictSame(withSection(around(""), "new $1"), { text: around("new $1\n") });
    t.strictSame(withSection(around("old\n\n| old |\n"), "new"), { text: around("new\n") });
    t.strictSame(withSection(around("new\n"), "new"), { text: around("new\n") }, "again");
  },
);

t.test("withSection says what is missing when the text has no place for it", async (t) => {
  const cases: readonly (readonly [text: string, fault: string])[] = [
    ["", "no line says <!-- goals -->"],
    ["text\n<!-- /goals -->\n", "no line says <!-- goals -->"],
    ["<!-- goals -->\ntext\n", "no <!-- /goals --> behind <!-- goals -->"],
    ["<!-- /goals -->\n<!-- goals -->\n", "no <!-- /goals --> behind <!-- goals -->"],
    [
      "<!-- goals -->\n<!-- /goals -->\n<!-- goals -->\n<!-- /goals -->\n",
      "more than one line says <!-- goals -->",
    ],
  ];
  for (const [text, fault] of cases) t.strictSame(withSection(text, "new"), { fault }, text);
});
