/** Peers that are none, and runs that nobody runs, for the tests of comparisons. */

import type { CompareOptions, Stage, Turn } from "../../../bench/compare/match.ts";
import { PEERS } from "../../../bench/compare/trials.ts";
import { compare } from "../../../bench/compare.ts";
import type { Plan } from "../../../bench/load/plan.ts";
import type { Result } from "../../../bench/load/result.ts";
import type { Comparison } from "../../../bench/report/comparison.ts";

/** By the header that each insists on. */
export const SINK_PORTS = { v2: 2525, v1: 2526, off: 2527 };

const state = { cpuSeconds: 0, residentBytes: 0, descriptors: 0, contextSwitches: 0 };

/** All went well, and each session took so much. */
export function resultOf(plan: Plan, cpuUsPerSession: number): Result {
  return {
    plan,
    startedAt: "2026-01-01T00:00:00.000Z",
    seconds: 2,
    wasStopped: false,
    counts: {
      begun: 100,
      done: 100,
      turnedAway: 0,
      failed: 0,
      open: 0,
      neverBegun: 0,
      messages: 0,
      bytesIn: 0,
      bytesOut: 0,
    },
    latencies: { greeting: latency(100) },
    replies: [],
    faults: [],
    samples: [],
    harness: {
      threads: 1,
      cpuShare: 0.5,
      waitShare: 0,
      lateP50Us: 0,
      lateP99Us: 0,
      isBottleneck: false,
      sink: null,
    },
    target: {
      before: state,
      peak: state,
      after: { ...state, cpuSeconds: 1 },
      cpuUsPerSession,
      cpuUsPerMessage: null,
      cpuMsPerGib: null,
      bytesPerOpenSession: 4096,
    },
    agreements: [],
    findings: [],
  };
}

/** Peers on the ports from 1 on, in the order of their names, and what becomes of them. */
export class World {
  readonly turns: Turn[] = [];
  readonly running = new Set<string>();
  readonly plans: Plan[] = [];
  /** The server behind each. */
  readonly servers = new Map<string, number | undefined>();
  /** Started so often. */
  readonly starts: string[] = [];
  readonly ends = new Map<string, () => void>();
  sinkStops = 0;
  spent = { own: 0, machine: 0 };

  /** Whether proxies have a core of their own by now. */
  isPinned = false;

  readonly stage: Stage = {
    find: (name) => ({ kind: "found", program: `/usr/sbin/${name}`, version: "1.0" }),
    start: async (name, options) => {
      this.servers.set(name, options.routes[0]?.to[0]);
      if (!this.isPinned) throw new Error("started too soon");
      this.starts.push(name);
      this.running.add(name);
      const { promise: gone, resolve } = Promise.withResolvers<void>();
      this.ends.set(name, resolve);
      const stop = async () => {
        this.running.delete(name);
        resolve();
      };
      return { pid: 1000 + PEERS.indexOf(name), gone, ports: [1 + PEERS.indexOf(name)], stop };
    },
    startSink: async (proxy) => ({
      port: SINK_PORTS[proxy],
      stop: async () => {
        this.sinkStops++;
      },
    }),
    pin: () => {
      this.isPinned = true;
    },
    spent: () => ({ ...this.spent }),
  };

  /** `judge` gets whose turn it is; a turn of round 0 warms up. */
  compare(
    options: Partial<CompareOptions>,
    judge: (plan: Plan, turn: Turn) => Result,
    stage: Partial<Stage> = {},
  ): Promise<Comparison> {
    return compare(
      {
        run: async (plan) => {
          this.plans.push(plan);
          return judge(plan, this.turns.at(-1)!);
        },
        peers: ["postern", "haproxy"],
        cases: ["churn"],
        rounds: 3,
        seconds: 2,
        signal: new AbortController().signal,
        onTurn: (turn) => this.turns.push(turn),
        onSample: () => {},
        ...options,
      },
      { ...this.stage, ...stage },
    );
  }
}

export function latency(p50Us: number) {
  const all = { count: 100, minUs: 1, meanUs: p50Us, maxUs: 9999, p90Us: p50Us, p999Us: p50Us, curve: [] };
  return { ...all, p50Us, p99Us: 2 * p50Us };
}
