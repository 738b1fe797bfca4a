/**
 * The order of a comparison: who takes part, whose turn it is, who is out and why. It starts each peer when its first turn of
 * a case comes, warms it up, and stops it with the case.
 */
import { type CertificateFiles, makeCertificate } from "../harness/certificate.ts";
import { proxyCore } from "../harness/process.ts";
import { loopback } from "../harness/wire.ts";
import type { Result, Sample } from "../load/result.ts";
import type { Run } from "../load/run.ts";
import type { Found, Name, ProxyOptions, Tells } from "../peers/peer.ts";
import { type ProxyProcess, peers } from "../peers/start.ts";
import type { Comparison, Peer, PeerRun } from "../report/comparison.ts";
import type { Sink } from "../sink/sink.ts";
import { type Observed, Score } from "./score.ts";
import { type CaseName, CONTESTS, type Contest, type Load, type PeerName, type Trial } from "./trials.ts";

export interface CompareOptions {
  readonly run: Run;
  /** In the order that they take their turns in, and are shown in. */
  readonly peers: readonly PeerName[];
  readonly cases: readonly CaseName[];
  readonly rounds: number;
  /** Of a run; some cases take half of it, or twice. */
  readonly seconds: number;
  /** Where Haraka is installed, if it is not on the path. */
  readonly haraka?: string;
  /** Ends it with what there is so far. */
  readonly signal: AbortSignal;
  readonly onTurn: (turn: Turn) => void;
  readonly onSample: (sample: Sample) => void;
}

/** Whose turn it is now. */
export interface Turn {
  readonly case: CaseName;
  readonly peer: PeerName;
  /** From 1; 0: it warms up. */
  readonly round: number;
  readonly rounds: number;
}

/** What peers run in. */
export interface Stage {
  readonly find: (name: Name, haraka: string | undefined) => Found;
  readonly start: (name: Name, options: ProxyOptions) => Promise<Started>;
  readonly startSink: (proxy: Tells) => Promise<BackEnd>;
  /** Leaves the proxies a core of their own. */
  readonly pin: () => void;
  readonly spent: () => Spent;
}

/** Seconds of CPU so far. */
interface Spent {
  /** Of this process: of load and back end. */
  readonly own: number;
  /** Of everything on this machine. */
  readonly machine: number;
}

type BackEnd = Pick<Sink, "port" | "stop">;

type Started = Pick<ProxyProcess, "pid" | "gone" | "ports" | "stop">;

/** What V8 needs to have compiled everything that counts; on a slow machine it gets the time of so many turns. */
const WARM_UP_SESSIONS = 8000;
const WARM_UP_TURNS_MAX = 3;

/** What others need for their first memory. */
const SETTLE_SESSIONS = 500;

/** Of the core that load and back end have; from here on what waits for it waits long. */
const FULL_SHARE = 0.85;

interface Entrant extends Peer {
  readonly name: PeerName;
}

/** One that runs. */
interface Contender {
  readonly pid: number | null;
  readonly port: number;
  isGone(): boolean;
  stop(): Promise<void>;
}

/** One case while it is played. */
interface Game {
  readonly name: CaseName;
  readonly contest: Contest;
  readonly running: Map<Entrant, Contender>;
}

/** One load of it in one round. */
interface Round {
  readonly game: Game;
  readonly trial: Trial;
  readonly scores: readonly Score[];
  readonly round: number;
}

export class Match {
  readonly #options: CompareOptions;
  readonly #stage: Stage;
  readonly #entrants: readonly Entrant[];
  /** One for each header that servers are sent: what a peer sends is insisted on. */
  readonly #sinks = new Map<Tells, BackEnd>();
  readonly #scores: Score[] = [];
  readonly #runs: PeerRun[] = [];
  /** Why each is absent, and from which cases; with none it is from all. */
  readonly #absences = new Map<PeerName, Map<string, CaseName[]>>();
  #certificate: CertificateFiles | null = null;

  constructor(options: CompareOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
    this.#entrants = options.peers.flatMap((name) => this.#enter(name) ?? []);
  }

  /** Has every peer that can do this case do it, in turn. */
  async play(name: CaseName): Promise<void> {
    const game: Game = { name, contest: CONTESTS[name], running: new Map() };
    const field = new Set(this.#entrants.filter((entrant) => this.#canPlay(entrant, game)));
    try {
      for (const trial of game.contest.trials) {
        const scores = trial.measures.map(
          (measure) => new Score(measure, trial.words, game.contest.hasDirect),
        );
        this.#scores.push(...scores);
        for (let round = 1; round <= this.#options.rounds; round++)
          await this.#inTurn(field, { game, trial, scores, round });
      }
    } finally {
      for (const contender of game.running.values()) await contender.stop();
    }
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks.values()) await sink.stop();
  }

  outcome(): Pick<Comparison, "peers" | "absentees" | "reference" | "cases" | "runs"> {
    const names = this.#entrants.map(({ name }) => name);
    const reference = names.find((name) => name === "haproxy") ?? names[0] ?? "";
    const absentees = [...this.#absences].flatMap(([name, reasons]) =>
      [...reasons].map(([reason, cases]) => ({
        name,
        reason: cases.length === 0 ? reason : `not in ${cases.join(", ")}: ${reason}`,
      })),
    );
    const cases = this.#scores.flatMap((score) => score.case(names, reference) ?? []);
    return { peers: this.#entrants, absentees, reference, cases, runs: this.#runs };
  }

  #enter(name: PeerName): Entrant | null {
    if (name === "direct") return { name, version: "" };
    const found = this.#stage.find(name, this.#options.haraka);
    if (found.kind === "found") return { name, version: found.version, differs: peers[name].differs };
    this.#leave(name, found.reason);
    return null;
  }

  #leave(name: PeerName, reason: string, from?: CaseName): void {
    const reasons = this.#absences.get(name) ?? new Map<string, CaseName[]>();
    this.#absences.set(name, reasons);
    const cases = reasons.get(reason) ?? [];
    reasons.set(reason, from === undefined ? cases : [...cases, from]);
  }

