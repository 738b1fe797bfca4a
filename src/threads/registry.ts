/**
 * Numbers for what configurations name: a scope's in the table of clients, a listener's and a pool's in the counters.
 *
 * The control thread keeps them for the life of the process and hands them to the data threads with each configuration. A
 * name keeps its number whatever is reloaded, so that what has been counted under it goes on, also after it was gone for a
 * while. Numbers of scopes are free; the others are places in memory that was allocated once.
 */
import type { Configuration } from "../config/options.ts";
import type { CounterShape } from "../observe/counters.ts";

/** So many listeners, and as many pools, a process may ever know: with 1 KiB each, 64 KiB in each thread's region. */
const PLACES_MAX = 64;

type Numbers = ReadonlyMap<string, number>;

export interface Places {
  readonly scopes: Numbers;
  readonly listeners: Numbers;
  readonly pools: Numbers;
}

/** Room for every place there can be. */
export function counterShape(threads: number): CounterShape {
  return { threads, listeners: PLACES_MAX, pools: PLACES_MAX };
}

/** Whose counters a listener's limits count in: by default its own. */
export function scopeOf(
  { limits }: Configuration,
  listener: { readonly name: string; readonly limits: string },
): string {
  return limits[listener.limits]?.scope ?? listener.name;
}

export class Registry implements Places {
  readonly #scopes = new Map<string, number>();
  readonly #listeners = new Map<string, number>();
  readonly #pools = new Map<string, number>();

  get scopes(): Numbers {
    return this.#scopes;
  }

  get listeners(): Numbers {
    return this.#listeners;
  }

  get pools(): Numbers {
    return this.#pools;
  }

  /**
   * Numbers for all that a configuration names, and all that was named before.
   * @throws Error that says what there are too many of; then nothing has changed.
   */
  admit(configuration: Configuration): Places {
    const listeners = configuration.listeners.map(({ name }) => name);
    const pools = configuration.pools.map(({ name }) => name);
    demandRoom("listeners", this.#listeners, listeners);
    demandRoom("pools", this.#pools, pools);
    number(this.#listeners, listeners);
    number(this.#pools, pools);
    number(
      this.#scopes,
      configuration.listeners.map((listener) => scopeOf(configuration, listener)),
    );
    return { scopes: this.#scopes, listeners: this.#listeners, pools: this.#pools };
  }
}

function demandRoom(what: string, known: Numbers, names: readonly string[]): void {
  const count = new Set([...known.keys(), ...names]).size;
  if (count <= PLACES_MAX) return;
  throw new Error(
    `${what}: with those that were there before they are ${count}, and ${PLACES_MAX} is the most: restart`,
  );
}

function number(known: Map<string, number>, names: readonly string[]): void {
  for (const name of names) if (!known.has(name)) known.set(name, known.size);
}
