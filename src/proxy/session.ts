/**
 * One client's way through the gateway. The methods stand in the order of the way, and the first refusal ends it:
 *
 * accept (total cap, trusted peer) → PROXY header → limits → connect → identity → splice → close → one record.
 *
 * The session decides and remembers; the bytes of each step belong to that step's own owner (`Arrival`, `Monitor`,
 * `Approach`, `Splice`, `Farewell`), which calls back here. A session never leaves its thread, and whatever happens it is
 * settled once: lease and count given back, both sockets closed, one record written.
 */
import type { Address, AddressAndPort } from "../address.ts";
import type { Introduction, Watch } from "../dialogue.ts";
import type { EndReason, Outcome } from "../outcome.ts";
import type { Server } from "../pools/pool.ts";
import type { Inspected, SessionRecord, SmtpTally } from "../record.ts";
import type { Connection } from "../wire/wire.ts";
import { Arrival } from "./arrival.ts";
import { Farewell } from "./farewell.ts";
import type { Gate } from "./gate.ts";
import type { Header } from "./header.ts";
import { Approach } from "./identity.ts";
import { Monitor } from "./monitor.ts";
import type { Sweepable } from "./sessions.ts";
import { Splice } from "./splice.ts";
import { Tally } from "./tally.ts";

/** What a connect can fail with while its server is well. */
const OUR_OWN_FAULTS: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
]);

/** So many connections over the cap are still told so; those beyond are closed without a word. */
export const OVER_CAP_MAX = 128;

/** A refused client has this long to read its refusal and to close. */
const FAREWELL_MS = 2000;

const EMPTY = new Uint8Array(0);

/** How long a load balancer's check may converse. */
const MONITOR_MS = 30_000;

/** Once one side has ended, the other may be silent for this long at most. */
const HALF_CLOSED_MS = 30_000;

/**
 * What the session waits for, and so what its deadline means.
 *
 * - `header`: the PROXY header.
 * - `monitor`: a load balancer's check converses with postern itself.
 * - `connect`: an upstream connection.
 * - `greet`: the upstream's greeting, and its belief in the identity.
 * - `splice`: either side; bytes flow.
 * - `farewell`: the client, to read what it was refused with; the lease is given back already.
 * - `over`: nothing; all is given back.
 */
type Phase = "header" | "monitor" | "connect" | "greet" | "splice" | "farewell" | "over";

export class Session implements Sweepable, SessionRecord {
  readonly id: string;
  readonly gate: Gate;
  slot = -1;
  deadlineMs = Number.POSITIVE_INFINITY;
  peer: AddressAndPort | null = null;
  client: AddressAndPort | null = null;
  outcome: Outcome = "closed";
  reason: EndReason | null = null;
  detail: string | null = null;
  durationMs = 0;
  bytesIn = 0;
  bytesOut = 0;
  inspected: Inspected = "none";
  readonly #connection: Connection;
  readonly #startedMs: number;
  #phase: Phase = "header";
  #destination: AddressAndPort | null = null;
  #splice: Splice | null = null;
  /** Null where there is no dialogue, or not yet a client. */
  #tally: Tally | null = null;
  #upstream: Connection | null = null;
  #connectingMs = 0;
  #server: Server | null = null;
  /** Those that could not be connected to; null while all went well. */
  #serversTried: Set<Server> | null = null;
  /** -1: none. */
  #lease = -1;

  constructor(gate: Gate, connection: Connection) {
    this.id = gate.sessions.nextId();
    this.gate = gate;
    this.#connection = connection;
    this.#startedMs = gate.clock.milliseconds();
  }

  get server(): string | null {
    return this.#server?.name ?? null;
  }

  get smtp(): SmtpTally | null {
    return this.gate.options.protocol === "smtp" && this.inspected !== "none" ? this.#tally : null;
  }

  accept(): void {
    const { gate } = this;
    gate.sessions.add(this);
    gate.observer.accepted(gate);
    const overCap = gate.total.enter();
    this.peer = this.#connection.peer();
    if (overCap > OVER_CAP_MAX) return this.#end("refused", "max-connections");
    if (overCap > 0) return this.refuse("max-connections");
    if (gate.header === null) return this.#admitPeer();
    // A peer that was gone before it could be asked for is heard, as its last words may be those of a health check.
    if (this.peer !== null && !gate.header.from.contains(this.peer.address))
      return this.reject("proxy-untrusted");
    this.#await("header", gate.header.timeoutMs);
    this.#connection.owner = new Arrival(this);
    this.#connection.start();
  }

