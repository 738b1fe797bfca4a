/**
 * The demo's traffic: two hundred well-behaved clients from a range of addresses, IPv4 and IPv6, and one that hammers.
 */
import { Address, type Endpoint } from "../address.ts";
import type { Wire } from "../wire/wire.ts";
import { type Attempt, sendOne } from "./client.ts";

/** All of them from networks for documentation (RFC 5737, RFC 3849). */
const HAMMER = "198.51.100.66";
const IPV4_CLIENTS = 160;
const IPV6_CLIENTS = 40;
/** Over how long the well-behaved clients are spread, so that there is something to watch. */
const SPREAD_MS = 6000;
const HAMMER_CONNECTIONS = 60;
const HAMMER_PAUSE_MS = 80;

export interface ClientTally {
  delivered: number;
  refused: number;
  lost: number;
  /** The last reply that turned it away. */
  reply: string | null;
}

export class Traffic {
  readonly hammer = HAMMER;
  readonly tallies = new Map<string, ClientTally>();
  readonly #wire: Wire;
  readonly #gateway: Endpoint;
  #port = 40_000;

  constructor(wire: Wire, gateway: Endpoint) {
    this.#wire = wire;
    this.#gateway = gateway;
  }

  /** One message from each well-behaved client, and as many as it can from the one that hammers; then resolves. */
  async round(): Promise<void> {
    const clients = wellBehaved();
    const all = clients.map(async (client, index) => {
      await pause((SPREAD_MS * index) / clients.length);
      await this.#attempt(client);
    });
    await Promise.all([...all, this.#hammer()]);
  }

  total(kind: "delivered" | "refused" | "lost"): number {
    let sum = 0;
    for (const tally of this.tallies.values()) sum += tally[kind];
    return sum;
  }

  async #hammer(): Promise<void> {
    const attempts: Promise<void>[] = [];
    for (let count = 0; count < HAMMER_CONNECTIONS; count++) {
      attempts.push(this.#attempt(HAMMER));
      await pause(HAMMER_PAUSE_MS);
    }
    await Promise.all(attempts);
  }

  async #attempt(client: string): Promise<void> {
    this.#port = this.#port === 65_535 ? 1024 : this.#port + 1;
    const source = { address: Address.parse(client)!, port: this.#port };
    this.#record(client, await sendOne(this.#wire, this.#gateway, source));
  }

  #record(client: string, attempt: Attempt): void {
    const tally = this.tallies.get(client) ?? { delivered: 0, refused: 0, lost: 0, reply: null };
    tally[attempt.kind]++;
    if (attempt.kind === "refused") tally.reply = attempt.reply;
    this.tallies.set(client, tally);
  }
}

function wellBehaved(): string[] {
  const clients: string[] = [];
  for (let host = 1; host <= IPV4_CLIENTS; host++) clients.push(`203.0.113.${host}`);
  // Each from a network of its own: by default an IPv6 client is its /64.
  for (let net = 1; net <= IPV6_CLIENTS; net++) clients.push(`2001:db8:0:${net.toString(16)}::1`);
  return clients;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
