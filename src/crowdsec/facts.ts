/**
 * A decision's small properties in one 32-bit word.
 *
 *     length 8 | scope 1 | type 5 | tarpits 1 | origin 6 | scenario 11
 *
 * The first three, beside the address, are what a decision is known by; standing highest, they give entries their order,
 * in which the wider of two networks that begin at the same address comes first.
 */

export interface Facts {
  /** The network's, in its own family. */
  readonly length: number;
  readonly isRange: boolean;
  /** Numbers of names, each below its bound in `names.ts`. */
  readonly type: number;
  readonly origin: number;
  readonly scenario: number;
  readonly tarpits: boolean;
}

/** Behind everything that has the same address. */
export const LAST = 0xffffffff;

export function pack(facts: Facts): number {
  const known = (facts.length << 24) | (facts.isRange ? 1 << 23 : 0) | (facts.type << 18);
  return (known | (facts.tarpits ? 1 << 17 : 0) | (facts.origin << 11) | facts.scenario) >>> 0;
}

export function unpack(word: number): Facts {
  return {
    length: lengthOf(word),
    isRange: (word & (1 << 23)) !== 0,
    type: (word >>> 18) & 31,
    tarpits: tarpitsOf(word),
    origin: originOf(word),
    scenario: word & 2047,
  };
}

export function lengthOf(word: number): number {
  return word >>> 24;
}

export function tarpitsOf(word: number): boolean {
  return (word & (1 << 17)) !== 0;
}

export function originOf(word: number): number {
  return (word >>> 11) & 63;
}

/** Length, scope and type, as they are compared. */
export function keyOf(word: number): number {
  return word >>> 18;
}
