/**
 * What an answer of LAPI's changes about a list, gathered while it is read: which rows of the list go, and what comes, as
 * rows. No object is kept for a decision. A full answer is a change to the empty list.
 *
 * What is taken back goes first, however the answer has it: LAPI may take back and decide anew within one.
 */
import { BanList, DECISIONS_MAX } from "./banlist.ts";
import type { Decision, DecisionKey } from "./decision.ts";
import { pack } from "./facts.ts";
import { Names, SCENARIOS_MAX, TYPES_MAX } from "./names.ts";
import type { Nest } from "./nest.ts";
import { type AddressWords, NONE, Rows } from "./rows.ts";

const ROWS_FIRST = 1024;

export interface ChangeTerms {
  /** The whole process's. */
  readonly origins: Names;
  /**
   * Decisions of one scope, network and type are told apart by their ids, and live side by side. LAPI is then asked for
   * all of them, and says of each when it goes; else it shows the longest only.
   */
  readonly byId: boolean;
}

/** The changes to one family's rows. */
export interface FamilyChanges {
  readonly base: Nest;
  /** Not 0: the base's row goes. */
  readonly removed: Uint8Array;
  /** What comes, in no order; the first `count` are in use. */
  added: Rows;
  count: number;
}

export class Changes {
  readonly byId: boolean;
  readonly origins: Names;
  readonly types: Names;
  readonly scenarios: Names;
  readonly ipv4: FamilyChanges;
  readonly ipv6: FamilyChanges;
  readonly #probes = { ipv4: new Rows(1, 1), ipv6: new Rows(4, 1) };

  constructor(base: BanList, { origins, byId }: ChangeTerms) {
    this.byId = byId;
    this.origins = origins;
    this.types = new Names(TYPES_MAX, base.types);
    // So that it has a number of its own, whatever else LAPI thinks of.
    this.types.numberOf("ban");
    this.scenarios = new Names(SCENARIOS_MAX, base.scenarios);
    this.ipv4 = changesTo(base.ipv4, 1);
    this.ipv6 = changesTo(base.ipv6, 4);
  }

  /** A list's decisions, each `shiftSeconds` later, as changes to none: how a list of another process's becomes ours. */
  static from(list: BanList, terms: ChangeTerms & { readonly shiftSeconds: number }): Changes {
    const changes = new Changes(BanList.EMPTY, terms);
    for (const decision of list.decisions()) {
      changes.add({ ...decision, endsSeconds: decision.endsSeconds + terms.shiftSeconds });
    }
    return changes;
  }

  /** How many decisions come. */
  get size(): number {
    return this.ipv4.count + this.ipv6.count;
  }

  /** False: there are too many. */
  add(decision: Decision): boolean {
    if (this.size === DECISIONS_MAX) return false;
    const changes = decision.network.address.family === 4 ? this.ipv4 : this.ipv6;
    if (changes.count === changes.added.capacity) changes.added = changes.added.grown(2 * changes.count);
    changes.added.set(changes.count++, {
      address: decision.network.address,
      endsSeconds: decision.endsSeconds,
      facts: pack({
        length: decision.network.length,
        isRange: decision.scope === "range",
        type: this.types.numberOf(decision.type),
        origin: this.origins.numberOf(decision.origin),
        scenario: this.scenarios.numberOf(decision.scenario),
        tarpits: decision.tarpits,
      }),
      id: decision.id,
    });
    return true;
  }

  /** Of a key that is not known, or not any more, nothing comes. */
  remove({ scope, network, type, id }: DecisionKey): void {
    const family = network.address.family === 4 ? "ipv4" : "ipv6";
    const { base, removed } = this[family];
    const known = { length: network.length, isRange: scope === "range", type: this.types.numberOf(type) };
    const probe = this.#probes[family];
    const facts = pack({ ...known, tarpits: false, origin: 0, scenario: 0 });
    probe.set(0, { address: network.address, endsSeconds: 0, facts, id });
    const row = base.lastUpTo(probe, this.byId);
    if (row !== NONE && base.rows.compare(row, probe, 0, this.byId) === 0) removed[row] = 1;
  }
}

function changesTo(base: Nest, words: AddressWords): FamilyChanges {
  return {
    base,
    removed: new Uint8Array(base.count),
    added: new Rows(words, ROWS_FIRST),
    count: 0,
  };
}
