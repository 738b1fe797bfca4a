/**
 * The addresses of a name, IPv4 and IPv6 alike, from the DNS; or from wherever else the system knows it (its hosts file),
 * when the DNS does not. It asks anew each time: whoever asks knows by the time to live when that is due.
 */
import { lookup, Resolver } from "node:dns/promises";
import { Address } from "../address.ts";
import { errorCode } from "./wire.ts";

export type Resolution =
  /** `ttlSeconds` is null where nobody said how long it holds. */
  | {
      readonly ok: true;
      readonly addresses: readonly Address[];
      /** What there is of this family is not known: that question has failed. Null: nothing has. */
      readonly unknown: 4 | 6 | null;
      readonly ttlSeconds: number | null;
    }
  /** The DNS's or the system's code. */
  | { readonly ok: false; readonly code: string };

/** Each of the system's DNS servers has so long to answer, and is asked twice. */
const TIMEOUT_MS = 2000;
const TRIES = 2;

/** The DNS's word that there is nothing of that family. */
const NOTHING: ReadonlySet<string> = new Set(["ENODATA", "ENOTFOUND"]);

/** In the order in which they are asked for. */
const families = [4, 6] as const;

/** Makes the asker. `servers`: these instead of the system's, as IP:port. */
export function resolver(servers: readonly string[] | null): (name: string) => Promise<Resolution> {
  const dns = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers !== null) dns.setServers(servers);
  return async (name) => {
    const asked = await Promise.allSettled([
      dns.resolve4(name, { ttl: true }),
      dns.resolve6(name, { ttl: true }),
    ]);
    const records = asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (records.length === 0) return knownElsewhere(name);
    const ttlSeconds = Math.min(...records.map(({ ttl }) => ttl));
    const failed = asked.findIndex(hasFailed);
    const unknown = failed < 0 ? null : families[failed]!;
    return { ok: true, addresses: addressesIn(records), unknown, ttlSeconds };
  };
}

function hasFailed(answer: PromiseSettledResult<unknown>): boolean {
  return answer.status === "rejected" && !NOTHING.has(errorCode(answer.reason));
}

async function knownElsewhere(name: string): Promise<Resolution> {
  try {
    const addresses = addressesIn(await lookup(name, { all: true }));
    return { ok: true, addresses, unknown: null, ttlSeconds: null };
  } catch (error) {
    return { ok: false, code: errorCode(error) };
  }
}

function addressesIn(records: readonly { readonly address: string }[]): Address[] {
  return records.map(({ address }) => Address.parse(address)).filter((address) => address !== null);
}
