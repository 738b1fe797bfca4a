/**
 * What no setting can say of itself: names that lead nowhere, identities that a listener cannot give, addresses and files
 * taken twice, counters that two sets of limits understand differently, secrets of which there are none or too many.
 *
 * The checks look at a draft of the settings, in which a value that is wrong by itself counts as absent: it has had its
 * message, and the rest of the file is still checked at the first attempt.
 */
import { normalize } from "node:path";
import * as z from "zod";
import { Address, type Endpoint, endpointText } from "../address.ts";
import { crowdsec } from "./crowdsec.ts";
import { choice } from "./messages.ts";
import { pool } from "./pools.ts";
import { admin, limitSet, listener, log, tls } from "./schema.ts";
import type { Fault, Path } from "./source.ts";

function lenient<T extends z.ZodType>(field: T) {
  return field.optional().catch(undefined);
}

function named<T extends z.ZodRawShape>(shape: T) {
  return z.record(z.string(), z.object(shape).or(z.unknown().transform(() => null))).catch({});
}

const draft = z.object({
  listeners: named({
    listen: lenient(listener.shape.listen),
    protocol: lenient(listener.shape.protocol),
    tls: lenient(listener.shape.tls),
    smtp: lenient(z.unknown()),
    pool: lenient(listener.shape.pool),
    limits: lenient(listener.shape.limits),
  }),
  pools: named({
    servers: lenient(pool.shape.servers),
    identity: lenient(pool.shape.identity),
    tls: lenient(pool.shape.tls),
  }),
  limits: named({
    timeUnit: lenient(limitSet.shape.timeUnit),
    ipv4PrefixLength: lenient(limitSet.shape.ipv4PrefixLength),
    ipv6PrefixLength: lenient(limitSet.shape.ipv6PrefixLength),
    scope: lenient(limitSet.shape.scope),
  }),
  tls: z
    .object({ certificates: lenient(tls.shape.certificates) })
    .prefault({})
    .catch({ certificates: undefined }),
  crowdsec: z
    .object({
      url: lenient(crowdsec.shape.url),
      apiKey: lenient(crowdsec.shape.apiKey),
      apiKeyFile: lenient(crowdsec.shape.apiKeyFile),
      tls: lenient(crowdsec.shape.tls),
      alerts: lenient(crowdsec.shape.alerts),
    })
    .nullable()
    .prefault(null)
    .catch(null),
  log: z
    .object({ destination: lenient(log.shape.destination), stockLines: lenient(log.shape.stockLines) })
    .prefault({})
    .catch({ destination: undefined, stockLines: undefined }),
  admin: z
    .object({ listen: lenient(admin.shape.listen), tokenFile: lenient(admin.shape.tokenFile) })
    .prefault({})
    .catch({ listen: undefined, tokenFile: undefined }),
});

export type Draft = z.output<typeof draft>;

/** What can be made of a whole file's settings; it never fails. */
export function draftOf(value: Readonly<Record<string, unknown>>): Draft {
  return draft.parse(value);
}

/** All faults that lie between settings. */
export function crossFaults(settings: Draft): Fault[] {
  return [
    ...nameFaults(settings),
    ...serverFaults(settings),
    ...identityFaults(settings),
    ...protocolFaults(settings),
    ...tlsFaults(settings),
    ...languageFaults(settings),
    ...listenFaults(settings),
    ...scopeFaults(settings),
    ...crowdsecFaults(settings),
    ...logFaults(settings),
  ];
}

/** Listeners that name a pool or a set of limits which is not there. */
function* nameFaults({ listeners, pools, limits }: Draft): Generator<Fault> {
  const known = { pool: Object.keys(pools), limits: [...new Set(["default", ...Object.keys(limits)])] };
  const things = { pool: "pool", limits: "set of limits" };
  for (const [name, listener] of Object.entries(listeners)) {
    for (const key of ["pool", "limits"] as const) {
      const wanted = listener?.[key];
      if (wanted === undefined || known[key].includes(wanted)) continue;
      const list = known[key].length === 0 ? "none" : known[key].join(", ");
      yield {
        path: ["listeners", name, key],
        message: `no ${things[key]} is named "${wanted}" (known: ${list})`,
      };
    }
  }
}

