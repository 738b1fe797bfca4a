/** A responder of the sink, a session's words fed to it in any cuts, and what came of it. */

import { type Announced, emptyTally, type Tally } from "../../../bench/sink/counts.ts";
import type { Responder, ResponderOptions } from "../../../bench/sink/responder.ts";
import { bytesOf, joined, textOf } from "../../../src/lines.ts";
import { pieces } from "../../cuts.ts";

interface Held {
  readonly replies: string;
  readonly tally: Tally;
  readonly announced: Announced;
  readonly responder: Responder;
}

/** Has the session `words` with a responder that `make` makes. */
export function hold(
  make: (options: ResponderOptions) => Responder,
  words: string,
  { cuts = [], offersTls = false }: { readonly cuts?: readonly number[]; readonly offersTls?: boolean } = {},
): Held {
  const tally = emptyTally();
  const announced: Announced = { proxy: null, xclient: null, id: null };
  const responder = make({ tally, announced, offersTls });
  const replies: Uint8Array[] = [];
  for (const piece of pieces(bytesOf(words), cuts)) replies.push(...responder.feed(piece));
  return { replies: textOf(joined(replies)), tally, announced, responder };
}
