/** Contradictions between settings, each with its one line. */
import { readFileSync } from "node:fs";
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { errorsOf, least } from "./fixtures.ts";

/** A listener and its pool, on one line each, and a certificate. */
function pair({ protocol = "smtp", tls = "off", identity = "proxy-v2", poolTls = "off", more = "" }): string {
  return `listeners:
  a: { listen: "0.0.0.0:25", protocol: ${protocol}, tls: ${tls}, proxy: { mode: off }, pool: p${more} }
pools:
  p: { servers: ["192.0.2.1:25"], identity: ${identity}, tls: ${poolTls} }
tls: { certificates: [{ cert: cert, key: key }] }
`;
}

const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const files = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };

const protocols = ["smtp", "imap", "tcp"];
const modes = ["off", "starttls", "passthrough", "implicit"];

/** The errors of one pair, without their columns, which depend on the words before. */
function faultsOf(words: Parameters<typeof pair>[0]): string[] {
  return errorsOf(pair(words), { files }).map((error) => error.replace(/^(\d+):\d+: /, "$1: "));
}

t.test("crossFaults names what is known when a name leads nowhere", async (t) => {
  const at = (key: string, word: string) => least.replace("    pool: postfix", `    ${key}: ${word}`);
  t.same(errorsOf(at("pool", "postfx")), [
    '6:11: listeners.smtp.pool: no pool is named "postfx" (known: postfix)',
  ]);
  t.same(errorsOf(least.replace("smtp:\n", "smtp:\n    limits: strict\n")), [
    '3:13: listeners.smtp.limits: no set of limits is named "strict" (known: default)',
  ]);
  t.same(errorsOf(at("pool", "constructor")), [
    '6:11: listeners.smtp.pool: no pool is named "constructor" (known: postfix)',
  ]);
  t.same(errorsOf(least.slice(0, least.indexOf("pools:"))), [
    "1:1: pools: is missing",
    '6:11: listeners.smtp.pool: no pool is named "postfix" (known: none)',
  ]);
});

t.test("crossFaults refuses an identity when the listener cannot speak it", async (t) => {
  for (const protocol of protocols) {
    for (const tls of modes.filter((mode) => protocol !== "tcp" || mode !== "starttls")) {
      for (const identity of ["proxy-v2", "proxy-v1", "xclient", "id", "none"]) {
        const needs = { xclient: "smtp", id: "imap" }[identity];
        const right = needs === undefined || (needs === protocol && tls !== "passthrough");
        t.same(
          faultsOf({ protocol, tls, identity }),
          right
            ? []
            : [
                `2: listeners.a.pool: identity ${identity} of pool "p" needs protocol ${needs}, and no tls passthrough`,
              ],
          `${protocol} ${tls} ${identity}`,
        );
      }
    }
  }
});

t.test("crossFaults says nothing of an identity when what it depends on is wrong itself", async (t) => {
  t.same(faultsOf({ protocol: "lmtp", identity: "xclient" }), [
    "2: listeners.a.protocol: must be smtp, imap or tcp",
  ]);
  t.same(faultsOf({ tls: "ssl", identity: "xclient" }), [
    "2: listeners.a.tls: must be off, starttls, passthrough or implicit",
  ]);
});

t.test("crossFaults refuses starttls when the protocol has no such command", async (t) => {
  for (const protocol of ["smtp", "imap"]) t.same(faultsOf({ protocol, tls: "starttls" }), [], protocol);
  t.same(faultsOf({ protocol: "tcp", tls: "starttls" }), [
    "2: listeners.a.tls: starttls needs protocol smtp or imap: tcp is not looked into",
  ]);
});

