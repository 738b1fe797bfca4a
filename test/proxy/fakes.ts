/**
 * A session with nothing real around it: both connections, the clock and the watch are in the test's hands, and what the
 * observer hears is kept. Limits, pool and sessions are the real ones.
 */
import { Address, type AddressAndPort, Networks } from "../../src/address.ts";
import type { Conclusion, Dialogue, Stage, Watch, Witness } from "../../src/dialogue.ts";
import { Limiter } from "../../src/limits/limiter.ts";
import type { LimitOptions } from "../../src/limits/options.ts";
import { Table } from "../../src/limits/table.ts";
import { Total } from "../../src/limits/total.ts";
import { bytesOf, nothing, textOf } from "../../src/lines.ts";
import type { PoolOptions } from "../../src/pools/options.ts";
import { Pool } from "../../src/pools/pool.ts";
import type { Bans, Gate, Observer } from "../../src/proxy/gate.ts";
import type { ListenerOptions } from "../../src/proxy/options.ts";
import { Parking } from "../../src/proxy/parking.ts";
import { Session } from "../../src/proxy/session.ts";
import { Sessions } from "../../src/proxy/sessions.ts";
import type { SessionRecord } from "../../src/record.ts";
import { Trust } from "../../src/wire/trust.ts";
import type { TlsFacts, TlsTerms } from "../../src/wire/wire.ts";
import { type Connection, type ConnectionOwner, nobody } from "../../src/wire/wire.ts";
import { defaultHealth, defaultLimits, defaultSmtp, noPark, serverAt } from "../config/fixtures.ts";

class FakeConnection implements Connection {
  owner: ConnectionOwner = nobody;
  /** All that was written. */
  written = "";
  reading = false;
  ended = false;
  closed = false;
  /** Whether writes stay pending until `drain`. */
  full = false;
  hasEnded = false;
  isPending = false;
  /** Whether it was told to begin TLS. */
  securing = false;
  tls: TlsFacts | null = null;

  peer(): AddressAndPort {
    return { address: Address.parse("203.0.113.7")!, port: 40123 };
  }
  local(): AddressAndPort {
    return { address: Address.parse("192.0.2.25")!, port: 25 };
  }
  start(): void {
    this.reading = !this.closed;
  }
  stop(): void {
    this.reading = false;
  }
  write(bytes: Uint8Array): boolean {
    this.written += textOf(bytes);
    this.isPending ||= this.full && bytes.length > 0;
    return !this.isPending;
  }
  secure(): void {
    this.securing = true;
  }
  end(): void {
    this.ended = true;
  }
  close(): void {
    this.closed = true;
    this.reading = false;
    this.owner = nobody;
  }

  /** The far end says something. */
  hear(text: string): void {
    this.owner.onData(this, bytesOf(text));
  }
  /** What was written since the last time. */
  take(): string {
    const { written } = this;
    this.written = "";
    return written;
  }
  /** The far end sends no more. */
  hangUp(): void {
    this.hasEnded = true;
    this.owner.onEnd(this);
  }
  /** The far end has done its part of the handshake. */
  handshake(facts: TlsFacts): void {
    this.tls = facts;
    this.securing = false;
    this.owner.onConnect(this);
  }
  drain(): void {
    this.full = false;
    this.isPending = false;
    this.owner.onDrain(this);
  }
}

/** Passes what it is given, but for what the test has put into its fields. */
class FakeWatch implements Watch {
  stage: Stage = "following";
  conclusion: Conclusion | null = null;
  own = "";
  /** What is said when the upstream is lost. */
  farewell = "";
  isSecured = false;
  holds = false;
  /** Called with each side's text before it passes. */
  onClient: (text: string) => void = () => {};
  onServer: (text: string) => void = () => {};

  client(chunk: Uint8Array): Uint8Array {
    this.onClient(textOf(chunk));
    return this.holds ? nothing : chunk;
  }
  server(chunk: Uint8Array): Uint8Array {
    this.onServer(textOf(chunk));
    return this.holds ? nothing : chunk;
  }
  due(): Uint8Array {
    const due = bytesOf(this.own);
    this.own = "";
    return due;
  }
  secured(): void {
    this.stage = "following";
    this.isSecured = true;
  }
  isCommitted = false;
  lost(): Uint8Array {
    return bytesOf(this.farewell);
  }
  leave(): Uint8Array {
    return bytesOf(this.farewell);
  }
}

export interface Scene {
  readonly session: Session;
  readonly client: FakeConnection;
  readonly upstream: FakeConnection;
  /** One for each server that was tried, `upstream` first. */
  readonly upstreams: readonly FakeConnection[];
  readonly pool: Pool;
  readonly watch: FakeWatch;
  readonly witness: Witness;
  readonly table: Table;
  /** What the observer heard besides the record. */
  readonly heard: unknown[][];
  /** The record, once the session has ended. */
  readonly records: SessionRecord[];
  readonly sessions: Sessions;
  /** Lets so much time pass, in milliseconds, and the sweep come. */
  pass(milliseconds: number): void;
}

const poolOptions: PoolOptions = {
  name: "p",
  servers: [serverAt("127.0.0.1", 25)],
  balance: "roundrobin",
  identity: "none",
  tls: { mode: "off", verify: "none", name: null, ca: null },
  connectTimeoutMs: 1000,
  greetTimeoutMs: 1000,
  health: defaultHealth,
  park: noPark,
};