  /** The header is whole; `surplus` came behind it and is the session's. */
  arrived(header: Header, surplus: Uint8Array): void {
    if (header.command === "local") return this.#answer(surplus);
    if (this.peer === null) return this.#end("closed", null);
    this.#admit(header.source, header.destination, surplus);
  }

  /** The load balancer itself asks: no upstream hears of it, no client is counted. */
  #answer(surplus: Uint8Array): void {
    const { gate } = this;
    const up = !gate.pool.isDown(gate.clock.seconds());
    if (gate.dialogue === null && !up) return this.#end("healthcheck", null);
    this.#await("monitor", gate.dialogue === null ? gate.options.idleTimeoutMs : MONITOR_MS);
    const monitor = new Monitor(this, gate.dialogue?.monitor(up) ?? null);
    this.#connection.owner = monitor;
    monitor.begin(this.#connection, surplus);
  }

  #admitPeer(): void {
    const destination = this.#connection.local();
    if (this.peer === null || destination === null) return this.#end("closed", null);
    this.#admit(this.peer, destination, EMPTY);
  }

  #admit(client: AddressAndPort, destination: AddressAndPort, surplus: Uint8Array): void {
    const { gate } = this;
    this.client = client;
    this.#destination = destination;
    const admission = gate.limiter.connect(client.address, gate.clock.seconds());
    this.#lease = admission.lease;
    if (admission.excess !== null) {
      gate.observer.limited(gate, client.address, admission);
      if (admission.refused) return this.refuse(admission.excess);
    }
    this.#splice = new Splice(this, this.#connection, this.#watch(client.address, admission.lease));
    this.#connection.owner = this.#splice;
    if (surplus.length > 0) this.#splice.onData(this.#connection, surplus);
    this.#connection.start();
    this.#connect("upstream-unavailable", null);
  }

  #watch(client: Address, lease: number): Watch | null {
    const { gate } = this;
    if (gate.dialogue === null) return null;
    this.#tally = new Tally(gate, { client, lease });
    return gate.dialogue.watch(client, this.#tally);
  }

  /** Tries the next server; when none is left the client is told so, and `reason` and `detail` say why. */
  #connect(reason: EndReason, detail: string | null): void {
    const { gate } = this;
    const server = gate.pool.pick(this.#serversTried, gate.clock.seconds());
    if (server === null) return this.fail(reason, detail);
    this.#server = server;
    this.#await("connect", gate.pool.options.connectTimeoutMs);
    this.#connectingMs = gate.clock.milliseconds();
    this.#upstream = gate.wire.connect(server.endpoint, new Approach(this));
  }

  /** The server could not be connected to; `code` is the system's, null where it did not answer in time. */
  unreachable(reason: EndReason, code: string | null): void {
    const server = this.#server!;
    if (code === null || !OUR_OWN_FAULTS.has(code)) this.gate.pool.failed(server, this.gate.clock.seconds());
    this.#serversTried ??= new Set();
    this.#serversTried.add(server);
    this.#upstream?.close();
    this.#upstream = null;
    this.#connect(reason, code);
  }

  /** The upstream connection is there. Returns what the upstream is to be told. */
  reached(): Introduction {
    const { gate } = this;
    gate.pool.succeeded(this.#server!);
    gate.observer.connected(gate, gate.clock.milliseconds() - this.#connectingMs);
    this.#await("greet", gate.pool.options.greetTimeoutMs);
    return { client: this.client!, destination: this.#destination!, sessionId: this.id };
  }

  /** The identity is out; with `greeting` the upstream has answered to it, and this is what the client sees first. */
  introduced(greeting: Uint8Array | null): void {
    this.#splice!.open(this.#upstream!, greeting);
  }

  /** The client may be heard. */
  greeted(): void {
    this.#phase = "splice";
    if (this.#tally !== null) this.inspected = "full";
    this.touch();
  }

  /** From here on bytes pass unread. */
  becameOpaque(): void {
    this.inspected = "until-starttls";
  }

  /** Bytes have flowed. */
  touch(): void {
    this.deadlineMs = this.gate.sessions.nowMs + this.gate.options.idleTimeoutMs;
  }

  /** One side has ended and the other has not yet. */
  halfClosed(): void {
    if (this.#phase === "splice")
      this.#await("splice", Math.min(HALF_CLOSED_MS, this.gate.options.idleTimeoutMs));
  }

  /** The header is not taken: closed without a byte, as nothing may be said before a header. */
  reject(reason: EndReason): void {
    this.#end("refused", reason);
  }

  /** Postern refuses, in the protocol's words where it has any. */
  refuse(reason: EndReason, detail: string | null = null): void {
    this.#settle("refused", reason, detail);
    this.#dismiss(this.gate.dialogue?.refusal(reason, this.client?.address ?? null) ?? null);
  }

  /** The dialogue has refused to go on, in its own words, which are said. */
  concluded(detail: string | null): void {
    this.#settle("refused", "protocol-violation", detail);
    this.#dismiss(EMPTY);
  }

  /** The upstream or the identity failed before the client has seen a byte. */
  fail(reason: EndReason, detail: string | null = null): void {
    this.#settle("failed", reason, detail);
    this.#dismiss(this.gate.dialogue?.refusal(reason, null) ?? null);
  }

  /** The upstream itself does not want this client: the client is told in the upstream's own words. */
  declined(reply: Uint8Array): void {
    this.#settle("failed", "upstream-unavailable", "declined by the upstream");
    this.#dismiss(reply);
  }

  /** The check has its answer. */
  answered(reply: Uint8Array): void {
    this.#settle("healthcheck", null, null);
    this.#dismiss(reply);
  }

  /** Both sides have ended, or the client has gone. */
  closed(): void {
    if (this.#phase === "monitor") this.#end("healthcheck", null);
    else if (this.#phase === "farewell") this.#close();
    else this.#end("closed", null);
  }

  /** The upstream broke while bytes flowed. */
  broken(): void {
    this.#end("failed", "upstream-unavailable");
  }

  expire(): void {
    switch (this.#phase) {
      case "header":
        return this.reject("proxy-timeout");
      case "monitor":
        return this.#end("healthcheck", null);
      case "connect":
        return this.unreachable("upstream-timeout", null);
      case "greet":
        return this.fail("upstream-timeout");
      case "splice":
        return this.#end("timeout", null);
      case "farewell":
        return this.#close();
      case "over":
        return;
      default:
        return this.#phase satisfies never;
    }
  }

  cut(): void {
    if (this.#phase === "farewell") this.#close();
    else this.#end("drained", null);
  }

  #await(phase: Phase, timeoutMs: number): void {
    this.#phase = phase;
    this.deadlineMs = this.gate.clock.milliseconds() + timeoutMs;
  }

  #end(outcome: Outcome, reason: EndReason | null): void {
    this.#settle(outcome, reason, null);
    this.#close();
  }

  /** How it ended is decided: the client's place is free from here on, whatever it still has to read. */
  #settle(outcome: Outcome, reason: EndReason | null, detail: string | null): void {
    this.outcome = outcome;
    this.reason = reason;
    this.detail = detail;
    this.#upstream?.close();
    this.#upstream = null;
    if (this.#lease < 0) return;
    const messages = this.#tally?.mails ?? 0;
    const ended = { refused: outcome === "refused", messages, bytes: this.bytesIn + this.bytesOut };
    this.gate.limiter.disconnect(this.#lease, ended, this.gate.clock.seconds());
    this.#lease = -1;
  }

  /**
   * Says the last words, if any, and waits a little for the client to have read them: a socket that is closed over bytes
   * that nobody read is reset, and a reset overtakes the words.
   */
  #dismiss(words: Uint8Array | null): void {
    if (words === null) return this.#close();
    this.#await("farewell", FAREWELL_MS);
    this.#connection.owner = new Farewell(this);
    this.bytesOut += words.length;
    this.#connection.write(words);
    this.#connection.end();
    this.#connection.start();
  }

  #close(): void {
    const { gate } = this;
    this.#phase = "over";
    this.#connection.close();
    this.durationMs = Math.round(gate.clock.milliseconds() - this.#startedMs);
    gate.total.leave();
    gate.observer.ended(gate, this);
    gate.sessions.remove(this);
  }
}
