/** The ban list as one would write it without a thought for time or memory: the tests hold the real one to it. */
import type { Address } from "../../src/address.ts";
import { BanList } from "../../src/crowdsec/banlist.ts";
import { Changes } from "../../src/crowdsec/changes.ts";
import type { Decision, DecisionKey } from "../../src/crowdsec/decision.ts";
import { merge } from "../../src/crowdsec/merge.ts";
import { Names } from "../../src/crowdsec/names.ts";
import { ORIGINS_MAX } from "../../src/record.ts";

export interface Answer {
  readonly isFull: boolean;
  readonly removed: readonly DecisionKey[];
  readonly added: readonly Decision[];
}

export class Model {
  readonly #byId: boolean;
  #decisions = new Map<string, Decision>();

  constructor(byId: boolean) {
    this.#byId = byId;
  }

  apply({ isFull, removed, added }: Answer, nowSeconds: number): void {
    if (isFull) this.#decisions.clear();
    for (const key of removed) this.#decisions.delete(this.#key(key));
    const coming = new Map<string, Decision>();
    for (const decision of added) {
      const key = this.#key(decision);
      const other = coming.get(key);
      if (other === undefined || decision.endsSeconds >= other.endsSeconds) coming.set(key, decision);
    }
    for (const [key, decision] of coming) {
      if (decision.endsSeconds > nowSeconds) this.#decisions.set(key, decision);
    }
    for (const [key, { endsSeconds }] of this.#decisions) {
      if (endsSeconds <= nowSeconds) this.#decisions.delete(key);
    }
  }

  get decisions(): Decision[] {
    return [...this.#decisions.values()];
  }

  covering(address: Address, nowSeconds: number): Decision[] {
    return this.decisions.filter(
      ({ network, endsSeconds }) => network.contains(address) && endsSeconds > nowSeconds,
    );
  }

  /** The decisions that could be named for the address's ban: the heaviest, which are several where they weigh the same. */
  heaviest(address: Address, nowSeconds: number): Decision[] {
    let best = this.covering(address, nowSeconds);
    const weights = [
      ({ tarpits }: Decision) => (tarpits ? 0 : 1),
      ({ network }: Decision) => network.length,
      ({ endsSeconds }: Decision) => endsSeconds,
    ];
    for (const weight of weights) {
      const most = Math.max(...best.map(weight));
      best = best.filter((decision) => weight(decision) === most);
    }
    return best;
  }

  #key({ scope, network, type, id }: DecisionKey): string {
    return [scope, network.address.text, network.length, type, this.#byId ? id : ""].join(" ");
  }
}

/** The list that an answer makes of another. */
export function applied(
  list: BanList,
  answer: Partial<Answer>,
  { nowSeconds = 1000, byId = false, origins = new Names(ORIGINS_MAX) } = {},
): BanList {
  const changes = new Changes(answer.isFull === true ? BanList.EMPTY : list, { origins, byId });
  for (const decision of answer.added ?? []) changes.add(decision);
  for (const key of answer.removed ?? []) changes.remove(key);
  const next = merge(changes, nowSeconds);
  if (next === null) throw new Error("too many decisions");
  return next;
}
