/**
 * What is different between two configurations, setting by setting and in the file's own words, for the log: no secret is in
 * it, only that there is another. Pure.
 */
import { isDeepStrictEqual } from "node:util";
import { endpointText } from "../address.ts";
import type { Configuration } from "./options.ts";
import { durationText } from "./units.ts";

export interface Change {
  /** `listeners.smtp.idleTimeout` */
  readonly what: string;
  /** Null where there was, or is, no such thing. */
  readonly from: unknown;
  readonly to: unknown;
}

type Settings = Readonly<Record<string, unknown>>;

/** What the configuration calls otherwise than the file. */
const fileNames: ReadonlyMap<string, string> = new Map([["token", "tokenFile"]]);

/** Settings that nobody is to read. */
const secrets: ReadonlySet<string> = new Set(["tokenFile", "apiKey", "password"]);
const HIDDEN = "hidden";

/** Nobody reads a file's whole text in a line of the log; a setting's own text is no longer than this. */
const TEXT_LENGTH_MAX = 255;

export function changesBetween(from: Configuration, to: Configuration): Change[] {
  return [...differences([], spoken(from), spoken(to))];
}

/** Settings that are there on both sides are compared one by one. */
function* differences(path: readonly string[], from: unknown, to: unknown): Generator<Change> {
  if (isDeepStrictEqual(from, to)) return;
  if (isSettings(from) && isSettings(to)) {
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
      yield* differences([...path, key], from[key], to[key]);
    }
    return;
  }
  const key = path.at(-1) ?? "";
  yield { what: path.join("."), from: shown(key, from), to: shown(key, to) };
}

/** A value as the file has it: things by their names, durations with units, addresses as texts. */
function spoken(value: unknown): unknown {
  if (Array.isArray(value)) {
    const isNamed = value.length > 0 && value.every((one) => isSettings(one) && typeof one.name === "string");
    if (!isNamed) return value.map(spoken);
    return Object.fromEntries(value.map(({ name, ...settings }) => [name, spoken(settings)]));
  }
  if (!isSettings(value)) return value;
  const { host, port } = value;
  if (typeof host === "string" && typeof port === "number") return endpointText({ host, port });
  return Object.fromEntries(Object.entries(value).map(([key, one]) => spokenSetting(key, one)));
}

function spokenSetting(key: string, value: unknown): [string, unknown] {
  const [, name, unit] = /^(.*?)(Ms|Seconds)?$/.exec(key)!;
  if (unit === undefined || typeof value !== "number") return [fileNames.get(key) ?? key, spoken(value)];
  return [name!, durationText(unit === "Ms" ? value : value * 1000)];
}

function shown(key: string, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (secrets.has(key)) return HIDDEN;
  if (typeof value === "string" && value.length > TEXT_LENGTH_MAX) return `${value.length} characters`;
  if (Array.isArray(value)) return value.map((one) => shown(key, one));
  if (!isSettings(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shown(name, one)]));
}

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
