/** How targets keep clients out, for the scenarios that are about nothing else; and whom, in words and figures. */
import type { Finding } from "../result.ts";
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
  const isEarly = current === "connect" || current === "tls" || current === "greeting";
  if (outcome === "failed" && isEarly && fault === "closed") return "an end without a word";
  if (outcome === "failed" && isEarly && fault === "reset") return "a reset";
  return null;
}

/** Notes of a session of such a client how it ended: that it came, and if it was kept out, by which words. */
export function note(tally: Tally, who: string, refusal: string | null): void {
  tally.note(`${who}: sessions`);
  if (refusal === null) return;
  tally.note(`${who}: kept out`);
  tally.note(`${who}: by ${refusal}`);
}

/** How many of such clients' sessions there were, and how many of them were kept out. */
export function keptOut(notes: Notes, who: string): { readonly out: number; readonly of: number } {
  return { out: notes.get(`${who}: kept out`) ?? 0, of: notes.get(`${who}: sessions`) ?? 0 };
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
