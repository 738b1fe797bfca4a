/**
 * What the ban list costs: nanoseconds for one look-up, bytes, and the time to make one.
 *
 *     node bench/bans.ts
 *
 * Clients are random addresses, half of them banned; one decision in twenty is on a range. A list is made from nothing, as
 * at start, and from its forerunner by a delta such as the community blocklist's: 15,000 in and 15,000 out.
 */
import { Address, Network } from "../src/address.ts";
import { BanList } from "../src/crowdsec/banlist.ts";
import { Changes } from "../src/crowdsec/changes.ts";
import type { Decision } from "../src/crowdsec/decision.ts";
import { merge } from "../src/crowdsec/merge.ts";
import { Names } from "../src/crowdsec/names.ts";
import { ORIGINS_MAX } from "../src/record.ts";
import { report, rounded } from "./harness/report.ts";

const SIZES = [0, 50_000, 500_000];
const DELTA = 15_000;
const CLIENTS = 2 ** 17;
const ROUNDS = 25;
const NOW = 1000;

const terms = { origins: new Names(ORIGINS_MAX), byId: false };
const origins = ["CAPI", "crowdsec", "cscli", "lists:tor"];

let seed = 42;

/** Xorshift: the same lists and clients each time. */
function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}

function address(family: 4 | 6): Address {
  // IPv6 as it is given out: one eighth of the space, and most of what is banned in a /64 of its own.
  return family === 4
    ? Address.v4(random())
    : new Address((random() >>> 3) + 2 ** 29, random(), random(), random());
}

/** As a session's is: young, and no part of anything else. */
function copied({ a, b, c, d }: Address): Address {
  return new Address(a, b, c, d);
}

function decision(family: 4 | 6, id: number): Decision {
  const isRange = id % 20 === 0;
  const bits = family === 4 ? 32 : 128;
  return {
    id,
    scope: isRange ? "range" : "ip",
    network: new Network(address(family), isRange ? bits - 8 : bits),
    type: "ban",
    origin: origins[id % origins.length]!,
    scenario: `crowdsecurity/scenario-${id % 60}`,
    tarpits: false,
    endsSeconds: NOW + 3600 + (id % 14_400),
  };
}

interface Result {
  readonly decisions: number;
  readonly family: string;
  readonly nsPerLookUp: number;
  readonly megabytes: number;
  readonly fullMs: number;
  readonly deltaMs: number;
}

function merged(changes: Changes): { list: BanList; ms: number } {
  const began = performance.now();
  const list = merge(changes, NOW);
  if (list === null) throw new Error("too many decisions");
  return { list, ms: performance.now() - began };
}

function measure(family: 4 | 6, size: number): Result {
  const decisions = Array.from({ length: size }, (_, id) => decision(family, id + 1));
  const changes = new Changes(BanList.EMPTY, terms);
  for (const each of decisions) changes.add(each);
  const { list, ms } = merged(changes);
  const delta = new Changes(list, terms);
  for (const each of decisions.slice(0, DELTA)) delta.remove(each);
  for (let id = 0; id < DELTA; id++) delta.add(decision(family, size + id + 1));
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    index % 2 === 0 && size > 0 ? copied(decisions[random() % size]!.network.address) : address(family),
  );
  const rounds: number[] = [];
  let hits = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    for (const client of clients) if (list.find(client, NOW) >= 0) hits++;
    rounds.push(((performance.now() - began) / CLIENTS) * 1e6);
  }
  if (size > 0 && hits < (ROUNDS * CLIENTS) / 2) throw new Error("banned clients were not found");
  return {
    decisions: size,
    family: `IPv${family}`,
    // The best round: the others had a neighbour.
    nsPerLookUp: rounded(Math.min(...rounds)),
    megabytes: rounded(list.bytes.length / 1e6),
    fullMs: rounded(ms),
    deltaMs: rounded(merged(delta).ms),
  };
}

const rows = SIZES.flatMap((size) => ([4, 6] as const).map((family) => measure(family, size)));
console.table(rows);
report("bans", { clients: CLIENTS, delta: DELTA, rows });
