/**
 * One of LAPI's decisions, as postern understands it: whom it concerns, what it comes to, until when.
 *
 * Outside data comes in here. What cannot be a decision is a value that says why, never an exception.
 */
import { Network } from "../address.ts";
import { parseDuration } from "./duration.ts";

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

/**
 * Why something is no decision that could be obeyed:
 *
 * - `malformed`: a field is missing, or is not what it has to be.
 * - `scope-as`, `scope-country`, `scope-other`: it concerns no addresses, or nobody here could say which.
 * - `value`: what should be an address or a network is none.
 * - `duration`: it does not say for how long.
 * - `other-type`: it is of a type that the configuration ignores.
 * - `expired`: it is over.
 */
export type Unfit =
  | "malformed"
  | "scope-as"
  | "scope-country"
  | "scope-other"
  | "value"
  | "duration"
  | "other-type"
  | "expired";

export interface ReadingTerms {
  readonly nowSeconds: number;
  readonly otherTypes: "ignore" | "ban" | "tarpit";
}

/** LAPI's own columns, and what usage metrics may hold, are this long. */
const TEXT_LENGTH_MAX = 255;

/** The list keeps 40 bits of it. LAPI counts up from 1. */
export const ID_MAX = 2 ** 40 - 1;

/** Blocklists have this origin, and their name for a scenario. */
const LISTS = "lists";

/** An element of `new`. */
export function readDecision(raw: unknown, terms: ReadingTerms): Decision | Unfit {
  const key = readKey(raw);
  if (typeof key === "string") return key;
  const origin = textIn(raw, "origin");
  const scenario = textIn(raw, "scenario");
  const duration = textIn(raw, "duration");
  if (origin === null || origin === "" || scenario === null || duration === null) return "malformed";
  if (key.type !== "ban" && terms.otherTypes === "ignore") return "other-type";
  const durationMs = parseDuration(duration);
  if (durationMs === null) return "duration";
  if (durationMs <= 0) return "expired";
  return {
    ...key,
    origin: cut(origin === LISTS ? `${LISTS}:${scenario}` : origin),
    scenario: cut(scenario),
    tarpits: key.type !== "ban" && terms.otherTypes === "tarpit",
    endsSeconds: terms.nowSeconds + Math.ceil(durationMs / 1000),
  };
}

/** An element of `deleted`, of which nothing else matters: its duration, for one, is below zero. */
export function readKey(raw: unknown): DecisionKey | Unfit {
  const id = fieldIn(raw, "id");
  const type = textIn(raw, "type");
  const scope = textIn(raw, "scope")?.toLowerCase();
  const value = textIn(raw, "value");
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > ID_MAX) return "malformed";
  if (type === null || type === "" || scope === undefined || value === null) return "malformed";
  if (scope !== "ip" && scope !== "range") return unfitScope(scope);
  const network = Network.parse(value);
  if (network === null || (scope === "ip" && !network.isSingle)) return "value";
  return { scope, network, type: cut(type.toLowerCase()), id };
}

function unfitScope(scope: string): Unfit {
  if (scope === "as") return "scope-as";
  return scope === "country" ? "scope-country" : "scope-other";
}

function fieldIn(raw: unknown, name: string): unknown {
  return typeof raw === "object" && raw !== null && Object.hasOwn(raw, name)
    ? Reflect.get(raw, name)
    : undefined;
}

function textIn(raw: unknown, name: string): string | null {
  const field = fieldIn(raw, name);
  return typeof field === "string" ? field : null;
}

function cut(text: string): string {
  return text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
}
