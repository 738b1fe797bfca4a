/**
 * Who may import whom. The table below is the rule and `docs/architecture.md` draws it; an import that it does not allow
 * fails here, as do a circle and a socket outside `wire/`.
 *
 * Types may look back: a file that only names another's type is not bound to it when the program runs. So folders are
 * held to the table for types as well, and circles are looked for among the imports that are left without them.
 */
import { posix } from "node:path";
import t from "tap";
import { sourceFiles } from "./sources.ts";

/** Each folder of `src/`, and the folders that it may import. The files directly in `src/` are leaves, free for all. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  main: ["commands"],
  commands: ["config", "threads", "demo", "wire", "observe"],
  demo: ["proxy", "wire"],
  threads: ["proxy", "smtp", "imap", "limits", "pools", "wire", "tls", "observe", "crowdsec"],
  proxy: ["wire", "limits", "pools"],
  config: [],
  smtp: [],
  imap: [],
  limits: [],
  pools: [],
  wire: [],
  tls: [],
  crowdsec: [],
  observe: [],
  leaf: [],
};

/** A folder's settings are types in its `options.ts`; these folders may name them, and `config/`'s own, whosever they are. */
const namesOptions: readonly string[] = ["config", "commands", "threads"];

/** Each package that postern needs when it runs, and the only folder that may use it. */
const packages: Readonly<Record<string, string>> = {
  yaml: "config",
  zod: "config",
  pino: "observe",
  "prom-client": "observe",
  "smtp-server": "demo",
};

/** Node's modules that bring sockets or threads, and the folders that may use them. The others are free, but see `pure`. */
const builtins: Readonly<Record<string, readonly string[]>> = {
  "node:net": ["wire"],
  "node:tls": ["wire"],
  "node:dgram": ["observe"],
  "node:dns": [],
  "node:dns/promises": ["wire"],
  "node:http": ["observe", "crowdsec"],
  "node:https": ["crowdsec"],
  "node:http2": [],
  "node:worker_threads": ["threads"],
};

/** What these modules offer that opens no socket: saying what is an address, and what OpenSSL takes for a certificate. */
const socketless: Readonly<Record<string, readonly string[]>> = {
  "node:net": ["isIP", "isIPv4", "isIPv6"],
  "node:tls": ["createSecureContext"],
};

/** Bytes in, facts out: nothing of Node's is needed for that. */
const pure: readonly string[] = ["smtp", "imap"];

interface Import {
  readonly from: string;
  /** A path from the root, or a module's name. */
  readonly to: string;
  readonly names: readonly string[];
  readonly isType: boolean;
}

const files = sourceFiles("src");
const imports = files.flatMap(({ path, text }) => importsOf(path, text));

