/**
 * Who is banned, as one data thread asks for it: the newest list, and the networks that no decision is obeyed for.
 *
 * The networks are looked at only where a decision was found, so that they cost the clients nothing who are not banned.
 */
import type { Address, Networks } from "../address.ts";
import type { Ban } from "../record.ts";
import type { BanList } from "./banlist.ts";
import type { CrowdsecOptions } from "./options.ts";
import { NONE } from "./rows.ts";
import type { Shelf } from "./shelf.ts";

export interface EnforcedBans {
  /** No list was ever received, and the client is not let in without one. */
  areMissingFor(client: Address): boolean;
  judge(client: Address, nowSeconds: number): Ban | null;
  /** Whether there is another list than when this was asked last, and sessions that are open are to be judged by it. */
  concernSessions(): boolean;
}

export const nobodyBanned: EnforcedBans = {
  areMissingFor: () => false,
  judge: () => null,
  concernSessions: () => false,
};

export class ThreadBans implements EnforcedBans {
  readonly #options: Pick<CrowdsecOptions, "onFailure" | "closeSessions">;
  readonly #shelf: Shelf;
  readonly #spared: Networks;
  #seen = 0;

  /** `spared` are never banned: the operator's networks, and those that PROXY headers come from. */
  constructor(options: Pick<CrowdsecOptions, "onFailure" | "closeSessions">, shelf: Shelf, spared: Networks) {
    this.#options = options;
    this.#shelf = shelf;
    this.#spared = spared;
  }

  areMissingFor(client: Address): boolean {
    const isClosed = this.#options.onFailure === "closed" && this.#shelf.version === 0;
    return isClosed && !this.#spared.contains(client);
  }

  judge(client: Address, nowSeconds: number): Ban | null {
    const ban = this.#shelf.read((list) => banIn(list, client, nowSeconds));
    return ban === null || this.#spared.contains(client) ? null : ban;
  }

  concernSessions(): boolean {
    const { version } = this.#shelf;
    const isNew = version !== this.#seen;
    this.#seen = version;
    return isNew && this.#options.closeSessions;
  }
}

function banIn(list: BanList, client: Address, nowSeconds: number): Ban | null {
  const entry = list.find(client, nowSeconds);
  return entry === NONE ? null : list.ban(entry, nowSeconds);
}
