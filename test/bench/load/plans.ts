/** Plans for tests: short, small, and with nothing in them that a test does not name. */
import type { Plan } from "../../../bench/load/plan.ts";
import type { Sample } from "../../../bench/load/result.ts";
import type { Watch } from "../../../bench/load/run.ts";

/** A closed loop of two, until there were ten sessions. */
export function planOf(port: number, asked: Partial<Plan> = {}): Plan {
  return {
    scenario: "churn",
    protocol: "smtp",
    target: { host: "127.0.0.1", port },
    proxy: "off",
    clients: { ranges: ["203.0.113.0/24"], distribution: "uniform", seed: 1 },
    pace: { kind: "closed", concurrency: 2, rampMs: 0 },
    durationMs: 15_000,
    sessionsMax: 10,
    timeoutMs: 10_000,
    tls: "off",
    threads: 1,
    mail: {
      sizeBytes: 1000,
      recipients: 1,
      messages: 1,
      sender: "a@example.org",
      recipient: "b%d@example.test",
      pipelining: false,
      chunking: false,
    },
    login: null,
    idleMs: 20,
    hammer: { offenders: 1, tries: 1 },
    banned: [],
    ...asked,
  };
}

/** Nobody ends it, and nobody looks. */
export function unwatched(asked: Partial<Watch> = {}): Watch {
  return {
    signal: new AbortController().signal,
    onSample: (_: Sample) => {},
    pid: null,
    metricsUrl: null,
    ...asked,
  };
}
