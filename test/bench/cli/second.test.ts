/** Each scenario for one second against the sink, from the command line: what the two have counted is the same, to the last one. */
import t from "tap";
import type { SinkCounts } from "../../../bench/sink/counts.ts";
import { startSink } from "../../../bench/sink/sink.ts";
import { until } from "../../servers/process.ts";
import { ran } from "./bench.ts";

type Counts = Readonly<Record<"begun" | "done" | "failed" | "open" | "messages", number>>;

/** What of the sink's has to be what of the harness's. A sink bans nobody and has no limits. */
const scenarios: readonly {
  readonly words: string;
  readonly protocol: "smtp" | "imap";
  readonly code: number;
  readonly same: (sink: SinkCounts, counts: Counts) => readonly (readonly [number, number])[];
}[] = [
  {
    words: "smtp --messages 2 --recipients 3",
    protocol: "smtp",
    code: 0,
    same: (sink, { messages }) => [
      [sink.messages, messages],
      [sink.recipients, 3 * messages],
    ],
  },
  {
    words: "imap --user alice --password secret",
    protocol: "imap",
    code: 0,
    same: (sink, { done }) => [[sink.logins, done]],
  },
  { words: "churn", protocol: "smtp", code: 0, same: (sink) => [[sink.messages, 0]] },
  {
    words: "bulk --size 100k",
    protocol: "smtp",
    code: 0,
    same: (sink, { messages }) => [[sink.messages, messages]],
  },
  { words: "idle --concurrency 20", protocol: "smtp", code: 0, same: (sink) => [[sink.connections, 20]] },
  { words: "hammer", protocol: "smtp", code: 1, same: (sink) => [[sink.messages, 0]] },
  { words: "bans --banned 198.18.0.0/16", protocol: "smtp", code: 1, same: (sink) => [[sink.messages, 0]] },
];

for (const { words, protocol, code, same } of scenarios) {
  t.test(`${words} counts for a second what its sink counts`, async (t) => {
    const sink = await startSink({ protocol });
    t.teardown(() => sink.stop());
    const ended = await ran(t, `${words} --target 127.0.0.1:${sink.port} --duration 1s --json`);
    t.equal(ended.code, code, ended.stderr);
    const counts: Counts = JSON.parse(ended.stdout).results[0].counts;
    const seen = await until("the last session's end", async () => {
      const now = await sink.counts();
      return now.open === 0 && now;
    });
    t.ok(counts.done > 0);
    t.match(counts, { done: counts.begun, failed: 0, open: 0 });
    t.equal(seen.connections, counts.begun);
    for (const [sinks, harness] of same(seen, counts)) t.equal(sinks, harness);
    t.equal(
      Object.values(seen.faults).reduce((sum, count) => sum + count, 0),
      0,
      "and no fault",
    );
  });
}
