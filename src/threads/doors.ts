/**
 * One thread's listening sockets, by their addresses, and which gate a connection meets that comes there.
 *
 * An address that two configurations have in common keeps its socket, so that nobody who comes meanwhile is refused: only
 * the gate behind it changes. What a configuration needs beyond that is bound before it is in force. Such a socket serves
 * at once; should the configuration come to nothing, it is closed like that of any listener which goes away, whose
 * sessions go on to their own ends.
 */
import { type Endpoint, endpointText } from "../address.ts";
import type { Gate } from "../proxy/gate.ts";
import { Session } from "../proxy/session.ts";
import { ListenError, type Listening, type Wire } from "../wire/wire.ts";
import type { Endpoints } from "./messages.ts";

type AcceptFailed = (gate: Gate, code: string) => void;

type Prepared =
  /** With their real ports. */
  | { readonly ok: true; readonly endpoints: Endpoints }
  | { readonly ok: false; readonly listener: string; readonly message: string };

interface Door {
  readonly listening: Listening;
  gate: Gate;
}

/** A door, and the gate that will be behind it. */
interface Appointment {
  readonly door: Door;
  readonly gate: Gate;
}

export class Doors {
  readonly #wire: Wire;
  readonly #acceptFailed: AcceptFailed;
  #open: readonly Door[] = [];
  #next: readonly Appointment[] = [];

  /** `acceptFailed` hears of clients that could not be accepted. */
  constructor(wire: Wire, acceptFailed: AcceptFailed) {
    this.#wire = wire;
    this.#acceptFailed = acceptFailed;
  }

  /** Binds what these gates listen on and is not bound yet; all or nothing. `endpoints` are in the gates' order. */
  async prepare(gates: readonly Gate[], endpoints: Endpoints): Promise<Prepared> {
    const next: Appointment[] = [];
    this.#next = next;
    for (const [index, gate] of gates.entries()) {
      for (const endpoint of endpoints[index]!) {
        try {
          next.push({ door: this.#at(endpoint) ?? (await this.#bind(endpoint, gate)), gate });
        } catch (error) {
          if (!(error instanceof ListenError)) throw error;
          this.abort();
          return { ok: false, listener: gate.options.name, message: error.message };
        }
      }
    }
    const bound = next.values();
    return {
      ok: true,
      endpoints: endpoints.map((asked) => asked.map(() => bound.next().value!.door.listening.endpoint)),
    };
  }

  /** What was prepared is in force, and what it does not need is closed. */
  commit(): void {
    const doors = this.#next.map(({ door }) => door);
    for (const { door, gate } of this.#next) door.gate = gate;
    closeAll(this.#open.filter((door) => !doors.includes(door)));
    this.#open = doors;
    this.#next = [];
  }

  abort(): void {
    closeAll(this.#next.map(({ door }) => door).filter((door) => !this.#open.includes(door)));
    this.#next = [];
  }

  close(): void {
    this.abort();
    closeAll(this.#open);
    this.#open = [];
  }

  #at(endpoint: Endpoint): Door | undefined {
    const text = endpointText(endpoint);
    return this.#open.find(({ listening }) => endpointText(listening.endpoint) === text);
  }

  async #bind(endpoint: Endpoint, gate: Gate): Promise<Door> {
    const behind = { gate };
    const listening = await this.#wire.listen({
      endpoint,
      reusePort: true,
      onConnection: (connection) => new Session(behind.gate, connection).accept(),
      onAcceptError: (code) => this.#acceptFailed(behind.gate, code),
    });
    return Object.assign(behind, { listening });
  }
}

function closeAll(doors: readonly Door[]): void {
  for (const { listening } of doors) listening.close();
}
