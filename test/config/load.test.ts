/** Whole files: what they come to, and, for wrong ones, every line that is said. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration look like this.
import { availableParallelism, hostname } from "node:os";
import fc from "fast-check";
import t from "tap";
import {
  defaultHealth,
  defaultLimits,
  defaultPark,
  defaultPoolTls,
  defaultSmtp,
  errorsOf,
  least,
  load,
  loaded,
  serverAt,
} from "./fixtures.ts";

t.test("loadConfiguration fills in every default when a file says the least", async (t) => {
  t.same(load(least), {
    ok: true,
    warnings: [],
    configuration: {
      hostname: hostname(),
      threads: Math.min(availableParallelism(), 64),
      maxConnections: 20_000,
      tableSize: 65_536,
      drainMs: 30_000,
      listeners: [
        {
          name: "smtp",
          listen: [{ host: "0.0.0.0", port: 2525 }],
          protocol: "smtp",
          proxy: null,
          tls: "off",
          ban: { action: "reply", text: null },
          smtp: defaultSmtp,
          pool: "postfix",
          limits: "default",
          idleTimeoutMs: 300_000,
          monitors: [],
        },
      ],
      pools: [
        {
          name: "postfix",
          servers: [serverAt("127.0.0.1", 25)],
          balance: "roundrobin",
          identity: "xclient",
          tls: defaultPoolTls,
          connectTimeoutMs: 5_000,
          greetTimeoutMs: 30_000,
          health: defaultHealth,
          park: defaultPark,
        },
      ],
      limits: { default: defaultLimits },
      tls: { certificates: [], minVersion: "TLSv1.2" },
      crowdsec: null,
      log: { level: "info", destination: "stdout", stockLines: null },
      admin: { listen: { host: "127.0.0.1", port: 9025 }, token: null, topClients: 50 },
    },
  });
});

t.test("loadConfiguration gives addresses one form when they are written in several", async (t) => {
  const text = least.replace("0.0.0.0:2525", '["[2001:DB8:0:0::1]:25", "[::ffff:192.0.2.1]:25"]');
  const [listener] = loaded(text).listeners;
  t.same(listener?.listen, [
    { host: "2001:db8::1", port: 25 },
    { host: "192.0.2.1", port: 25 },
  ]);
});

t.test("loadConfiguration is more patient when IMAP or an unknown protocol is silent", async (t) => {
  for (const protocol of ["imap", "tcp"]) {
    const text = least.replace("protocol: smtp", `protocol: ${protocol}`).replace("xclient", "proxy-v2");
    t.equal(loaded(text).listeners[0]?.idleTimeoutMs, 31 * 60_000);
  }
});

t.test("loadConfiguration takes the token from its file when there is one", async (t) => {
  const text = `${least}admin: { tokenFile: /run/token }\n`;
  const world = (token: string) => ({ files: { "/run/token": token } });
  t.equal(loaded(text, world("  s3cret\n")).admin.token, "s3cret");
  t.same(errorsOf(text), ["11:21: admin.tokenFile: the file cannot be read (ENOENT)"]);
  t.same(errorsOf(text, world(" \n")), ["11:21: admin.tokenFile: the file is empty"]);
  t.same(errorsOf(text, world("s3cret\nother")), [
    "11:21: admin.tokenFile: the file must hold one line of plain characters",
  ]);
});

t.test("loadConfiguration takes variables as texts when they are set", async (t) => {
  const text = least.replace("0.0.0.0:2525", "${HOST}:${PORT}").replace("pool: postfix", "pool: ${POOL}");
  const environment = { HOST: "192.0.2.1", PORT: "25", POOL: "postfix" };
  t.same(loaded(text, { environment }).listeners[0]?.listen, [{ host: "192.0.2.1", port: 25 }]);
  t.same(errorsOf(`${least}threads: \${PORT}\n`, { environment }), [
    "11:10: threads: must be a whole number",
  ]);
  t.same(errorsOf(text, { environment: { HOST: "192.0.2.1", POOL: "postfix" } }), [
    "3:13: listeners.smtp.listen: the environment variable PORT is not set",
  ]);
  t.same(
    errorsOf(`${least}log: { destination: "\${NO}" }\n`),
    ["11:21: log.destination: the environment variable NO is not set"],
    "even where any text would do",
  );
  t.notMatch(
    errorsOf(text, { environment: { ...environment, HOST: "s3cret" } }).join(),
    /s3cret/,
    "what a variable holds is never shown",
  );
});

t.test("loadConfiguration reports everything when much is wrong", async (t) => {
  const text = `threads: 65
listeners:
  smtp:
    listen: [0.0.0.0:25, localhost:25]
    protocol: lmtp
    proxy: off
    pool: postfx
    pol: postfix
  bad name: {}
pools:
  postfix:
    servers: []
    connectTimeout: 5
  dovecot:
    servers: ["192.0.2.1:0"]
    identity: xclient
    heath: {}
limits:
  default: { timeUnit: 1500ms, connectionCount: -1, connectionRate: 1.5, exceptions: [10.0.0.0/33] }
drain: 25h
log: { level: loud }
`;
  const endpoint = "must be an IP address and a port, like 192.0.2.1:25 or [2001:db8::1]:25";
  t.same(errorsOf(text), [
    "1:10: threads: must be at most 64",
    `4:26: listeners.smtp.listen[1]: ${endpoint}`,
    "5:15: listeners.smtp.protocol: must be smtp, imap or tcp",
    "6:12: listeners.smtp.proxy: must be { mode: required, from: [...] } or { mode: off }",
    '7:11: listeners.smtp.pool: no pool is named "postfx" (known: postfix, dovecot)',
    "8:5: listeners.smtp.pol: unknown key (did you mean pool?)",
    '9:3: listeners."bad name": a name has up to 64 letters, digits, dots, dashes and underscores, a letter or digit first',
    "12:5: pools.postfix.identity: is missing: proxy-v2, proxy-v1, xclient, id or none",
    "12:14: pools.postfix.servers: must not be empty",
    "13:21: pools.postfix.connectTimeout: the unit is missing: a duration is written like 500ms, 60s, 5m or 2h",
    "15:15: pools.dovecot.servers[0]: must be an IP address or a host name, and a port, like 192.0.2.1:25, [2001:db8::1]:25 or mail.example.org:25",
    "17:5: pools.dovecot.heath: unknown key (did you mean health?)",
    "19:24: limits.default.timeUnit: must be whole seconds",
    "19:49: limits.default.connectionCount: must be at least 0",
    "19:69: limits.default.connectionRate: must be a whole number",
    "19:87: limits.default.exceptions[0]: must be a network or an address, like 10.0.20.0/24, 2001:db8::/32 or 192.0.2.1",
    "20:8: drain: must be at most 24h",
    "21:15: log.level: must be debug, info, warn or error",
  ]);
});

t.test("loadConfiguration answers in lines when a file is damaged anywhere", async () => {
  const text = `${least}limits: { default: { scope: s }, "a b": &a [*a] }\nadmin: { tokenFile: "\${NO}" }\n`;
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "",
      "\n",
      "{",
      "[",
      "- ",
      ": ",
      "&a ",
      "*a",
      "<<: *a",
      "!!binary ",
      "? ",
      "|",
      "'",
      "null",
      "-1",
    ),
  );
  const span = fc.tuple(fc.nat(text.length), fc.nat(12), piece);
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 3 }), (spans) => {
      let damaged = text;
      for (const [at, length, put] of spans)
        damaged = damaged.slice(0, at) + put + damaged.slice(at + length);
      const file = load(damaged);
      const lines = file.ok ? file.warnings : file.errors;
      return (file.ok || lines.length > 0) && lines.every((line) => /^postern\.yaml:\d+:\d+: .+$/.test(line));
    }),
    { numRuns: 500 },
  );
});