t.test("crossFaults refuses a pool's starttls when it would be begun in two protocols", async (t) => {
  const errors = (poolTls: string, ...protocols: string[]) => {
    const listeners = protocols.map(
      (protocol, index) =>
        `  l${index}: { listen: "0.0.0.0:${index + 1}", protocol: ${protocol}, proxy: { mode: off }, pool: p }`,
    );
    return errorsOf(`listeners:
${listeners.join("\n")}
pools:
  p: { servers: ["192.0.2.1:25"], identity: proxy-v2, tls: ${poolTls} }
`);
  };
  const fault = (path: string, name: string, protocol: string) =>
    `${path}.pool: tls starttls of pool "p" is begun in one protocol, and listener ${name} speaks ${protocol} to it`;
  t.same(errors("starttls", "smtp", "imap", "smtp"), [fault("3:74: listeners.l1", "l0", "smtp")]);
  t.same(errors("starttls", "imap", "smtp", "smtp"), [
    fault("3:74: listeners.l1", "l0", "imap"),
    fault("4:74: listeners.l2", "l0", "imap"),
  ]);
  t.same(errors("starttls", "smtp", "tcp"), [
    '3:73: listeners.l1.pool: tls starttls of pool "p" needs protocol smtp or imap',
  ]);
  t.same(errors("starttls", "tcp", "smtp").length, 1, "what is not looked into begins no TLS");
  for (const protocol of ["smtp", "imap"]) t.same(errors("starttls", protocol, protocol), [], protocol);
  for (const poolTls of ["off", "implicit"]) t.same(errors(poolTls, "smtp", "imap", "tcp"), [], poolTls);
});

t.test("crossFaults refuses TLS that ends here when there is no certificate", async (t) => {
  for (const certificates of ["tls: { certificates: [] }", "tls: {}", ""]) {
    for (const tls of modes) {
      const text = pair({ tls }).replace(/^tls: .*$/m, certificates);
      const needs = tls === "starttls" || tls === "implicit";
      const error = `2:51: listeners.a.tls: ${tls} needs a certificate, and tls.certificates has none`;
      t.same(errorsOf(text), needs ? [error] : [], `${tls}, ${certificates}`);
    }
  }
  t.same(errorsOf(pair({ tls: "implicit" }).replace(/^tls: .*$/m, "tls: { certificates: 5 }")), [
    "5:22: tls.certificates: must be a list",
  ]);
});

t.test("crossFaults refuses a pool's TLS when the listener's session cannot have it", async (t) => {
  for (const protocol of protocols) {
    for (const tls of modes.filter((mode) => protocol !== "tcp" || mode !== "starttls")) {
      for (const poolTls of ["off", "starttls", "implicit"]) {
        const inside = poolTls !== "off" && tls === "passthrough";
        const wordless = poolTls === "starttls" && protocol === "tcp";
        const expected = inside
          ? [
              `2: listeners.a.pool: tls ${poolTls} of pool "p" would be TLS inside the TLS that passes through`,
            ]
          : wordless
            ? ['2: listeners.a.pool: tls starttls of pool "p" needs protocol smtp or imap']
            : [];
        t.same(faultsOf({ protocol, tls, poolTls }), expected, `${protocol} ${tls} ${poolTls}`);
      }
    }
  }
});

t.test("crossFaults refuses the key smtp when the protocol is another", async (t) => {
  for (const smtp of ["{}", "{ earlyTalk: refuse }", "null"]) {
    for (const protocol of ["imap", "tcp"]) {
      const errors = faultsOf({ protocol, more: `, smtp: ${smtp}` });
      t.same(errors[0], "2: listeners.a.smtp: is for protocol smtp only", `${protocol} ${smtp}`);
    }
  }
  t.same(faultsOf({ more: ", smtp: { earlyTalk: refuse, bareNewline: close, authOnlyOverTls: false }" }), []);
});