/** Servers that a pool has twice: they would be one in logs and metrics, and have twice the sessions that they may. */
function* serverFaults({ pools }: Draft): Generator<Fault> {
  for (const [name, pool] of Object.entries(pools)) {
    const known = new Set<string>();
    for (const [index, { address }] of (pool?.servers ?? []).entries()) {
      const server = endpointText(address);
      const message = `${server} is in the list already; a weight makes it count for more`;
      if (known.has(server)) yield { path: ["pools", name, "servers", index], message };
      known.add(server);
    }
  }
}

/** `xclient` and `id` are words of a protocol: they need a listener that speaks it, and that postern can read. */
function* identityFaults({ listeners, pools }: Draft): Generator<Fault> {
  const speaks = { xclient: "smtp", id: "imap" } as const;
  for (const [name, listener] of Object.entries(listeners)) {
    if (listener?.pool === undefined) continue;
    const identity = pools[listener.pool]?.identity;
    if (identity !== "xclient" && identity !== "id") continue;
    const { protocol = speaks[identity], tls = "off" } = listener;
    if (protocol === speaks[identity] && tls !== "passthrough") continue;
    const message = `identity ${identity} of pool "${listener.pool}" needs protocol ${speaks[identity]}, and no tls passthrough`;
    yield { path: ["listeners", name, "pool"], message };
  }
}

/** What is of one protocol alone. */
function* protocolFaults({ listeners }: Draft): Generator<Fault> {
  for (const [name, listener] of Object.entries(listeners)) {
    const { protocol = "smtp", tls, smtp } = listener ?? {};
    if (protocol === "smtp") continue;
    if (smtp !== undefined) {
      yield { path: ["listeners", name, "smtp"], message: "is for protocol smtp only", atKey: true };
    }
    if (tls === "starttls" && protocol === "tcp") {
      const message = "starttls needs protocol smtp or imap: tcp is not looked into";
      yield { path: ["listeners", name, "tls"], message };
    }
  }
}

/** TLS without a certificate, TLS inside TLS, and a STARTTLS that postern has no words for. */
function* tlsFaults({ listeners, pools, tls: { certificates } }: Draft): Generator<Fault> {
  for (const [name, listener] of Object.entries(listeners)) {
    const { protocol = "smtp", tls = "off", pool = "" } = listener ?? {};
    if ((tls === "starttls" || tls === "implicit") && certificates?.length === 0) {
      const message = `${tls} needs a certificate, and tls.certificates has none`;
      yield { path: ["listeners", name, "tls"], message };
    }
    const mode = pools[pool]?.tls?.mode ?? "off";
    const path = ["listeners", name, "pool"];
    if (mode !== "off" && tls === "passthrough") {
      yield {
        path,
        message: `tls ${mode} of pool "${pool}" would be TLS inside the TLS that passes through`,
      };
    } else if (mode === "starttls" && protocol === "tcp") {
      yield { path, message: `tls starttls of pool "${pool}" needs protocol smtp or imap` };
    }
  }
}

/** A pool whose TLS begins in one protocol, and a listener that speaks another to it. */
function* languageFaults({ listeners, pools }: Draft): Generator<Fault> {
  const speakers = new Map<string, { readonly name: string; readonly protocol: string }>();
  for (const [name, listener] of Object.entries(listeners)) {
    const { protocol = "tcp", pool = "" } = listener ?? {};
    if (protocol === "tcp" || pools[pool]?.tls?.mode !== "starttls") continue;
    const first = speakers.get(pool);
    if (first === undefined) speakers.set(pool, { name, protocol });
    else if (first.protocol !== protocol) {
      const message = `tls starttls of pool "${pool}" is begun in one protocol, and listener ${first.name} speaks ${first.protocol} to it`;
      yield { path: ["listeners", name, "pool"], message };
    }
  }
}

/** Addresses that two listeners would listen on, or one of them twice, or the admin server as well. */
function* listenFaults({ listeners, admin }: Draft): Generator<Fault> {
  const taken: { readonly owner: string; readonly endpoint: Endpoint }[] = [];
  for (const { owner, endpoint, path } of listenAddresses(listeners, admin.listen)) {
    const other = taken.find((one) => overlap(one.endpoint, endpoint));
    if (other !== undefined) {
      yield { path, message: `${endpointText(other.endpoint)} of ${other.owner} takes this address already` };
    }
    taken.push({ owner, endpoint });
  }
}

