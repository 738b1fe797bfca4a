/** The lines that tell how a run goes. */
import t from "tap";
import { Live } from "../../../bench/report/live.ts";
import { full } from "./fixtures.ts";

function liveOn(isTerminal: boolean, columns = 200): { live: Live; written: string[] } {
  const written: string[] = [];
  const screen = { isTerminal, columns: () => columns, write: (text: string) => void written.push(text) };
  return { live: new Live(full.plan, screen), written };
}

const [first, second] = full.samples;

t.test("Live writes one line over and over when it is on a terminal", async (t) => {
  const { live, written } = liveOn(true);
  live.show(first!);
  live.show({ ...second!, done: first!.done + 480, atMs: 2000 });
  t.equal(written.length, 2);
  t.equal(
    written[1],
    "\r\x1b[K0:28 left  480/s  12 open  0 failed  p50 781 µs  p99 3.02 ms  CPU 0.410  38.4 MiB",
  );
  live.end();
  live.end();
  live.show(second!);
  t.strictSame(written.slice(2), ["\n"], "and ends once");
});

t.test("Live is no wider than the terminal when that is narrow", async (t) => {
  for (const columns of [0, 1, 20]) {
    const { live, written } = liveOn(true, columns);
    live.show(first!);
    t.equal(written[0]!.length, "\r\x1b[K".length + Math.max(0, columns - 1));
  }
});

t.test("Live writes a line a second when it is on no terminal", async (t) => {
  const { live, written } = liveOn(false);
  for (const atMs of [1000, 1100, 1850, 1990, 3000]) {
    live.show({ ...first!, atMs, targetCpu: null, targetBytes: null, turnedAway: atMs - 1000 });
  }
  live.end();
  t.equal(written.length, 3);
  for (const line of written) t.match(line, /^\d:\d\d left [^\r\x1b\n]*\n$/);
  t.notMatch(written[0], /CPU|MiB|turned away/, "what is unknown or nothing is not said");
  t.match(written[2], /2,000 turned away/);
});

t.test("Live says nothing when there was nothing", async (t) => {
  const { live, written } = liveOn(true);
  live.end();
  t.strictSame(written, []);
});

t.test("Live counts down to nothing when a run lasts longer than meant", async (t) => {
  const { live, written } = liveOn(false);
  live.show({ ...first!, atMs: 31_000 });
  t.match(written[0], /0:00 left/);
});

t.test("Live says nothing of sessions when there are none to speak of", async (t) => {
  const written: string[] = [];
  const screen = { isTerminal: false, columns: () => 0, write: (text: string) => void written.push(text) };
  const none = { ...first!, targetCpu: null, targetBytes: null };
  new Live({ ...full.plan, scenario: "attack" }, screen).show(none);
  new Live(full.plan, screen).show({ ...none, done: 0, turnedAway: 0, p50Us: 0, p99Us: 0 });
  const tricks = { played: 37, of: 109 };
  new Live({ ...full.plan, scenario: "attack" }, screen).show({ ...none, tricks });
  t.strictSame(written, [
    "0:29 left  attacking\n",
    "0:29 left  0/s  12 open  0 failed\n",
    "0:29 left  attacking: 37 of 109 tricks\n",
  ]);
});
