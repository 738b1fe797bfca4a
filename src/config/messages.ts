/** What zod found, as faults in the words of this configuration. */
import * as z from "zod";
import { suggestion } from "./nearest.ts";
import type { Fault, Path } from "./source.ts";

/** The sentence for one issue; undefined leaves it to zod. One line for each key where keys are unknown. */
export function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? "is missing"
        : `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `${issue.input === undefined ? "is missing: " : "must be "}${choice(issue.values.map(String))}`;
    case "invalid_union":
      return Array.isArray(issue.options) ? `must be ${choice(issue.options.map(String))}` : undefined;
    case "too_small":
      return issue.origin === "array" || issue.origin === "string"
        ? "must not be empty"
        : `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "unrecognized_keys": {
      const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
      return issue.keys.map((key) => `unknown key${suggestion(key, known)}`).join("\n");
    }
    default:
      return undefined;
  }
}

/** The faults of one issue: its alternatives chosen, its keys one by one. */
export function faultsOf(issue: z.core.$ZodIssue, above: Path = []): Fault[] {
  const path = [...above, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys": {
      const messages = issue.message.split("\n");
      return issue.keys.map((key, index) => ({
        path: [...path, key],
        message: messages[index]!,
        atKey: true,
      }));
    }
    case "invalid_key":
      return issue.issues.map(({ message }) => ({ path, message, atKey: true }));
    case "invalid_union": {
      // The alternative that fits the value's kind says what is wrong with it; the others only that it is another kind.
      const fitting = issue.errors.find(([first]) => first?.code !== "invalid_type" || first.path.length > 0);
      const chosen = fitting ?? issue.errors[0];
      return chosen === undefined
        ? [{ path, message: issue.message }]
        : chosen.flatMap((one) => faultsOf(one, path));
    }
    default:
      return [{ path, message: issue.message }];
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a whole number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** Words of which one is to be taken. */
export function choice(words: readonly string[]): string {
  const last = words.length - 1;
  return last < 1 ? words.join("") : `${words.slice(0, last).join(", ")} or ${words[last]}`;
}
