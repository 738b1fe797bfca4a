/** The launchers, in the repository and in a package: which Node.js and which entry they take, and that they become them. */
import { chmodSync, cpSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { pack } from "../../build/pack.ts";
import manifest from "../../package.json" with { type: "json" };
import { freePort } from "../bench/cli/bench.ts";
import { makeDirectory, startChild, until } from "../servers/process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const launchers = join(root, "bin");

/** The directories of what a launcher itself calls, without any Node.js of the machine's. */
const tools = "/usr/bin:/bin";

const configuration = {
  threads: 1,
  admin: { listen: "127.0.0.1:0" },
  listeners: { any: { listen: "127.0.0.1:0", protocol: "tcp", proxy: { mode: "off" }, pool: "none" } },
  pools: { none: { servers: ["127.0.0.1:1"], identity: "proxy-v2" } },
};

/** The launchers in what `npm install` makes of the package below `node_modules`; the packages that it needs are the repository's. */
function install(t: Test): string {
  const place = join(makeDirectory(t, "installed"), "node_modules/postern");
  mkdirSync(place, { recursive: true });
  pack(root, join(place, "dist"));
  for (const name of ["bin", "package.json"])
    cpSync(join(root, name), join(place, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  return join(place, "bin");
}

/** A directory with a `node` that says it is `version`, and otherwise prints what it was called with. */
function fakeNode(t: Test, version: string): string {
  const directory = makeDirectory(t, "node");
  const script = `#!/bin/sh\nif [ "$*" = --version ]; then echo ${version}; else echo "$@"; fi\n`;
  writeFileSync(join(directory, "node"), script);
  chmodSync(join(directory, "node"), 0o755);
  return directory;
}

/** Copies of the launchers in a place where nothing was installed beside it. */
function bare(t: Test): string {
  const directory = makeDirectory(t, "bare");
  cpSync(join(root, "bin"), join(directory, "bin"), { recursive: true });
  return join(directory, "bin");
}

for (const [where, path] of [
  ["the repository", () => launchers],
  ["a package", install],
] as const) {
  t.test(
    `postern and postern-bench say their version and nothing else when they run in ${where}`,
    async (t) => {
      const directory = path(t);
      for (const name of ["postern", "postern-bench"]) {
        const child = startChild(t, [join(directory, name), "--version"], {
          PATH: `${dirname(process.execPath)}:${tools}`,
        });
        t.equal(await child.ended, 0);
        t.equal(child.stdout(), `${manifest.version}\n`);
        t.equal(child.stderr(), "");
      }
    },
  );

  t.test(`postern is the gateway itself when a signal comes in ${where}`, async (t) => {
    const file = join(makeDirectory(t, "file"), "postern.yaml");
    writeFileSync(file, JSON.stringify(configuration));
    const link = join(makeDirectory(t, "link"), "postern");
    symlinkSync(join(path(t), "postern"), link);
    const child = startChild(t, [link, "serve", "-c", file], {
      PATH: `${dirname(process.execPath)}:${tools}`,
    });
    await until("a gateway that is ready", () => child.stdout().includes('"event":"ready"'));
    t.match(readlinkSync(`/proc/${child.pid}/exe`), /node$/, "its process is Node.js, not a shell");
    t.equal(await child.stop("SIGTERM"), 0);
    t.equal(child.stderr(), "");
  });
}

t.test("postern-bench starts its threads when it runs in a package", async (t) => {
  const words = ["smtp", "--sink", `127.0.0.1:${await freePort()}`, "--sessions", "5", "--json"];
  const child = startChild(t, [join(install(t), "postern-bench"), ...words]);
  t.equal(await child.ended, 0);
  t.match(JSON.parse(child.stdout()), { results: [{ counts: { done: 5 } }] });
});

t.test("postern and postern-bench take the Node.js in PATH when none was installed with them", async (t) => {
  const table: readonly [string, RegExp][] = [
    ["postern", /\/dist\/src\/main\.js check a b\n$/],
    ["postern-bench", /\/dist\/bench\/main\.js check a b\n$/],
  ];
  const [directory, PATH] = [bare(t), `${fakeNode(t, "v24.0.0")}:${tools}`];
  for (const [name, expected] of table) {
    const child = startChild(t, [join(directory, name), "check", "a b"], { PATH });
    t.equal(await child.ended, 0);
    t.match(child.stdout(), expected);
  }
});

t.test("postern has the code of Node.js in large pages while it serves, and only then", async (t) => {
  const [directory, PATH] = [bare(t), `${fakeNode(t, "v24.0.0")}:${tools}`];
  for (const [command, expected] of [
    ["serve", /^--use-largepages=silent \S+main\.js serve -c x\n$/],
    ["check", /^\S+main\.js check -c x\n$/],
  ] as const) {
    const child = startChild(t, [join(directory, "postern"), command, "-c", "x"], { PATH });
    t.equal(await child.ended, 0);
    t.match(child.stdout(), expected);
  }
});

t.test(
  "postern and postern-bench say what is missing, and end with 2, when the only Node.js is too old",
  async (t) => {
    const [directory, PATH] = [bare(t), `${fakeNode(t, "v20.20.2")}:${tools}`];
    for (const name of ["postern", "postern-bench"]) {
      const child = startChild(t, [join(directory, name), "--version"], { PATH });
      t.equal(await child.ended, 2);
      t.equal(child.stdout(), "");
      t.equal(child.stderr(), "postern: Node.js 24 or newer is needed, and the one in PATH is v20.20.2\n");
    }
  },
);
