/** A pool's servers as they may be written, what is wrong with others, and how `check` tells of them. */
import t from "tap";
import { summary } from "../../src/commands/summary.ts";
import { errorsOf, loaded, serverAt } from "./fixtures.ts";

const file = (servers: string, more = "") => `listeners:
  smtp: { listen: 0.0.0.0:25, protocol: smtp, proxy: { mode: off }, pool: p }
pools:
  p:
    identity: proxy-v2
    servers: ${servers}
    ${more}
`;

t.test("loadConfiguration takes servers as addresses and as mappings, side by side", async (t) => {
  const servers =
    '["192.0.2.1:25", { address: "[2001:db8::1]:25" }, { address: 192.0.2.2:25, weight: 256, backup: true, maxConnections: 100 }]';
  const [pool] = loaded(file(servers, "balance: source")).pools;
  t.same(pool?.servers, [
    serverAt("192.0.2.1", 25),
    serverAt("2001:db8::1", 25),
    { ...serverAt("192.0.2.2", 25), weight: 256, backup: true, maxConnections: 100 },
  ]);
  t.equal(pool?.balance, "source");
});

t.test("loadConfiguration takes a name for a server, and no mistyped address for one", async (t) => {
  const [pool] = loaded(file('["Mail_1.Example.org:25", "localhost:26"]')).pools;
  t.same(pool?.servers, [serverAt("mail_1.example.org", 25), serverAt("localhost", 26)]);
  const wrong = [
    "192.0.2:25",
    "192.0.2.256:25",
    "2001:db8::1:25",
    "mail.:25",
    "-a.example:25",
    "mail",
    "mail:0",
  ];
  for (const text of [...wrong, "mail:65536", "a b:25", `${"a".repeat(64)}.example:25`]) {
    t.match(
      errorsOf(file(`["${text}"]`)),
      [/servers\[0\]: must be an IP address or a host name, and a port/],
      text,
    );
  }
});

t.test("loadConfiguration says what is wrong with a server, at its place", async (t) => {
  const at = (place: string, message: string) => [`6:${place}: ${message}`];
  for (const [servers, more, errors] of [
    ["[{ weight: 2 }]", "", at("15", "pools.p.servers[0].address: is missing")],
    ["[{ address: 192.0.2.1:25, weight: 0 }]", "", at("48", "pools.p.servers[0].weight: must be at least 1")],
    [
      "[{ address: 192.0.2.1:25, weight: 257 }]",
      "",
      at("48", "pools.p.servers[0].weight: must be at most 256"),
    ],
    [
      "[{ address: 192.0.2.1:25, maxConnection: 1 }]",
      "",
      at("40", "pools.p.servers[0].maxConnection: unknown key (did you mean maxConnections?)"),
    ],
    ["[192.0.2.1:25]", "balance: random", ["7:14: pools.p.balance: must be roundrobin, leastconn or source"]],
    [
      '["[::ffff:192.0.2.1]:25", { address: 192.0.2.1:25, weight: 2 }]',
      "",
      at("40", "pools.p.servers[1]: 192.0.2.1:25 is in the list already; a weight makes it count for more"),
    ],
  ] as const) {
    t.same(errorsOf(file(servers, more)), errors, servers);
  }
});

t.test("summary says how several servers share the sessions", async (t) => {
  const row = (servers: string, more?: string) =>
    /^ {2}pool +(.*)/m.exec(summary(loaded(file(servers, more))))?.[1];
  t.equal(
    row(
      "[192.0.2.1:25, { address: 192.0.2.2:25, weight: 2, backup: true, maxConnections: 9 }]",
      "balance: leastconn",
    ),
    "p: 192.0.2.1:25, 192.0.2.2:25 (weight 2, backup, at most 9 at once) by leastconn (connect 5s, greet 30s)",
  );
  t.equal(row("[192.0.2.1:25]"), "p: 192.0.2.1:25 (connect 5s, greet 30s)");
});
