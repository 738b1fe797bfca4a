/** The target's counters beside the harness's: a real postern's after a few sessions, pages that are none, and a table. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import t, { type Test } from "tap";
import type { Counts } from "../../../bench/load/result.ts";
import { parsePage, type Series } from "../../../bench/target/exposition.ts";
import { compare, type Ran, TargetMetrics } from "../../../bench/target/metrics.ts";
import { End } from "../../live/end.ts";
import { startUpstream } from "../../live/upstream.ts";
import { behindProxy, poolOf, startGateway } from "../../servers/gateway.ts";
import { proxyHeader } from "../../servers/header.ts";
import { freePort } from "../../servers/ports.ts";
import { planOf } from "../load/plans.ts";

const none: Counts = {
  begun: 0,
  done: 0,
  turnedAway: 0,
  failed: 0,
  open: 0,
  neverBegun: 0,
  messages: 0,
  bytesIn: 0,
  bytesOut: 0,
};

const plan = planOf(25, { scenario: "smtp" });

function ran(counts: Partial<Counts>, more: Partial<Ran> = {}): Ran {
  return { plan, counts: { ...none, ...counts }, replies: [], faults: [], ...more };
}

/** Says a line, and awaits what is to be heard by then; gives the length of both. */
const steps: readonly (readonly [say: string, hear: string])[] = [
  ["", "220 upstream\r\n"],
  ["EHLO a\r\n", "250 upstream\r\n"],
  ["MAIL FROM:<a@example.org>\r\n", "250 ok\r\n"],
  ["RCPT TO:<b@example.test>\r\n", "250 ok\r\n"],
  ["DATA\r\n", "354 go\r\n"],
  ["text\r\n.\r\n", "250 taken\r\n"],
  ["QUIT\r\n", "221 bye\r\n"],
];

const said = steps.map(([say]) => say).join("");
const heard = steps.map(([, hear]) => hear).join("");

async function startTarget(t: Test) {
  const upstream = await startUpstream(t, {
    script: async (end) => {
      for (const [say, hear] of steps) {
        await end.bytes(say.length);
        end.send(hear);
      }
      end.end();
    },
  });
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers"), other: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
    limits: { default: { connectionRate: 3 } },
  });
  const session = async (client: string) => {
    const end = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(client));
    for (const [say, hear] of steps) {
      if (say !== "") end.send(say);
      await end.bytes(hear.length);
    }
    await end.ending();
    end.close();
  };
  const refused = async (client: string) => {
    const end = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(client));
    await end.ending();
    end.close();
  };
  return { gateway, session, refused };
}

t.test("TargetMetrics agrees with the harness when postern has served and refused", async (t) => {
  const { gateway, session, refused } = await startTarget(t);
  const url = `${gateway.adminUrl}/metrics`;
  await session("203.0.113.9");
  const first = new TargetMetrics(url);
  t.equal(await first.begin(), null);
  for (let count = 0; count < 3; count++) await session("203.0.113.7");
  const whole = ran({ begun: 3, done: 3, messages: 3, bytesIn: 3 * heard.length, bytesOut: 3 * said.length });
  t.same(await first.compare(whole), {
    agreements: [
      { what: "sessions begun", harness: 3, target: 3, agrees: true },
      { what: "messages taken", harness: 3, target: 3, agrees: true },
      { what: "bytes to the target", harness: 3 * said.length, target: 3 * said.length, agrees: true },
      { what: "bytes from the target", harness: 3 * heard.length, target: 3 * heard.length, agrees: true },
    ],
    findings: [],
  });
  const second = new TargetMetrics(url);
  t.equal(await second.begin(), null);
  for (let count = 0; count < 2; count++) await refused("203.0.113.7");
  const { agreements } = await second.compare(ran({ begun: 2, turnedAway: 2 }));
  t.same(agreements, [
    { what: "sessions begun", harness: 2, target: 2, agrees: true },
    { what: "sessions turned away", harness: 2, target: 2, agrees: true },
  ]);
  const faults = [
    { phase: "tls", kind: "closed", count: 1 },
    { phase: "tls", kind: "reset", count: 1 },
  ] as const;
  const inTls = ran({ begun: 2, failed: 2 }, { faults });
  t.same((await second.compare(inTls)).agreements, agreements, "before a handshake nothing can be said");
  const wrong = await second.compare(ran({ begun: 4, turnedAway: 1 }), 0);
  t.same(wrong.agreements, [
    { what: "sessions begun", harness: 4, target: 2, agrees: false },
    { what: "sessions turned away", harness: 1, target: 2, agrees: false },
  ]);
});

