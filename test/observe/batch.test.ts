/** How a data thread's lines are joined, and what happens when nobody takes them. */
import t from "tap";
import { Batch } from "../../src/observe/batch.ts";

function make(backlog = Batch.backlog()) {
  const batches: string[] = [];
  const lost = { lines: 0 };
  let onSend = () => {};
  const sent = new Promise<void>((resolve) => {
    onSend = resolve;
  });
  const batch = new Batch({
    backlog,
    send(lines) {
      batches.push(lines);
      onSend();
    },
    dropped: () => void lost.lines++,
  });
  return { batch, backlog, batches, lost, sent };
}

/** As long as a session's line. */
const line = `${"x".repeat(399)}\n`;

t.test("write sends lines together, whole, when the batch is old enough", async (t) => {
  const { batch, batches, sent } = make();
  batch.write("one\n");
  batch.write("two\n");
  t.same(batches, []);
  // The batch's own timer keeps no thread alive.
  const alive = setInterval(() => {}, 1000);
  await sent;
  clearInterval(alive);
  t.same(batches, ["one\ntwo\n"]);
});

t.test("write sends lines at once when the batch is full", async (t) => {
  const { batch, batches } = make();
  while (batches.length === 0) batch.write(line);
  t.ok(batches[0]!.length >= 65536 && batches[0]!.length < 65536 + line.length);
  t.ok(batches[0]!.endsWith(line));
});

t.test("flush sends nothing when nothing waits", async (t) => {
  const { batch, batches } = make();
  batch.flush();
  batch.write("one\n");
  batch.flush();
  batch.flush();
  t.same(batches, ["one\n"]);
});

t.test("write drops and counts lines beyond the bound until the control thread has taken some", async (t) => {
  const { batch, backlog, batches, lost } = make();
  for (let count = 0; count < 20_000; count++) batch.write(line);
  batch.flush();
  const sent = batches.join("");
  t.ok(sent.length <= 4 * 1024 * 1024 && sent.length > 4 * 1024 * 1024 - line.length);
  t.equal(Atomics.load(backlog, 0), sent.length);
  t.equal(lost.lines, 20_000 - sent.length / line.length);
  const before = lost.lines;
  batch.write(line);
  t.equal(lost.lines, before + 1);
  Batch.taken(sent, backlog);
  batch.write(line);
  t.equal(lost.lines, before + 1);
});

t.test("write keeps to one bound when a thread's batches share their backlog", async (t) => {
  const first = make();
  const second = make(first.backlog);
  for (let count = 0; count < 20_000; count++) first.batch.write(line);
  first.batch.flush();
  second.batch.write(line);
  t.equal(second.lost.lines, 1);
});
