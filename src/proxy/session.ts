/**
 * One client's way through the gateway. The methods stand in the order of the way, and the first refusal ends it:
 *
 * accept (total cap, trusted peer) → PROXY header → health checks, which leave the way here → ban list → limits → TLS,
 * where it comes first and ends here → a wait for a server → connect → identity → splice → close → one record.
 *
 * The session decides and remembers; the bytes of each step belong to that step's own owner (`Arrival`, `Monitor`,
 * `Handshake`, `Banishment`, `Approach`, `Splice`, `Farewell`), which calls back here. A session never leaves its thread,
 * and whatever happens it is settled once: lease and count given back, both sockets closed, one record written.
 */
import type { AddressAndPort } from "../address.ts";
import type { Conclusion, Introduction } from "../dialogue.ts";
import { nothing } from "../lines.ts";
import type { Outcome, Reason, SpokenReason } from "../outcome.ts";
import type { Ban, ImapTally, Inspected, SessionRecord, SmtpTally } from "../record.ts";
import type { Connection, TlsFacts } from "../wire/wire.ts";
import { Arrival } from "./arrival.ts";
import { Banishment } from "./banishment.ts";
import { Farewell } from "./farewell.ts";
import type { Bans, Gate } from "./gate.ts";
import { Handshake } from "./handshake.ts";
import type { Header } from "./header.ts";
import { Monitor } from "./monitor.ts";
import type { Protocol } from "./options.ts";
import { AFTER_UPSTREAM_MS, FAREWELL_MS, firstSilenceMs, isUngreeted, type Phase } from "./phases.ts";
import { Place } from "./place.ts";
import { Search } from "./search.ts";
import { SWEEP_MS, type Sweepable } from "./sessions.ts";
import { Splice } from "./splice.ts";
import { Tally } from "./tally.ts";

type Ending = Pick<SessionRecord, "outcome" | "reason" | "detail">;

export class Session implements Sweepable, SessionRecord {
  readonly id: string;
  gate: Gate;
  slot = -1;
  deadlineMs = Number.POSITIVE_INFINITY;
  peer: AddressAndPort | null = null;
  client: AddressAndPort | null = null;
  outcome: Outcome = "closed";
  reason: Reason | null = null;
  detail: string | null = null;
  durationMs = 0;
  parkedMs: number | null = null;
  bytesIn = 0;
  bytesOut = 0;
  inspected: Inspected = "none";
  ban: Ban | null = null;
  readonly search: Search;
  readonly #connection: Connection;
  readonly #startedMs: number;
  readonly #place: Place;
  #phase: Phase = "header";
  #destination: AddressAndPort | null = null;
  #splice: Splice | null = null;
  /** Null before there is a client. */
  #tally: Tally | null = null;
  /** How long it may be silent from now on. */
  #silenceMs: number;

  constructor(gate: Gate, connection: Connection) {
    this.id = gate.sessions.nextId();
    this.gate = gate;
    this.#connection = connection;
    this.#place = new Place(gate);
    this.#startedMs = gate.clock.milliseconds();
    this.#silenceMs = firstSilenceMs(gate);
    this.search = new Search(this);
  }

  get server(): string | null {
    return this.search.serverName;
  }

  /** Of the client's connection, where TLS ends here. */
  get tls(): TlsFacts | null {
    return this.#connection.tls;
  }

  get smtp(): SmtpTally | null {
    return this.#tallyOf("smtp");
  }

  get imap(): ImapTally | null {
    return this.#tallyOf("imap");
  }

  get phase(): Phase {
    return this.#phase;
  }

