/** What a data thread counts of misbehaving clients, what it leaves out, and the bound on it. */
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import t from "tap";
import { Address } from "../../src/address.ts";
import { Signals } from "../../src/crowdsec/signals.ts";
import { type Offence, type Outcome, offences, type Reason } from "../../src/outcome.ts";
import type { LimitEvent } from "../../src/record.ts";
import { session } from "../observe/fixtures.ts";

const client = (text: string) => Address.parse(text)!;

function far(ip: string, others: Partial<LimitEvent> = {}): LimitEvent {
  const event = { service: "smtp", reason: "connection-rate", count: 90, limit: 30, dryRun: false } as const;
  return { ...event, client: client(ip), ...others };
}

function ended(reason: Reason | null, outcome: Outcome = "refused", ip = "203.0.113.7") {
  return { ...session, client: { address: client(ip), port: 40123 }, outcome, reason };
}

t.test("Signals counts by client and reason when they are seen again", async (t) => {
  const signals = new Signals();
  for (const ip of ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7"]) signals.limited(far(ip));
  signals.ended("imap", ended("nul-byte"));
  t.strictSame(signals.take(12), [
    { ip: "203.0.113.7", reason: "connection-rate", service: "smtp", count: 2, seconds: 12 },
    { ip: "2001:db8::7", reason: "connection-rate", service: "smtp", count: 1, seconds: 12 },
    { ip: "203.0.113.7", reason: "nul-byte", service: "imap", count: 1, seconds: 12 },
  ]);
  t.equal(signals.lost, 0);
});

t.test("Signals counts a client at three times its limit when the limit binds", async (t) => {
  const rows: readonly [number, boolean, number][] = [
    [31, false, 0],
    [89, false, 0],
    [90, false, 1],
    [90, true, 0],
  ];
  for (const [count, dryRun, expected] of rows) {
    const signals = new Signals();
    signals.limited(far("203.0.113.7", { count, dryRun }));
    t.equal(signals.take(1).length, expected, `${count} ${dryRun}`);
  }
});

t.test("Signals counts sessions when they were refused for an offence, and no others", async (t) => {
  const signals = new Signals();
  for (const reason of offences) signals.ended("smtp", ended(reason));
  const seen = signals.take(1).map(({ reason }) => reason);
  t.same(seen, offences satisfies readonly Offence[]);
  for (const reason of ["connection-rate", "upstream-unavailable", "proxy-malformed", null] as const) {
    signals.ended("smtp", ended(reason));
  }
  for (const outcome of ["closed", "failed", "timeout", "healthcheck", "drained"] as const) {
    signals.ended("smtp", ended("nul-byte", outcome));
  }
  signals.ended("smtp", { ...ended("nul-byte"), client: null });
  // A mail program that begins TLS on the wrong port.
  signals.ended("smtp", { ...ended("not-smtp"), detail: "no text" });
  t.strictSame(signals.take(2), []);
});

t.test("Signals begins anew when it was emptied", async (t) => {
  const signals = new Signals();
  signals.limited(far("203.0.113.7"));
  const [before] = signals.take(1);
  t.strictSame(signals.take(2), []);
  signals.limited(far("203.0.113.7"));
  t.equal(signals.take(3)[0]!.count, 1);
  t.equal(before!.count, 1, "what was taken does not change");
});

t.test("Signals loses and counts what is new when it is full", async (t) => {
  const signals = new Signals();
  const saw = (index: number) => signals.limited(far(`2001:db8::${index.toString(16)}`));
  for (let index = 0; index < 1000; index++) saw(index);
  t.equal(signals.lost, 0, "exactly full");
  saw(1000);
  saw(1001);
  saw(999);
  t.equal(signals.lost, 2);
  const taken = signals.take(1);
  t.equal(taken.length, 1000);
  t.equal(taken.at(-1)!.count, 2, "those known are counted on");
  saw(1000);
  t.equal(signals.take(2).length, 1, "and there is room again");
});

t.test("Signals takes what can be posted when another thread asks", async (t) => {
  const signals = new Signals();
  signals.limited(far("203.0.113.7"));
  const { port1, port2 } = new MessageChannel();
  const taken = signals.take(1);
  port1.postMessage(taken);
  t.strictSame(receiveMessageOnPort(port2)?.message, taken);
  port1.close();
});
