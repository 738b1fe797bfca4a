/**
 * Who is banned, as one data thread asks for it: the newest list, and the networks that no decision is obeyed for.
 *
 * The networks are looked at only where a decision was found, so that they cost the clients nothing who are not banned.
 */
import type { Address, Networks } from "../address.ts";
import type { Ban } from "../record.ts";
import { BanList } from "./banlist.ts";
import { NONE } from "./rows.ts";

export interface ThreadBansTerms {
  /** Networks that are never banned: the operator's, and those that PROXY headers come from. */
  readonly spared: Networks;
  /** Nobody is let in before there was a list. */
  readonly isClosedWithoutList: boolean;
}

export class ThreadBans {
  readonly #spared: Networks;
  readonly #isClosedWithoutList: boolean;
  #list: BanList | null = null;

  constructor({ spared, isClosedWithoutList }: ThreadBansTerms) {
    this.#spared = spared;
    this.#isClosedWithoutList = isClosedWithoutList;
  }

  get areMissing(): boolean {
    return this.#list === null && this.#isClosedWithoutList;
  }

  /** The list in `memory` holds from now on. */
  replace(memory: SharedArrayBuffer): void {
    this.#list = new BanList(memory);
  }

  judge(client: Address, nowSeconds: number): Ban | null {
    if (this.#list === null) return null;
    const entry = this.#list.find(client, nowSeconds);
    return entry === NONE || this.#spared.contains(client) ? null : this.#list.ban(entry, nowSeconds);
  }
}