interface Wanted {
  readonly owner: string;
  readonly endpoint: Endpoint;
  readonly path: Path;
}

function* listenAddresses(listeners: Draft["listeners"], admin: Endpoint | undefined): Generator<Wanted> {
  for (const [name, listener] of Object.entries(listeners)) {
    const list = listener?.listen ?? [];
    for (const [index, endpoint] of list.entries()) {
      const path = ["listeners", name, "listen", ...(list.length > 1 ? [index] : [])];
      yield { owner: `listener ${name}`, endpoint, path };
    }
  }
  if (admin !== undefined) yield { owner: "the admin server", endpoint: admin, path: ["admin", "listen"] };
}

/** IPv6 addresses are listened on for IPv6 alone, so that only wildcards of the same family stand in each other's way. */
function overlap(one: Endpoint, other: Endpoint): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  const family = (endpoint: Endpoint) => Address.parse(endpoint.host)?.family;
  const wildcard = (endpoint: Endpoint) => endpoint.host === "0.0.0.0" || endpoint.host === "::";
  return family(one) === family(other) && (one.host === other.host || wildcard(one) || wildcard(other));
}

/** A scope has one window for all its counters, and one idea of what a client is. */
function* scopeFaults({ listeners, limits }: Draft): Generator<Fault> {
  const sets = new Map(Object.entries({ default: limitSet.parse({}), ...limits }));
  const users = new Map<string, Set<string>>();
  const use = (scope: string, set: string) => users.set(scope, (users.get(scope) ?? new Set()).add(set));
  for (const [name, set] of sets) if (typeof set?.scope === "string") use(set.scope, name);
  for (const [name, listener] of Object.entries(listeners)) {
    const set = listener?.limits;
    if (set !== undefined && sets.get(set)?.scope === null) use(name, set);
  }
  for (const [scope, [first, ...others]] of users) {
    for (const other of others) {
      for (const key of ["timeUnit", "ipv4PrefixLength", "ipv6PrefixLength"] as const) {
        const [one, two] = [sets.get(first!)?.[key], sets.get(other)?.[key]];
        if (one === undefined || two === undefined || one === two) continue;
        yield {
          path: ["limits", other, key],
          message: `must be the same as in limits.${first}, which counts in the same scope "${scope}"`,
        };
      }
    }
  }
}

/** How postern shows itself to LAPI, said twice or not at all, and TLS where there is none. */
function* crowdsecFaults({ crowdsec }: Draft): Generator<Fault> {
  if (crowdsec === null) return;
  const { url, apiKey, apiKeyFile, tls, alerts } = crowdsec;
  const { cert, key, ca } = tls ?? { cert: null, key: null, ca: null };
  if (tls !== undefined) {
    yield* choiceFaults(["crowdsec"], { apiKey, apiKeyFile, "tls.cert": cert ?? key });
    const path = ["crowdsec", "tls"];
    if (cert !== null && key === null) yield { path: [...path, "key"], message: "is missing: cert needs it" };
    if (key !== null && cert === null) yield { path: [...path, "cert"], message: "is missing: key needs it" };
    if ((cert ?? key ?? ca) !== null && url?.startsWith("http:")) {
      yield { path, message: "needs an https url" };
    }
  }
  if (alerts) {
    const { password, passwordFile } = alerts;
    yield* choiceFaults(["crowdsec", "alerts"], { password, passwordFile });
  }
}

/** Settings of which a file has to have exactly one: `null` is not there, `undefined` is there and wrong. */
function* choiceFaults(
  path: Path,
  choices: Readonly<Record<string, string | null | undefined>>,
): Generator<Fault> {
  const [first, ...others] = Object.keys(choices).filter((key) => choices[key] !== null);
  if (first === undefined) yield { path, message: `needs ${choice(Object.keys(choices))}` };
  for (const other of others) {
    yield { path: [...path, ...other.split(".")], message: `stands beside ${first}: one of them is enough` };
  }
}

/** Two kinds of lines in one file: the parsers that are to take the one would meet the other. */
function* logFaults({ log: { destination, stockLines } }: Draft): Generator<Fault> {
  if (stockLines?.kind !== "file" || destination === undefined) return;
  if (normalize(stockLines.path) !== normalize(destination)) return;
  yield { path: ["log", "stockLines"], message: "must be another file than log.destination" };
}