/** Static imports and exports, dynamic imports, and the URLs that threads are started from. */
function importsOf(from: string, text: string): Import[] {
  const found: Import[] = [];
  const resolve = (to: string) => (to.startsWith(".") ? posix.join(posix.dirname(from), to) : to);
  for (const [, type, clause, to] of text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:([^;"]*?)\s*from\s*)?"([^"]+)"/gm,
  )) {
    const names = (clause ?? "").replace(/[{}]/g, "").split(",");
    const trimmed = names.map((name) => name.trim()).filter((name) => name !== "");
    const isType =
      type !== undefined || (trimmed.length > 0 && trimmed.every((name) => name.startsWith("type ")));
    found.push({ from, to: resolve(to!), names: trimmed, isType });
  }
  for (const [, to] of text.matchAll(/(?:import|new URL)\(\s*"([^"]+)"/g)) {
    found.push({ from, to: resolve(to!), names: [], isType: false });
  }
  return found;
}

function folderOf(path: string): string {
  if (path === "src/main.ts") return "main";
  const parts = path.split("/");
  return parts.length > 2 ? parts[1]! : "leaf";
}

function isAllowed({ from, to, names, isType }: Import): boolean {
  const folder = folderOf(from);
  if (to === "package.json") return folder === "main" || folder === "commands";
  if (to.startsWith("src/")) return isArrow(folder, to, isType);
  if (!to.startsWith("node:")) return packages[to] === folder;
  const free = socketless[to];
  if (free !== undefined && names.length > 0 && names.every((name) => free.includes(name))) return true;
  return !pure.includes(folder) && (builtins[to]?.includes(folder) ?? true);
}

function isArrow(folder: string, to: string, isType: boolean): boolean {
  const target = folderOf(to);
  if (target === folder || target === "leaf") return true;
  if (isType && to.endsWith("/options.ts") && namesOptions.includes(folder)) return true;
  return arrows[folder]?.includes(target) ?? false;
}

/** The first circle that is found among what `next` leads to, as a path that begins and ends alike. */
function circle(next: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const walk = (node: string, path: readonly string[]): readonly string[] | null => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return null;
    done.add(node);
    for (const to of next.get(node) ?? []) {
      const found = walk(to, [...path, node]);
      if (found !== null) return found;
    }
    return null;
  };
  for (const node of next.keys()) {
    const found = walk(node, []);
    if (found !== null) return found;
  }
  return null;
}

t.test("src has a place in the table when a folder is there", async (t) => {
  const folders = new Set(files.map(({ path }) => folderOf(path)));
  for (const folder of folders) t.ok(folder in arrows, folder);
  t.ok(imports.length > files.length, "the imports were found");
});

t.test("src follows the arrows when a file imports another, a package or a module of Node's", async (t) => {
  const wrong = imports.filter((edge) => !isAllowed(edge));
  t.strictSame(
    wrong.map(({ from, to }) => `${from} -> ${to}`),
    [],
  );
});

t.test("src has no circle when the types are stripped", async (t) => {
  const edges = imports.filter(({ isType }) => !isType);
  const next = new Map(
    files.map(({ path }) => [path, edges.filter(({ from }) => from === path).map(({ to }) => to)] as const),
  );
  t.equal(circle(next), null);
  t.equal(circle(new Map(Object.entries(arrows))), null, "nor has the table");
});

t.test("src reaches Node's internal bindings in one file when it is read", async (t) => {
  const users = files.filter(({ text }) => /\bprocess\.binding\b|\bbinding\(/.test(text));
  t.strictSame(
    users.map(({ path }) => path),
    ["src/wire/libuv.ts"],
  );
});

t.test("bench and build import src, and test all of these, when they are read", async (t) => {
  const reach: Readonly<Record<string, readonly string[]>> = {
    test: ["test", "src", "bench", "build", "package.json"],
    bench: ["bench", "src", "package.json"],
    build: ["build"],
  };
  const ours = /^(?:src|test|bench|build|package\.json)(?=\/|$)/;
  for (const { path, text } of sourceFiles(...Object.keys(reach))) {
    const allowed = reach[path.split("/")[0]!]!;
    for (const { to } of importsOf(path, text)) {
      const target = ours.exec(to)?.[0];
      if (target !== undefined && !allowed.includes(target)) t.fail(`${path} -> ${to}`);
    }
  }
});

t.test("importsOf finds the names and the kind when an import has any form", async (t) => {
  const text = [
    'import { isIP } from "node:net";',
    'import type { A } from "../a.ts";',
    'import { type A, type B } from "./b.ts";',
    'import {\n  type A,\n  c,\n} from "./c.ts";',
    'import * as z from "zod";',
    'import "./d.ts";',
    'export { e } from "./e.ts";',
    'const f = await import("./f.ts");',
    'new Worker(new URL("./g.ts", import.meta.url));',
  ].join("\n");
  const found = importsOf("src/x/x.ts", text).map(({ to, isType }) => [to, isType]);
  t.strictSame(found, [
    ["node:net", false],
    ["src/a.ts", true],
    ["src/x/b.ts", true],
    ["src/x/c.ts", false],
    ["zod", false],
    ["src/x/d.ts", false],
    ["src/x/e.ts", false],
    ["src/x/f.ts", false],
    ["src/x/g.ts", false],
  ]);
});