t.test("crossFaults refuses an address when it is taken already", async (t) => {
  const file = (one: string, two: string, admin = "127.0.0.1:9025") => `listeners:
  a: { listen: ${one}, protocol: tcp, proxy: { mode: off }, pool: p }
  b:
    listen: ${two}
    protocol: tcp
    proxy: { mode: off }
    pool: p
pools: { p: { servers: ["192.0.2.1:25"], identity: proxy-v2 } }
admin: { listen: "${admin}" }
`;
  const taken = (by: string, owner = "listener a") =>
    `4:13: listeners.b.listen: ${by} of ${owner} takes this address already`;
  const table: readonly [string, string, string[]][] = [
    ["127.0.0.1:25", "127.0.0.1:26", []],
    ["127.0.0.1:25", "127.0.0.2:25", []],
    ["127.0.0.1:0", "127.0.0.1:0", []],
    ["0.0.0.0:0", "127.0.0.1:0", []],
    ['"[::]:25"', "0.0.0.0:25", []],
    ["127.0.0.1:25", "127.0.0.1:25", [taken("127.0.0.1:25")]],
    ["0.0.0.0:25", "127.0.0.1:25", [taken("0.0.0.0:25")]],
    ["127.0.0.1:25", "0.0.0.0:25", [taken("127.0.0.1:25")]],
    ['"[::]:25"', '"[2001:db8::1]:25"', [taken("[::]:25")]],
    ['"[2001:db8:0::1]:25"', '"[2001:DB8::1]:25"', [taken("[2001:db8::1]:25")]],
    ["127.0.0.1:25", '"[::ffff:127.0.0.1]:25"', [taken("127.0.0.1:25")]],
    [
      "127.0.0.1:25",
      '["127.0.0.1:26", "127.0.0.1:26"]',
      ["4:30: listeners.b.listen[1]: 127.0.0.1:26 of listener b takes this address already"],
    ],
    [
      "127.0.0.1:25",
      "0.0.0.0:9025",
      ["9:18: admin.listen: 0.0.0.0:9025 of listener b takes this address already"],
    ],
  ];
  for (const [one, two, errors] of table) t.same(errorsOf(file(one, two)), errors, `${one} ${two}`);
});

t.test("crossFaults refuses sets of limits when they share a scope and disagree", async (t) => {
  const shared = (message: string) => `${message}, which counts in the same scope`;
  t.same(
    errorsOf(`${least}limits:\n  a: { scope: s, timeUnit: 10s }\n  b: { scope: s, timeUnit: 10s }\n`),
    [],
  );
  t.same(errorsOf(`${least}limits:\n  a: { scope: s }\n  b: { scope: t, timeUnit: 10s }\n`), []);
  t.same(
    errorsOf(`${least}limits:\n  a: { scope: s }\n  b: { scope: s, timeUnit: 10s, ipv4PrefixLength: 24 }\n`),
    [
      `13:28: ${shared("limits.b.timeUnit: must be the same as in limits.a")} "s"`,
      `13:51: ${shared("limits.b.ipv4PrefixLength: must be the same as in limits.a")} "s"`,
    ],
  );
  t.same(errorsOf(`${least}limits:\n  a: { scope: s, ipv6PrefixLength: 48 }\n  b: { scope: s }\n`), [
    `13:6: ${shared("limits.b.ipv6PrefixLength: must be the same as in limits.a")} "s"`,
  ]);
  t.same(
    errorsOf(`${least}limits:\n  a: { scope: smtp, timeUnit: 10s }\n`),
    [`12:3: ${shared("limits.default.timeUnit: must be the same as in limits.a")} "smtp"`],
    "a listener's own scope has its name, and the set default need not be written",
  );
});

t.test("crossFaults looks at the rest when a part is no mapping", async (t) => {
  t.same(errorsOf(`${least}limits: 5\nadmin: 5\n`), [
    "11:9: limits: must be a mapping",
    "12:8: admin: must be a mapping",
  ]);
  t.same(errorsOf(least.replace("pool: postfix", "pool: other").replace("pools:\n", "pools:\n  p: 5\n")), [
    '6:11: listeners.smtp.pool: no pool is named "other" (known: p, postfix)',
    "8:6: pools.p: must be a mapping",
  ]);
});