async function startPage(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/metrics`;
}

t.test("TargetMetrics reads again when the counters come late", async (t) => {
  let reads = 0;
  const url = await startPage(t, (_request, response) => {
    response.end(`postern_connections_total{listener="smtp"} ${reads++}\n`);
  });
  const metrics = new TargetMetrics(url);
  t.equal(await metrics.begin(), null);
  const { agreements } = await metrics.compare(ran({ begun: 3 }));
  t.same(agreements, [{ what: "sessions begun", harness: 3, target: 3, agrees: true }]);
});

t.test("TargetMetrics finds a fault when the page is gone behind the run", async (t) => {
  let reads = 0;
  const url = await startPage(t, (_request, response) => {
    if (reads++ === 0) response.end("postern_connections_total 0\n");
    else response.writeHead(503).end();
  });
  const metrics = new TargetMetrics(url);
  t.equal(await metrics.begin(), null);
  const outcome = "it answers with status 503";
  t.same(await metrics.compare(ran({})), {
    agreements: [],
    findings: [{ what: "the target's metrics", outcome, isWell: false }],
  });
});

const wrong: readonly (readonly [string, RequestListener, RegExp])[] = [
  [
    "HTML",
    (_, response) => response.end("<html></html>"),
    /: it is no page of metrics: line 1 is no metric$/,
  ],
  ["empty", (_, response) => response.end(), /: it is no page of metrics: it has no metrics$/],
  ["missing", (_, response) => response.writeHead(404).end(), /: it answers with status 404$/],
  ["elsewhere", (_, response) => response.writeHead(302, { location: "/" }).end(), /redirect/],
  ["broken off", (_, response) => response.socket?.destroy(), /: it cannot be read: UND_ERR_SOCKET$/],
  [
    "endless",
    (_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65_536, "a 1\n")));
      };
      response.on("drain", more);
      more();
    },
    /: it is longer than 16777216 bytes$/,
  ],
];

for (const [what, answer, fault] of wrong) {
  t.test(`TargetMetrics says what is wrong when the page is ${what}`, async (t) => {
    const metrics = new TargetMetrics(await startPage(t, answer));
    t.match(await metrics.begin(), fault);
    t.same(await metrics.compare(ran({})), { agreements: [], findings: [] }, "that is all there is to say");
  });
}

t.test("TargetMetrics says so when nobody listens", async (t) => {
  t.match(
    await new TargetMetrics(`http://127.0.0.1:${await freePort()}/`).begin(),
    /: it cannot be read: ECONNREFUSED$/,
  );
});

function pageOf(...lines: string[]): readonly Series[] {
  const page = parsePage(lines.join("\n"));
  if (typeof page === "string") throw new Error(page);
  return page;
}

t.test("compare takes the busiest listener when others are in use as well", async (t) => {
  const before = pageOf('haproxy_frontend_connections_total{proxy="mail"} 5');
  const after = pageOf(
    'haproxy_frontend_connections_total{proxy="stats"} 2',
    'haproxy_frontend_connections_total{proxy="mail"} 12',
    'haproxy_frontend_bytes_in_total{proxy="mail"} 70',
    'haproxy_frontend_bytes_in_total{proxy="stats"} 1',
    'haproxy_frontend_bytes_out_total{proxy="mail"} 71',
  );
  t.same(compare(before, after, ran({ begun: 7, bytesOut: 70, bytesIn: 70 })).agreements, [
    { what: "sessions begun", harness: 7, target: 7, agrees: true },
    { what: "bytes to the target", harness: 70, target: 70, agrees: true },
    { what: "bytes from the target", harness: 70, target: 71, agrees: false },
  ]);
});

const postern = ["connections_total", "messages_total", "bytes_total"];
const zero = pageOf(...postern.map((name) => `postern_${name}{listener="smtp",direction="in"} 0`));

