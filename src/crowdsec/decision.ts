/**
 * One of LAPI's decisions, as postern understands it: whom it concerns, what it comes to, until when.
 *
 * Outside data comes in here. What cannot be a decision is a value that says why, never an exception.
 */
import type { Network } from "../address.ts";

/**
 * What a decision is known by when it is taken back. An address and the network of that address alone are two things to
 * LAPI, and may both be decided upon.
 */
export interface DecisionKey {
  readonly scope: "ip" | "range";
  readonly network: Network;
  readonly type: string;
  readonly id: number;
}

export interface Decision extends DecisionKey {
  readonly origin: string;
  readonly scenario: string;
  /** The client is held, instead of being refused as its listener does it. */
  readonly tarpits: boolean;
  /** By the clock's seconds. */
  readonly endsSeconds: number;
}
