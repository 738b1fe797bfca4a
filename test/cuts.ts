/** Bytes in the cuts that TCP might make of them. */
import fc from "fast-check";

/** Where to cut, whatever the length. */
export const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

/** The pieces of `bytes`, each in memory of its own, which is wiped as soon as the next piece is asked for. */
export function* pieces(bytes: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  const places = cuts.map((cut) => Math.round(cut * bytes.length)).sort((one, other) => one - other);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    const piece = Uint8Array.from(bytes.subarray(from, place));
    yield piece;
    piece.fill(0x3f);
    from = place;
  }
}

export function singly(bytes: Uint8Array): number[] {
  return Array.from(bytes, (_, index) => index / bytes.length);
}
