/**
 * One thread's listening sockets, by their addresses, and which gate a connection meets that comes there.
 *
 * An address that two configurations have in common keeps its socket, so that nobody who comes meanwhile is refused: only
 * the gate behind it changes. What a configuration needs beyond that is bound before it is in force. Such a socket serves
 * at once; should the configuration come to nothing, it is closed like that of any listener which goes away, whose
 * sessions go on to their own ends.
 *
 * Sockets that the process was given are shared out among the threads, and each is opened before anything is bound. A
 * thread that has none of an address binds one beside them; where it may not, as when a service manager has bound the
 * others as another user, it leaves that address to the threads that have.
 */
import { type Endpoint, endpointText } from "../address.ts";
import type { Gate } from "../proxy/gate.ts";
import { Session } from "../proxy/session.ts";
import { ListenError, type Listening, type Wire } from "../wire/wire.ts";
import type { Endpoints, Share } from "./messages.ts";

interface DoorsOptions {
  readonly wire: Wire;
  readonly inherited: readonly Share[];
  /** A client could not be accepted. */
  acceptFailed(gate: Gate, code: string): void;
  /** An address is left to the other threads. */
  leftOut(gate: Gate, error: ListenError): void;
}

type Prepared =
  /** With their real ports. */
  | { readonly ok: true; readonly endpoints: Endpoints }
  | { readonly ok: false; readonly listener: string; readonly message: string };

interface Door {
  /** With the real port. */
  readonly endpoint: Endpoint;
  /** More than one where the process that gave them had more threads; none where they are all other threads'. */
  readonly listening: readonly Listening[];
  gate: Gate;
}

/** A door, and the gate that will be behind it. */
interface Appointment {
  readonly door: Door;
  readonly gate: Gate;
}

export class Doors {
  readonly #options: DoorsOptions;
  #inherited: readonly Share[];
  #open: readonly Door[] = [];
  #next: readonly Appointment[] = [];

  constructor(options: DoorsOptions) {
    this.#options = options;
    this.#inherited = options.inherited;
  }

  /** Of all sockets that are in force. */
  get descriptors(): readonly number[] {
    return this.#open.flatMap(({ listening }) => listening.map(({ descriptor }) => descriptor));
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
      endpoints: endpoints.map((asked) => asked.map(() => bound.next().value!.door.endpoint)),
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
    return this.#open.find((door) => endpointText(door.endpoint) === text);
  }

  async #bind(endpoint: Endpoint, gate: Gate): Promise<Door> {
    const { wire, acceptFailed, leftOut } = this.#options;
    const behind = { gate };
    const listen = (descriptor: number | null) =>
      wire.listen({
        endpoint,
        reusePort: true,
        descriptor,
        onConnection: (connection) => new Session(behind.gate, connection).accept(),
        onAcceptError: (code) => acceptFailed(behind.gate, code),
      });
    const text = endpointText(endpoint);
    const given = this.#inherited.filter((share) => endpointText(share.endpoint) === text);
    const own = given.map(({ descriptor }) => descriptor).filter((descriptor) => descriptor !== null);
    // What comes here later is bound: by then these may have been closed, by a reload or with a thread that died.
    this.#inherited = this.#inherited.filter((share) => !given.includes(share));
    const listening: Listening[] = [];
    try {
      for (const descriptor of own.length === 0 ? [null] : own) listening.push(await listen(descriptor));
    } catch (error) {
      closeAll([{ listening }]);
      if (given.length === 0 || own.length > 0 || !(error instanceof ListenError)) throw error;
      leftOut(gate, error);
    }
    return Object.assign(behind, { listening, endpoint: listening[0]?.endpoint ?? endpoint });
  }
}

function closeAll(doors: readonly Pick<Door, "listening">[]): void {
  for (const { listening } of doors) for (const one of listening) one.close();
}