const terms: TlsTerms = { side: "client", trust: new Trust({ verify: "none", name: null, ca: null }) };

const listener: ListenerOptions = {
  name: "smtp",
  listen: [],
  protocol: "smtp",
  proxy: null,
  tls: "off",
  ban: { action: "reply", text: null },
  smtp: defaultSmtp,
  pool: "p",
  limits: "default",
  idleTimeoutMs: 1000,
  monitors: [],
};

interface Surroundings {
  readonly bans?: Bans;
  /** How many banned clients are kept waiting already. */
  readonly tarpits?: number;
  /** `maxConnections`, of the only thread. */
  readonly places?: number;
  /** One with a server and nobody parked, if it is not given; several scenes may share one. */
  readonly pool?: Pool;
  /** Whether the first server takes the connection. */
  readonly connects?: boolean;
  readonly dialogue?: Partial<Dialogue>;
}

const nobodyBanned: Bans = { areMissingFor: () => false, judge: () => null };

/** It has no words but refusals, and takes everything for a welcome. */
const speechless: Omit<Dialogue, "watch"> = {
  refusal: (reason) => bytesOf(`421 ${reason}\r\n`),
  monitor: (up) => ({ greeting: bytesOf(`check, up: ${up}\r\n`), closing: true, feed: () => nothing }),
  greeting: () => "welcome",
  part: () => ({ goodbye: nothing, feed: () => ({ kind: "parted" }) }),
  introduce: () => ({ feed: () => ({ kind: "more", send: nothing }) }),
};

function listening(heard: unknown[][], records: SessionRecord[]): Observer {
  return {
    accepted() {},
    connected() {},
    unparked: (_, outcome) => void heard.push(["unparked", outcome]),
    limited: (_, client, { excess, count, refused }) => {
      heard.push(["limited", client.text, excess, count, refused]);
    },
    withheld: (_, event) => void heard.push(["withheld", event]),
    delivered: () => void heard.push(["delivered"]),
    login: (_, { client, ok, method, user, tls }) =>
      void heard.push(["login", client.text, ok, method, user, tls]),
    ended: (_, record) => void records.push(record),
  };
}

/** What is the same for all gates here. */
const plain = {
  index: 0,
  header: null,
  tlsToCome: null,
  upstreamTls: null,
  refusesEarlyTalk: false,
  poolIndex: 0,
  successor: null,
} as const;

/** A session up to the connected upstream, which has not greeted yet. */
export function scene(
  limits: Partial<LimitOptions> = {},
  tls: "off" | "starttls" | "implicit" = "off",
  options: Partial<ListenerOptions> = {},
  surroundings: Surroundings = {},
): Scene {
  const { bans = nobodyBanned, connects = true, pool = poolOf() } = surroundings;
  const [client, upstream, watch] = [new FakeConnection(), new FakeConnection(), new FakeWatch()];
  const upstreams: FakeConnection[] = [];
  const witnesses: Witness[] = [];
  const [heard, records]: [unknown[][], SessionRecord[]] = [[], []];
  let nowMs = 1000;
  const clock = { seconds: () => Math.floor(nowMs / 1000), milliseconds: () => nowMs };
  const table = new Table(Table.allocate({ entries: 4, threads: 1 }), 0);
  const sessions = Object.assign(new Sessions(clock), { tarpits: surroundings.tarpits ?? 0 });
  const dialogue: Dialogue = {
    ...speechless,
    ...surroundings.dialogue,
    watch: (_, witness) => {
      witnesses.push(witness);
      return watch;
    },
  };
  const gate: Gate = {
    ...plain,
    options: { ...listener, tls, ...options },
    monitors: new Networks(options.monitors ?? []),
    dialogue,
    tls: tls === "off" ? null : terms,
    bans,
    limiter: new Limiter(table, { ...defaultLimits, ...limits }, 0),
    pool,
    parking: new Parking(pool, clock),
    total: new Total(Total.allocate(1), 0, surroundings.places ?? 2000),
    wire: {
      name: "net",
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_, owner) => {
        const next = upstreams.length === 0 ? upstream : new FakeConnection();
        upstreams.push(next);
        return Object.assign(next, { owner });
      },
    },
    clock,
    sessions,
    observer: listening(heard, records),
  };
  const session = new Session(gate, client);
  session.accept();
  if (tls !== "implicit" && connects) upstream.owner.onConnect(upstream);
  return {
    session,
    client,
    upstream,
    upstreams,
    pool,
    watch,
    get witness() {
      return witnesses[0]!;
    },
    table,
    heard,
    records,
    sessions,
    pass(milliseconds) {
      nowMs += milliseconds;
      sessions.sweep();
    },
  };
}

/** The only thread's. */
export function poolOf(own: Partial<PoolOptions> = {}): Pool {
  const options = { ...poolOptions, ...own };
  return new Pool(options, Pool.allocate(options, 1), 0);
}

/** A conclusion with these words. */
export function refusal(words: string): Conclusion {
  return { outcome: "refused", reason: "protocol-violation", detail: null, words: bytesOf(words) };
}

/** A session in flow. */
export function spliced(limits: Partial<LimitOptions> = {}): Scene {
  const found = scene(limits);
  found.upstream.hear("220 hi\r\n");
  found.client.take();
  return found;
}
