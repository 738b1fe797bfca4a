/** Numbers for names: kept whatever is reloaded, and bounded where they are places. */
import t from "tap";
import type { Configuration } from "../../src/config/options.ts";
import { counterShape, Registry } from "../../src/threads/registry.ts";
import { loaded } from "../config/fixtures.ts";

/** Listeners with these names, each in the scope behind its name's colon, before as many pools. */
function naming(...words: string[]): Configuration {
  const all = words.map((word) => word.split(":") as [string, string?]);
  const file = {
    listeners: Object.fromEntries(
      all.map(([name, scope], index) => [
        name,
        {
          listen: `127.0.0.1:${index + 1}`,
          protocol: "tcp",
          proxy: { mode: "off" },
          pool: `p-${name}`,
          limits: scope ?? "default",
        },
      ]),
    ),
    pools: Object.fromEntries(
      all.map(([name]) => [`p-${name}`, { servers: ["192.0.2.1:25"], identity: "none" }]),
    ),
    limits: Object.fromEntries(all.flatMap(([, scope]) => (scope === undefined ? [] : [[scope, { scope }]]))),
  };
  return loaded(JSON.stringify(file));
}

t.test("Registry gives each name its number once, and keeps it while the name is gone", async (t) => {
  const registry = new Registry();
  registry.admit(naming("a", "b:shared", "c:shared"));
  t.same(
    [...registry.listeners],
    [
      ["a", 0],
      ["b", 1],
      ["c", 2],
    ],
  );
  t.same(
    [...registry.pools],
    [
      ["p-a", 0],
      ["p-b", 1],
      ["p-c", 2],
    ],
  );
  t.same(
    [...registry.scopes],
    [
      ["a", 0],
      ["shared", 1],
    ],
  );
  const { listeners, scopes } = registry.admit(naming("d", "c"));
  t.same([listeners.get("d"), listeners.get("c")], [3, 2]);
  t.same([scopes.get("d"), scopes.get("c")], [2, 3], "a listener's own scope is another than the shared one");
  registry.admit(naming("b:shared", "a"));
  t.same([...registry.listeners.values()], [0, 1, 2, 3]);
  t.same(
    [...registry.scopes],
    [
      ["a", 0],
      ["shared", 1],
      ["d", 2],
      ["c", 3],
    ],
  );
});

t.test("Registry gives names no number twice when they are words of JavaScript's own", async (t) => {
  const { listeners, scopes } = new Registry().admit(naming("constructor", "toString"));
  t.same([...listeners.values(), ...scopes.values()], [0, 1, 0, 1]);
});

t.test(
  "Registry takes as many as there are counters for, and changes nothing when there are more",
  async (t) => {
    const registry = new Registry();
    const { listeners: room } = counterShape(1);
    const names = Array.from({ length: room }, (_, index) => `l${index}`);
    registry.admit(naming(...names));
    registry.admit(naming(...names.slice(1)));
    t.throws(() => registry.admit(naming("one", "two")), {
      message: `listeners: with those that were there before they are ${room + 2}, and ${room} is the most: restart`,
    });
    t.equal(registry.listeners.size, room);
    t.equal(registry.scopes.size, room);
    registry.admit(naming(...names));
  },
);