t.test("compare leaves out what only one side can know when sessions failed", async (t) => {
  const after = pageOf(
    'postern_connections_total{listener="smtp"} 9',
    'postern_messages_total{listener="smtp"} 9',
    'postern_bytes_total{listener="smtp",direction="in"} 99',
    'postern_sessions_total{listener="smtp",outcome="failed"} 1',
    'postern_refused_total{listener="smtp",reason="banned"} 1',
  );
  const faults = [
    { phase: "connect", kind: "timeout", count: 1 },
    { phase: "final", kind: "reset", count: 1 },
  ] as const;
  const { agreements } = compare(zero, after, ran({ begun: 10, failed: 2, messages: 8 }, { faults }));
  t.same(agreements, [{ what: "sessions begun", harness: 9, target: 9, agrees: true }]);
});

t.test("compare takes whom the target reset at once for seen, and whom it never met for not", async (t) => {
  const after = pageOf('haproxy_frontend_connections_total{proxy="mail"} 7');
  const faults = [
    { phase: "connect", kind: "reset", count: 4 },
    { phase: "connect", kind: "refused", count: 3 },
    { phase: "connect", kind: "unreachable", count: 2 },
    { phase: "connect", kind: "timeout", count: 1 },
    { phase: "greeting", kind: "timeout", count: 1 },
  ] as const;
  const { agreements } = compare([], after, ran({ begun: 13, failed: 11, done: 2 }, { faults }));
  t.same(agreements, [{ what: "sessions begun", harness: 7, target: 7, agrees: true }]);
});

t.test("compare finds rather than accuses when the target reads no mail", async (t) => {
  const after = pageOf(
    'postern_connections_total{listener="smtp"} 1',
    'postern_messages_total{listener="smtp"} 0',
  );
  t.same(compare(zero, after, ran({ begun: 1, messages: 1 })), {
    agreements: [{ what: "sessions begun", harness: 1, target: 1, agrees: true }],
    findings: [
      {
        what: "messages taken",
        outcome: "the target counts none: it does not read these sessions",
        isWell: null,
      },
    ],
  });
});

t.test("compare accuses when the target reads these sessions and counts none of their mails", async (t) => {
  const after = pageOf(
    'postern_connections_total{listener="smtp"} 3',
    'postern_messages_total{listener="smtp"} 0',
    'postern_auth_total{listener="smtp",result="ok"} 3',
  );
  const replies = [{ phase: "auth", code: "235", text: "", count: 3 }] as const;
  t.same(compare(zero, after, ran({ begun: 3, messages: 3 }, { replies })), {
    agreements: [
      { what: "sessions begun", harness: 3, target: 3, agrees: true },
      { what: "messages taken", harness: 3, target: 0, agrees: false },
      { what: "logins taken", harness: 3, target: 3, agrees: true },
    ],
    findings: [],
  });
});

t.test("compare counts logins by their replies when sessions log in", async (t) => {
  const after = pageOf(
    'postern_connections_total{listener="imap"} 5',
    'postern_auth_total{listener="imap",result="ok"} 3',
    'postern_auth_total{listener="imap",result="failed"} 1',
  );
  const replies = [
    { phase: "login", code: "OK", text: "", count: 2 },
    { phase: "login", code: "OK", text: "in", count: 1 },
    { phase: "login", code: "NO", text: "", count: 2 },
  ] as const;
  t.same(compare([], after, ran({ begun: 5 }, { replies })).agreements, [
    { what: "sessions begun", harness: 5, target: 5, agrees: true },
    { what: "logins taken", harness: 3, target: 3, agrees: true },
    { what: "logins refused", harness: 2, target: 1, agrees: false },
  ]);
});

t.test("compare has nothing to say when the page is another's, or begins anew", async (t) => {
  const other = pageOf("node_load1 1");
  t.match(compare(other, other, ran({ begun: 1 })), { agreements: [], findings: [{ isWell: null }] });
  const before = pageOf('postern_connections_total{listener="smtp"} 9');
  const after = pageOf('postern_connections_total{listener="smtp"} 1');
  t.match(compare(before, after, ran({ begun: 1 })), { agreements: [], findings: [{ isWell: false }] });
});
