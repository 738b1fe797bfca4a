/**
 * One check of one server: a whole conversation, as short as its protocol has one, and never a connection that is only
 * opened and closed, which servers log, count, or die of.
 *
 * The server is approached as for a session: it is told of a client (the pool's `logIdentity`, by which an operator knows
 * checks in the server's log), and TLS begins where it has to. Then its whole greeting is heard, which decides, and leave is taken.
 * Where the protocol is not known, whatever comes first is the greeting, and none at all is as good as one.
 *
 * - `approach`: the server is connected to and told of the client: by a PROXY header up to its greeting's first line, by an
 *   exchange of its own protocol's to the end of that.
 * - `greeting`: the rest of it.
 * - `parting`: the goodbye is said, and the verdict there; the server ends the connection.
 * - `over`: it is closed.
 *
 * With its first byte a server has shown that it is there, and has the sessions' time for the rest of its greeting and for
 * the exchange: postscreen holds the last line back for six seconds, and takes whoever leaves before for a client that
 * hung up.
 */
import { Address, type Endpoint } from "../address.ts";
import type { Cancel, Timers } from "../clock.ts";
import type { Dialogue, Introduction, Parting } from "../dialogue.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { Connection, ConnectionOwner, TlsTerms, Wire } from "../wire/wire.ts";
import { Approach, type Approaching } from "./identity.ts";

/** What all checks of a pool have in common. */
export interface ProbeTerms {
  readonly wire: Wire;
  readonly timers: Timers;
  readonly options: Pick<PoolOptions, "identity" | "tls" | "greetTimeoutMs" | "health">;
  /** Null: the protocol is not known. */
  readonly dialogue: Dialogue | null;
  /** Null: no TLS is begun. */
  readonly upstreamTls: TlsTerms | null;
}

/** In the servers' logs, where sessions have their ids. */
const CHECK_ID = "check";

type Phase = "approach" | "greeting" | "parting" | "over";

/** Asks the server at `endpoint` whether it takes sessions; `done` is told why it does not, or null. */
export class Probe implements Approaching, ConnectionOwner {
  readonly gate: Approaching["gate"];
  readonly #terms: ProbeTerms;
  readonly #endpoint: Endpoint;
  readonly #done: (fault: string | null) => void;
  readonly #parting: Parting | null;
  readonly #connection: Connection;
  #isHeard = false;
  #phase: Phase = "approach";
  #fault: string | null = null;
  #cancel: Cancel;

  constructor(terms: ProbeTerms, endpoint: Endpoint, done: (fault: string | null) => void) {
    const { wire, timers, options, dialogue, upstreamTls } = terms;
    this.#terms = terms;
    this.#endpoint = endpoint;
    this.#done = done;
    this.#parting = dialogue?.part() ?? null;
    this.gate = { pool: { options }, dialogue, upstreamTls };
    this.#cancel = timers.after(options.health.timeoutMs, () => this.#expire());
    this.#connection = wire.connect(endpoint, new PatientApproach(this));
  }

  /** Whether the server has said anything yet. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  /** It says something, for the first time or not. */
  hear(): void {
    if (this.#isHeard) return;
    const { options } = this.#terms;
    this.#isHeard = true;
    this.#await(Math.max(options.health.timeoutMs, options.greetTimeoutMs));
  }

  reached(): Introduction {
    const { logIdentity } = this.#terms.options.health;
    const { host, port } = this.#endpoint;
    return {
      // The port of this end leads from the server's log to the connection.
      client: { address: Address.parse(logIdentity)!, port: this.#connection.local()?.port ?? 0 },
      destination: { address: Address.parse(host)!, port },
      sessionId: CHECK_ID,
      tls: null,
    };
  }

  /** The server does not go on as it should, and is told goodbye. */
  fail(reason: string, detail: string | null = null): void {
    this.#part(detail ?? reason);
  }

  /** It does not take this client, and has said so: which is a greeting too. */
  concluded({ words }: { readonly words: Uint8Array }): void {
    this.introduced(words);
  }

  introduced(greeting: Uint8Array | null): void {
    this.#connection.owner = this;
    this.#phase = "greeting";
    if (this.#parting === null) this.#await(this.#terms.options.health.timeoutMs);
    if (greeting !== null) this.onData(this.#connection, greeting);
    this.#connection.start();
  }

  /** No greeting will come. */
  failed(reason: string, detail: string | null): void {
    this.#close(detail ?? reason);
  }

  /** Of which the greeting tells more. */
  refused(): boolean {
    return false;
  }

  onConnect(): void {}

  onData(_connection: Connection, bytes: Uint8Array): void {
    if (this.#parting === null) return this.#part(null);
    const step = this.#parting.feed(bytes);
    switch (step.kind) {
      case "waiting":
        return;
      case "greeted":
        return this.#part(null);
      case "refused":
        return this.#part(step.detail);
      case "parted":
        return this.#connection.end();
      default:
        return step satisfies never;
    }
  }

  onEnd(): void {
    this.#close(this.#phase === "greeting" ? "closed by the upstream before it had greeted" : null);
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    this.#close(this.#phase === "greeting" ? code : null);
  }

  /** Ends it at once, and tells nobody. */
  close(): void {
    this.#phase = "over";
    this.#cancel();
    this.#connection.close();
  }

  /** The verdict is there: the first one counts. */
  #part(fault: string | null): void {
    if (this.#phase === "parting" || this.#phase === "over") return;
    this.#phase = "parting";
    this.#fault = fault;
    this.#await(this.#terms.options.health.timeoutMs);
    this.#connection.owner = this;
    if (this.#parting === null) this.#connection.end();
    else this.#connection.write(this.#parting.goodbye);
    this.#connection.start();
  }

  #expire(): void {
    if (this.#phase === "greeting" && this.#parting === null) return this.#part(null);
    this.#close(this.#phase === "parting" ? null : "timeout");
  }

  #await(milliseconds: number): void {
    this.#cancel();
    this.#cancel = this.#terms.timers.after(milliseconds, () => this.#expire());
  }

  #close(fault: string | null): void {
    if (this.#phase === "over") return;
    const verdict = this.#phase === "parting" ? this.#fault : fault;
    this.close();
    this.#done(verdict);
  }
}

/** Has the check hear that the server speaks. */
class PatientApproach extends Approach {
  readonly #probe: Probe;

  constructor(check: Probe) {
    super(check, check);
    this.#probe = check;
  }

  override onData(connection: Connection, bytes: Uint8Array): void {
    this.#probe.hear();
    super.onData(connection, bytes);
  }
}
