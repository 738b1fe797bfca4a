/**
 * What an attack is: one trick that no client should play, and what is made of the target's answer to it. Each is bounded in
 * time by the tools' patience and in bytes by itself, and leaves nothing behind that is open.
 *
 * Judgement is conservative. `true`: the target defended itself, or the trick brought nothing. `false`: it did what it must
 * not. `null`: anything else, which is told and left to people: held until we left, say, which a limit or a longer deadline
 * may well be meant to cover.
 */
import type { Plan, Protocol } from "../load/plan.ts";
import type { Contact } from "./contact.ts";

export interface Observed {
  readonly outcome: string;
  readonly isWell: boolean | null;
}

/** What an attack has to work with. */
export interface Tools {
  readonly plan: Plan;
  /** So long anything is waited for. */
  readonly patienceMs: number;
  /** A PROXY header of the next client, as the target expects it; empty where it expects none. */
  header(): Uint8Array;
  /** Connects, and says `first` at once; without it, a header. */
  open(first?: Uint8Array): Promise<Contact>;
}

export interface Attack {
  /** Its kind. */
  readonly name: string;
  /** What is done to the target, in a few words. */
  readonly what: string;
  readonly protocols: readonly Protocol[];
  /** It is about PROXY headers, or their absence: none to a target that expects none. */
  readonly needsProxy: boolean;
  play(tools: Tools): Promise<Observed>;
}

/** One that any target may meet. */
export function trick(name: string, what: string, play: Attack["play"]): Attack {
  return { name, what, play, protocols: ["smtp", "imap"], needsProxy: false };
}

/** Such as only these targets may meet. */
export function limitedTo(
  whom: Partial<Pick<Attack, "protocols" | "needsProxy">>,
  tricks: readonly Attack[],
): readonly Attack[] {
  return tricks.map((attack) => ({ ...attack, ...whom }));
}

/** Leaves, and tells what became of it. */
export function seen(contact: Contact, isWell: boolean | null, remark = ""): Observed {
  contact.close();
  return { outcome: remark === "" ? contact.told() : `${remark}: ${contact.told()}`, isWell };
}

/** What is well about an ending: whoever ends it defends itself, and whoever holds it may have a longer deadline. */
export function endedWell(contact: Contact): true | null {
  return contact.ending === null ? null : true;
}
