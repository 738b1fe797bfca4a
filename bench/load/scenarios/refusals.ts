/** How targets keep clients out, for the scenarios that are about nothing else; and whom, in words and figures. */
import { type Finding, isSilentRefusal } from "../result.ts";
import type { Job, Outcome } from "../session.ts";
import { commonText, type Notes, type Tally } from "../tally.ts";

/** More of a target's words nobody reads. */
const WORDS_MAX = 3;

/**
 * By its greeting's words, or by an end or a reset before them. Null when the client was let in, or could not have been: a
 * target that is not there keeps nobody out.
 */
export function refusalOf(
  { reply, current, fault }: Pick<Job, "reply" | "current" | "fault">,
  outcome: Outcome,
): string | null {
  if (outcome === "turnedAway" && reply !== null) return `${reply.code} ${commonText(reply.text)}`;
  if (outcome !== "failed" || fault === null || !isSilentRefusal(current, fault)) return null;
  return fault === "closed" ? "an end without a word" : "a reset";
}

/** Notes of a session of such a client how it ended: whether it was done, and if it was kept out, by which words. */
export function note(tally: Tally, who: string, outcome: Outcome, refusal: string | null): void {
  tally.note(`${who}: sessions`);
  if (outcome === "done") tally.note(`${who}: done`);
  if (refusal === null) return;
  tally.note(`${who}: kept out`);
  tally.note(`${who}: by ${refusal}`);
}

interface Fates {
  readonly done: number;
  readonly out: number;
  readonly of: number;
}

/** How many sessions of such clients there were, and of these how many were done, and how many kept out. */
export function fatesOf(notes: Notes, who: string): Fates {
  const [done = 0, out = 0, of = 0] = ["done", "kept out", "sessions"].map((fate) =>
    notes.get(`${who}: ${fate}`),
  );
  return { done, out, of };
}

/** The words that they were kept out by, the most frequent first; none where nobody was. */
export function wordsFor(notes: Notes, who: string): Finding[] {
  const start = `${who}: by `;
  const words = [...notes].filter(([what]) => what.startsWith(start)).sort(([, a], [, b]) => b - a);
  return words.slice(0, WORDS_MAX).map(([what, count]) => ({
    what: `${who}, refused by`,
    outcome: `${what.slice(start.length)} × ${count}`,
    isWell: null,
  }));
}
