/** What a word that is none was probably meant to be: a beginning is how people shorten, and no slip of the finger. Pure. */
import { suggestion } from "../../src/config/nearest.ts";

/** Of fewer letters everything begins with some. */
const BEGINNING_LENGTH_MIN = 3;

/** More than that is no hint. */
const CHOICES_MAX = 3;

/** ` (did you mean --rate?)`, with `before` in front of each word; nothing where no known word is close. */
export function meant(word: string, known: Iterable<string>, before = ""): string {
  const all = [...known];
  const longer = word.length < BEGINNING_LENGTH_MIN ? [] : all.filter((each) => each.startsWith(word));
  if (longer.length === 0 || longer.length > CHOICES_MAX)
    return suggestion(word, all).replace("mean ", `mean ${before}`);
  return ` (did you mean ${longer.map((each) => before + each).join(" or ")}?)`;
}
