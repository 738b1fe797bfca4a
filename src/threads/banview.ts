/** The bans as the control thread shows them, in metrics and pages: the list on the shelf, and what became of it. */
import type { Address, Networks } from "../address.ts";
import type { Clock } from "../clock.ts";
import type { BanList } from "../crowdsec/banlist.ts";
import { faultKinds } from "../crowdsec/lapi.ts";
import type { Shelf } from "../crowdsec/shelf.ts";
import type { StreamStatus } from "../crowdsec/stream.ts";
import type { BanFigures, ByName } from "../observe/banmetrics.ts";
import type { Counters } from "../observe/counters.ts";
import type { BanSource, StandingBan } from "../observe/explain.ts";

export interface BanViewTerms {
  readonly shelf: Shelf;
  /** Networks that are never banned. */
  readonly spared: Networks;
  readonly counters: Counters;
  readonly clock: Clock;
  status(): StreamStatus;
}

export class BanView implements BanFigures, BanSource {
  readonly #terms: BanViewTerms;

  constructor(terms: BanViewTerms) {
    this.#terms = terms;
  }

  /** There was a list, from LAPI or from its file. */
  get isReceived(): boolean {
    return this.#terms.shelf.version > 0;
  }

  decisions(): ByName {
    const now = this.#terms.clock.seconds();
    const counts = this.#read((list) => list.counts(now));
    return counts.map(({ origin, ipv4, ipv6 }) => [origin, ipv4 + ipv6]);
  }

  refused(): ByName {
    const { counters } = this.#terms;
    const origins = this.#read((list) => list.origins);
    return origins.map((origin, index) => [origin, counters.banned(index, 4) + counters.banned(index, 6)]);
  }

  ageSeconds(): number {
    const { lastUpdateMs } = this.#terms.status();
    if (lastUpdateMs === null) return Number.POSITIVE_INFINITY;
    return (this.#terms.clock.milliseconds() - lastUpdateMs) / 1000;
  }

  errors(): ByName {
    const { errors } = this.#terms.status();
    return faultKinds.map((kind) => [kind, errors[kind] ?? 0]);
  }

  ignored(): ByName {
    return Object.entries(this.#terms.status().ignored);
  }

  covering(address: Address): readonly StandingBan[] {
    const now = this.#terms.clock.seconds();
    const isProtected = this.#terms.spared.contains(address);
    return this.#read((list) => coveringIn(list, address, now)).map(({ endsSeconds, ...decision }) => {
      return { ...decision, remainingSeconds: endsSeconds - now, isProtected };
    });
  }

  #read<T>(read: (list: BanList) => T): T {
    return this.#terms.shelf.read(read);
  }
}

/** The one that is obeyed first, then the narrowest network. */
function coveringIn(list: BanList, address: Address, nowSeconds: number) {
  const entry = list.find(address, nowSeconds);
  if (entry < 0) return [];
  const { id } = list.ban(entry, nowSeconds);
  const all = list.covering(address, nowSeconds);
  return [...all.filter((one) => one.id === id), ...all.filter((one) => one.id !== id)];
}