  accept(): void {
    const { gate } = this;
    gate.sessions.add(this);
    gate.observer.accepted(gate);
    this.peer = this.#connection.peer();
    // A peer that was gone before it could be asked for is heard, as its last words may be those of a health check.
    const isTrusted = this.peer === null || gate.header?.from.contains(this.peer.address) !== false;
    if (!isTrusted) return this.reject("proxy-untrusted");
    if (this.#place.isCrowdedOut) return this.#end("refused", "max-connections");
    if (gate.header === null) return this.#admitPeer();
    this.await("header", gate.header.timeoutMs);
    this.#connection.owner = new Arrival(this);
    this.#connection.start();
  }

  /** The header is whole; `surplus` came behind it and is the session's. */
  arrived(header: Header, surplus: Uint8Array): void {
    if (header.command === "local") return new Monitor(this).begin(this.#connection, surplus);
    this.#admit(header.source, header.destination, surplus);
  }

  #admitPeer(): void {
    const destination = this.#connection.local();
    if (this.peer === null || destination === null) return this.#end("closed", null);
    this.#admit(this.peer, destination, nothing);
  }

  #admit(client: AddressAndPort, destination: AddressAndPort, surplus: Uint8Array): void {
    const { gate } = this;
    const isMonitor = gate.monitors.contains(client.address);
    // Of a peer that is gone already nothing is taken for true; a check may be that short.
    if (this.peer === null && !isMonitor) return this.#end("closed", null);
    this.client = client;
    this.#destination = destination;
    if (isMonitor) return new Monitor(this).begin(this.#connection, surplus);
    this.ban = gate.bans.judge(client.address, gate.clock.seconds());
    const { isTaken } = this.#place;
    if (this.ban !== null) return new Banishment(this).begin(this.ban, this.#connection, isTaken);
    if (gate.bans.areMissingFor(client.address)) return this.refuse("ban-list-missing");
    if (!isTaken) return this.refuse("max-connections");
    const admission = gate.limiter.connect(client.address, gate.clock.seconds());
    const { excess, refused, lease } = admission;
    this.#tally = new Tally(gate, { client: client.address, lease }, this);
    // A table full of others is nothing that this client has done.
    if (excess === "max-connections" && refused) return this.refuse(excess, "the table of clients is full");
    if (excess !== null) gate.observer.limited(gate, client.address, admission);
    if (excess !== null && refused) return this.refuse(excess);
    if (gate.options.tls === "implicit") this.#secureFirst(surplus);
    else this.#listen(surplus);
  }

  /** TLS comes before everything else: a client that may not have it gets no word, since none could be read. */
  #secureFirst(surplus: Uint8Array): void {
    const securing = this.#tally!.securing();
    if (securing === "limited") return this.reject("new-tls-session-rate");
    if (securing === "busy") return this.reject("tls-handshake", "too many at once");
    this.#handshake(surplus, () => this.#listen(nothing));
  }

  /** The client is heard, as far as it may be before there is an upstream; `surplus` it has said already. */
  #listen(surplus: Uint8Array): void {
    const watch = this.gate.dialogue?.watch(this.client!.address, this.#tally!) ?? null;
    this.#splice = new Splice(this, this.#connection, watch);
    this.#connection.owner = this.#splice;
    if (surplus.length > 0) this.#splice.onData(this.#connection, surplus);
    if (this.#phase === "farewell" || this.#phase === "over") return;
    this.#connection.start();
    this.search.begin();
  }

  #handshake(surplus: Uint8Array, then: () => void): void {
    new Handshake(this, this.#tally!, then).begin(this.#connection, surplus);
  }

  /** The client was told to begin TLS. */
  secure(): void {
    this.#handshake(nothing, () => this.#splice!.secured());
  }

  /** No server can take it yet. */
  park(timeoutMs: number): void {
    this.await("parked", timeoutMs);
    this.#splice!.park();
  }

  /** The upstream connection is there. Returns what the upstream is to be told. */
  reached(): Introduction {
    this.search.reached();
    this.await("greet", this.gate.pool.options.greetTimeoutMs);
    const tls = this.tls ?? this.gate.tlsToCome;
    return { client: this.client!, destination: this.#destination!, sessionId: this.id, tls };
  }

  /** The identity is out; `greeting` is what the client sees first, null where it is not waited for. */
  introduced(greeting: Uint8Array | null): void {
    this.search.succeeded();
    this.#splice!.open(this.search.connection!, greeting);
  }

  /** The client may be heard. */
  greeted(): void {
    if (this.gate.dialogue !== null) this.inspected = "full";
    this.flow();
  }

  /** Either side is awaited, from now on. */
  flow(): void {
    this.#enter("splice");
    this.touch();
  }

  /** From here on bytes pass unread: behind STARTTLS, or behind an IMAP login, up to which all was read. */
  becameOpaque(): void {
    this.#silenceMs = this.gate.options.idleTimeoutMs;
    this.touch();
    if ((this.imap?.logins ?? 0) === 0) this.inspected = "until-starttls";
  }

  /** Bytes have flowed. */
  touch(): void {
    if (this.#phase === "pause") return;
    this.deadlineMs = this.gate.sessions.nowMs + SWEEP_MS + this.#silenceMs;
  }

  /** The upstream has ended, and the client has all that it said. */
  upstreamEnded(): void {
    if (this.#phase !== "splice") return;
    this.#silenceMs = Math.min(this.#silenceMs, AFTER_UPSTREAM_MS);
    this.touch();
  }

  /** Refused without a byte, as before a header, or before TLS, where none could be read. */
  reject(reason: Reason, detail: string | null = null): void {
    this.#end("refused", reason, detail);
  }

  /** Postern refuses, in the protocol's words where it has any. */
  refuse(reason: SpokenReason, detail: string | null = null): void {
    const words = this.gate.dialogue?.refusal(reason, this.client?.address ?? null);
    this.#dismiss({ outcome: "refused", reason, detail }, words);
  }

  /** The upstream or the identity failed before the client has seen a byte. */
  fail(reason: SpokenReason, detail: string | null = null): void {
    this.#dismiss({ outcome: "failed", reason, detail }, this.gate.dialogue?.refusal(reason, null));
  }

  /** Ends with these words, which are not ours to choose: an upstream's, or the dialogue's. */
  concluded({ words, ...ending }: Ending & Pick<Conclusion, "words">): void {
    this.#dismiss(ending, words);
  }

  /** The upstream broke while bytes flowed: what it said is still the client's to have, and then `words`. */
  broken(words: Uint8Array): void {
    this.#settle({ outcome: "failed", reason: "upstream-unavailable", detail: null });
    if (!this.#canBeTold) return this.#close();
    this.bytesOut += words.length;
    this.#connection.write(words);
    new Farewell(this).begin(this.#connection);
  }

  expire(): void {
    switch (this.#phase) {
      case "header":
        return this.reject("proxy-timeout");
      case "parked":
      case "connect":
      case "greet":
        return this.search.expire();
      case "handshake":
        return this.#connection.owner.onError(this.#connection, "timeout");
      case "pause":
        if (this.ban !== null) return this.#sendAway();
        this.flow();
        return this.#splice!.resume();
      case "splice":
        return this.#splice!.expire();
      case "tarpit":
        return this.refuse("banned");
      case "monitor":
      case "farewell":
      case "over":
        return this.stop("timeout");
      default:
        return this.#phase satisfies never;
    }
  }

  /** One that waits to hear whether its message was taken hears that first, and may say nothing else. */
  recheck(bans: Bans): boolean {
    if (this.#tally === null || this.#phase === "farewell" || this.#phase === "over") return false;
    const isHeld = this.ban !== null;
    const ban = bans.judge(this.client!.address, this.gate.clock.seconds());
    this.ban = ban?.tarpits === true ? null : ban;
    if (this.ban === null && isHeld) this.await("pause", 0);
    if (this.ban === null) return false;
    if (this.#splice?.isCommitted !== true) this.#sendAway();
    else if (this.#phase !== "pause") {
      this.await("pause", this.gate.options.idleTimeoutMs);
      this.#connection.stop();
    }
    return true;
  }

  #sendAway(): void {
    const words = this.#leave;
    if (this.#flows) this.concluded({ outcome: "refused", reason: "banned", detail: null, words });
    else this.refuse("banned");
  }

  get awaitsLogin(): boolean {
    return this.gate.options.protocol === "imap" && this.#leave.length > 0;
  }

  cut(): void {
    const words = this.#leave;
    if (isUngreeted(this.#phase)) this.fail("upstream-unavailable", "draining");
    else if (words.length === 0) return this.stop("drained");
    else this.concluded({ outcome: "drained", reason: null, detail: null, words });
    if (this.#phase === "farewell") this.await("farewell", FAREWELL_MS);
  }

  /** What the client may be told while the session is in flow; nothing where it cannot be. */
  get #leave(): Uint8Array {
    return this.#flows ? this.#splice!.leave() : nothing;
  }

  get #flows(): boolean {
    return this.#phase === "splice" || this.#phase === "pause";
  }

  /** Ends it as it stands, with `outcome` where nothing else is decided yet. */
  stop(outcome: Outcome = "closed"): void {
    if (this.#phase === "over") return;
    const conclusion = this.#splice?.conclusion ?? null;
    if (this.#phase === "farewell") this.#close();
    else if (conclusion !== null && outcome !== "drained") this.concluded(conclusion);
    else this.#end(this.#phase === "monitor" ? "healthcheck" : outcome, null);
  }

  #tallyOf(protocol: Protocol): Tally | null {
    return this.gate.options.protocol === protocol && this.inspected !== "none" ? this.#tally : null;
  }

  #enter(phase: Phase): void {
    this.gate.sessions.changed(this.#phase, phase);
    this.#phase = phase;
  }

  /** What is waited for from now on, and for how long. */
  await(phase: Phase, timeoutMs: number): void {
    this.#enter(phase);
    this.deadlineMs = this.gate.clock.milliseconds() + timeoutMs;
  }

  #end(outcome: Outcome, reason: Reason | null, detail: string | null = null): void {
    this.#settle({ outcome, reason, detail });
    this.#close();
  }

  /** How it ended is decided: the client's place is free from here on, whatever it still has to read. */
  #settle({ outcome, reason, detail }: Ending): void {
    this.outcome = outcome;
    this.reason = reason;
    this.detail = detail;
    this.search.end();
    this.#tally?.leave({ refused: outcome === "refused", bytes: this.bytesIn + this.bytesOut });
  }

  /** Ends with these last words; at once where there are none. */
  #dismiss(ending: Ending, words: Uint8Array | undefined): void {
    this.#settle(ending);
    if (words === undefined || !this.#canBeTold) return this.#close();
    this.bytesOut += words.length;
    this.#connection.write(words);
    this.#place.leave();
    if (this.#place.isCrowdedOut) this.#close();
    else new Farewell(this).begin(this.#connection);
  }

  /** Cleartext is not read where TLS has to come, and nothing is while it begins. */
  get #canBeTold(): boolean {
    if (this.#phase === "handshake") return false;
    return this.gate.options.tls !== "implicit" || this.#connection.tls !== null;
  }

  #close(): void {
    const { gate } = this;
    this.#enter("over");
    this.#connection.close();
    this.durationMs = Math.round(gate.clock.milliseconds() - this.#startedMs);
    this.#place.close();
    gate.observer.ended(gate, this);
    gate.sessions.remove(this);
  }
}
