/** The table of settings as others see it: the JSON Schema, the guide, and the files to start from. */
import { readFileSync } from "node:fs";
import t from "tap";
import { jsonSchema } from "../../src/config/schema.ts";
import { load } from "./fixtures.ts";

interface Setting {
  readonly path: string;
  readonly description: unknown;
  readonly initial: unknown;
  readonly node: Readonly<Record<string, unknown>>;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every key of the schema, those of named entries under `NAME`, of lists under `[]`, of alternatives side by side. */
function settingsOf(node: unknown, path = ""): Setting[] {
  if (!isObject(node)) return [];
  const found: Setting[] = [];
  if (isObject(node.properties)) {
    for (const [key, child] of Object.entries(node.properties)) {
      if (!isObject(child)) continue;
      const below = path === "" ? key : `${path}.${key}`;
      found.push({ path: below, description: child.description, initial: child.default, node: child });
      found.push(...settingsOf(child, below));
    }
  }
  if (isObject(node.propertyNames)) found.push(...settingsOf(node.additionalProperties, `${path}.NAME`));
  if (isObject(node.items)) found.push(...settingsOf(node.items, `${path}[]`));
  for (const choices of [node.oneOf, node.anyOf]) {
    if (Array.isArray(choices)) for (const one of choices) found.push(...settingsOf(one, path));
  }
  return found;
}

const settings = settingsOf(jsonSchema());
const guide = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

/** The guide's rows by the path of their key: default and range. */
function guideRows(): Map<string, { initial: string; range: string }> {
  const rows = new Map<string, { initial: string; range: string }>();
  let section = "";
  for (const line of guide.split("\n")) {
    const heading = /^### (?:`([^`]+)`)?/.exec(line);
    if (heading !== null) section = heading[1] === undefined ? "" : `${heading[1]}.`;
    const row = /^\| `([^`]+)` \| ([^|]*)\| ([^|]*)\|/.exec(line);
    if (row !== null) rows.set(`${section}${row[1]}`, { initial: row[2]!.trim(), range: row[3]!.trim() });
  }
  return rows;
}

t.test("jsonSchema describes every key when editors ask", async (t) => {
  t.ok(settings.length > 55, "the walk finds the settings");
  for (const { path, description } of settings) {
    t.match(description, /^[^ ].*\.$/, `${path} has its sentence`);
  }
});

t.test("jsonSchema refuses unknown keys when any mapping has them", async (t) => {
  for (const { path, node } of settings) {
    if (isObject(node.properties)) t.equal(node.additionalProperties, false, path);
  }
});

t.test(
  "jsonSchema and the guide agree when they say what keys there are, and their defaults and bounds",
  async (t) => {
    const rows = guideRows();
    const mappings = new Set([
      "listeners.NAME.proxy",
      "listeners.NAME.ban",
      "listeners.NAME.smtp",
      "pools.NAME.health",
      "pools.NAME.park",
    ]);
    const paths = new Set(settings.map(({ path }) => path).filter((path) => !mappings.has(path)));
    t.same([...rows.keys()].sort(), [...paths].sort());
    for (const { path, initial, node } of settings) {
      const row = rows.get(path);
      if (row === undefined) continue;
      if (initial !== undefined) {
        t.equal(row.initial, `\`${typeof initial === "string" ? initial : JSON.stringify(initial)}\``, path);
      }
      const { minimum, maximum } = node;
      if (minimum !== undefined) t.equal(row.range, `${minimum} to ${maximum}`, path);
      const duration = /From (\d+m?s) to (\d+\w)\.$/.exec(String(node.description));
      if (duration !== null) t.ok(row.range.startsWith(`${duration[1]} to ${duration[2]}`), path);
    }
  },
);

t.test("loadConfiguration takes the files to start from as they are", async (t) => {
  for (const file of ["postern", "edge"]) {
    const text = readFileSync(new URL(`../../deploy/${file}.yaml`, import.meta.url), "utf8");
    const loaded = load(text);
    t.same(loaded.ok ? loaded.warnings : loaded.errors, [], file);
    const written = text.replace(/^# (?=crowdsec:| {2})/gm, "");
    const [, key = ""] = /apiKeyFile: (\S+)/.exec(written) ?? [];
    const banning = load(written.slice(written.indexOf("\nhostname:")), { files: { [key]: "k3y" } });
    t.same(banning.ok ? banning.warnings : banning.errors, [], `${file}, with CrowdSec`);
    t.ok(banning.ok && banning.configuration.crowdsec !== null, `${file} has a section for CrowdSec`);
  }
  const example = /```yaml\n([\s\S]*?)```/.exec(guide)?.[1];
  t.same(load(example ?? "").ok, true, "the guide's example");
});