  #canPlay({ name }: Entrant, { name: game, contest }: Game): boolean {
    if (name === "direct") return contest.hasDirect;
    const { lacks } = peers[name];
    const lack = contest.needs.find((ability) => lacks[ability] !== undefined);
    if (lack === undefined) return true;
    this.#leave(name, lacks[lack] ?? "", game);
    return false;
  }

  /** One round; who fails in it is out of the case. */
  async #inTurn(field: Set<Entrant>, round: Round): Promise<void> {
    for (const entrant of field) {
      if (this.#options.signal.aborted) return;
      const fault = await this.#turn(entrant, round);
      if (fault === null || this.#options.signal.aborted) continue;
      field.delete(entrant);
      this.#leave(entrant.name, `round ${round.round}: ${fault}`, round.game.name);
    }
  }

  /** What went wrong, or null. A run that was stopped counts as none. */
  async #turn(entrant: Entrant, { game, trial, scores, round }: Round): Promise<string | null> {
    const { contest, running, name } = game;
    const contender = running.get(entrant) ?? (await this.#start(entrant, game));
    if (typeof contender === "string") return contender;
    const load = trial.load(this.#options.seconds);
    const observed = await this.#run(entrant, contender, { case: name, round, load });
    const { result } = observed;
    const fault = contender.isGone()
      ? "it ended by itself"
      : (contest.fault(result) ?? unmeasured(trial, result));
    if (contest.isFresh || fault !== null) {
      await contender.stop();
      running.delete(entrant);
    }
    if (fault !== null || this.#options.signal.aborted) return fault;
    const [first] = trial.measures;
    this.#runs.push({ peer: entrant.name, case: first?.name ?? name, round, result });
    for (const score of scores) score.note(entrant.name, round, observed);
    return null;
  }

  /** Listening and warm; or why not. */
  async #start(entrant: Entrant, { name, contest, running }: Game): Promise<Contender | string> {
    const sink = await this.#sinkFor(entrant.name);
    const contender = await this.#contender(entrant.name, contest, sink.port).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (typeof contender === "string") return contender;
    running.set(entrant, contender);
    const load = contest.warmUp(this.#options.seconds * WARM_UP_TURNS_MAX);
    const isSlow = entrant.name !== "direct" && peers[entrant.name].warmsUp;
    const sessionsMax = isSlow ? WARM_UP_SESSIONS : SETTLE_SESSIONS;
    await this.#run(entrant, contender, { case: name, round: 0, load: { ...load, sessionsMax } });
    return contender;
  }

  async #sinkFor(name: PeerName): Promise<BackEnd> {
    const tells = name === "direct" ? "v2" : peers[name].tells;
    const sink = this.#sinks.get(tells) ?? (await this.#stage.startSink(tells));
    this.#sinks.set(tells, sink);
    return sink;
  }

  async #contender(name: PeerName, contest: Contest, sinkPort: number): Promise<Contender> {
    if (name === "direct") return { pid: null, port: sinkPort, isGone: () => false, stop: async () => {} };
    const started = await this.#stage.start(name, this.#proxyOptions(contest, sinkPort));
    let isGone = false;
    started.gone.then(() => {
      isGone = true;
    });
    return { pid: started.pid, port: started.ports[0] ?? 0, isGone: () => isGone, stop: started.stop };
  }

  #proxyOptions({ protocol, tls, connectionRate }: Contest, sinkPort: number): ProxyOptions {
    const { haraka } = this.#options;
    if (tls) this.#certificate ??= makeCertificate("ECDSA P-256");
    return {
      routes: [{ to: [sinkPort], protocol }],
      threads: 1,
      cores: proxyCore,
      ...(tls && this.#certificate !== null && { certificate: this.#certificate }),
      ...(connectionRate !== null && { limit: { connections: connectionRate, window: "60s" } }),
      ...(haraka !== undefined && { haraka }),
    };
  }

  async #run(
    { name }: Entrant,
    { pid, port }: Contender,
    turn: { readonly case: CaseName; readonly round: number; readonly load: Load },
  ): Promise<Observed> {
    const { run, rounds, signal, onTurn, onSample } = this.#options;
    onTurn({ case: turn.case, peer: name, round: turn.round, rounds });
    const proxy = name === "direct" ? "v2" : peers[name].hears;
    const before = this.#stage.spent();
    const beganMs = performance.now();
    const result = await run(
      { ...turn.load, target: loopback(port), proxy },
      { signal, onSample, pid, metricsUrl: null },
    );
    const seconds = Math.max(result.seconds, (performance.now() - beganMs) / 1000);
    const after = this.#stage.spent();
    const own = after.own - before.own;
    const { target, harness } = result;
    const ofTarget = target === null ? 0 : target.after.cpuSeconds - target.before.cpuSeconds;
    // Load and back end have one core between them, so that no thread's own share tells.
    const isBottleneck = harness.isBottleneck || own / seconds > FULL_SHARE;
    const othersCores = Math.max(0, after.machine - before.machine - own - ofTarget) / seconds;
    return { result: { ...result, harness: { ...harness, isBottleneck } }, othersCores };
  }
}

function unmeasured({ measures }: Trial, result: Result): string | null {
  return measures.every(({ of }) => of(result) === null) ? "it could not be measured" : null;
}
