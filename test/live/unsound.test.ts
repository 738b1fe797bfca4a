/**
 * Servers that answer as none should, at a live gateway: the client is told to come back, or nothing where that would be
 * taken for another reply. It never hears a good reply that the server did not give, and nothing of the session is left.
 */
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { makeDirectory } from "../servers/process.ts";
import { concurrency, metricIs } from "./look.ts";
import { exchange, ok, pair, secure } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

const away = "421 4.3.2 gateway.example.test Service not available, try again later\r\n";
const late = "421 4.4.2 upstream timed out\r\n";
const begin = "220 2.0.0 Ready to start TLS\r\n";
const mail = "MAIL FROM:<a@example.org>\r\n";
const envelope = `${mail}RCPT TO:<b@example.test>\r\n`;
const noop = "NOOP\r\n";
/** Client and server have come so far that a message's text is next. */
const inData: Turn = [`${envelope}DATA\r\n`, `${ok}${ok}354 go\r\n`];

/** What the client says, and what the server answers when it has heard all of it. */
type Turn = readonly [says: string, answers: string];

interface Fault {
  /** Behind an answered EHLO. */
  readonly turns: readonly Turn[];
  /** What the client says with the last turn, although it is not its turn. */
  readonly ahead?: string;
  /** How the server leaves then; it stays where nothing is said. */
  readonly leaves?: "end" | "reset";
  /** What the client is told instead of the last answer. */
  readonly told: string;
  readonly outcome: "failed" | "closed" | "timeout";
  readonly reason?: string;
}

const astray = { outcome: "failed", reason: "protocol-violation" } as const;
const broken = { outcome: "failed", reason: "upstream-unavailable" } as const;
const closed = { outcome: "closed" } as const;
const silent = { outcome: "timeout" } as const;

const faults: Readonly<Record<string, Fault>> = {
  "a reply to nothing": { turns: [["", ok]], told: away, ...astray },
  "two replies to one command": { turns: [[noop, ok + ok]], told: ok + away, ...astray },
  "a reply behind its leave": { turns: [["QUIT\r\n", `221 bye\r\n${ok}`]], told: "221 bye\r\n", ...astray },
  "354 to RCPT": { turns: [[envelope, `${ok}354 go\r\n`]], told: ok + away, ...astray },
  "334 to MAIL": { turns: [[mail, "334 go\r\n"]], told: away, ...astray },
  "250 to DATA": { turns: [[inData[0], ok.repeat(3)]], told: ok + ok + away, ...astray },
  "334 to DATA": { turns: [[inData[0], `${ok}${ok}334 go\r\n`]], told: ok + ok + away, ...astray },
  "354 to AUTH": { turns: [["AUTH LOGIN\r\n", "354 go\r\n"]], told: away, ...astray },
  "250 amid a message": { turns: [inData, ["one\r\n", ok]], told: away, ...astray },
  "354 to a message": { turns: [inData, ["one\r\n.\r\n", "354 go\r\n"]], told: away, ...astray },
  "354 to a chunk": {
    turns: [[`${envelope}BDAT 3 LAST\r\none`, `${ok}${ok}354 go\r\n`]],
    told: ok + ok + away,
    ...astray,
  },
  "two codes in one reply": { turns: [[noop, "250-one\r\n550 two\r\n"]], told: "250-one\r\n", ...astray },
  "a line that is no reply": { turns: [[noop, "hello\r\n"]], told: away, ...astray },
  "a code that is none": { turns: [[noop, "150 hm\r\n"]], told: away, ...astray },
  "a line that ends in LF": { turns: [[noop, "250 Ok\n"]], told: away, ...astray },
  "a CR in a line": { turns: [[noop, "250 Ok\r250 Ok\r\n"]], told: away, ...astray },
  "a NUL in a line": { turns: [[noop, "250 Ok\0\r\n"]], told: away, ...astray },
  "a line that is too long": { turns: [[noop, `250 ${"x".repeat(2043)}\r\n`]], told: away, ...astray },
  "a line without an end": { turns: [[noop, "250 ".padEnd(2049, "x")]], told: away, ...astray },
  "a reply without an end": {
    turns: [[noop, "250-x\r\n".repeat(1001)]],
    told: "250-x\r\n".repeat(1000),
    ...astray,
  },
  "an end within a line": { turns: [[noop, "250 O"]], leaves: "end", told: away, ...broken },
  "a reset within a line": { turns: [[noop, "250 O"]], leaves: "reset", told: away, ...broken },
  "an end within a reply": { turns: [[noop, "250-a\r\n"]], leaves: "end", told: "250-a\r\n", ...closed },
  "a reset within a reply": { turns: [[noop, "250-a\r\n"]], leaves: "reset", told: "250-a\r\n", ...broken },
  "an end within a list": {
    turns: [["EHLO b\r\n", "250-upstream\r\n250-SIZE\r\n"]],
    leaves: "end",
    told: "250-upstream\r\n",
    ...closed,
  },
  "an end instead of a reply": { turns: [[noop, ""]], leaves: "end", told: away, ...broken },
  "a reset instead of a reply": { turns: [[noop, ""]], leaves: "reset", told: away, ...broken },
  "an end before it has heard all": {
    turns: [[inData[0], ok + ok]],
    ahead: "one\r\n.\r\nQUIT\r\n",
    leaves: "end",
    told: ok + ok + away,
    ...broken,
  },
  "an end amid a message": { turns: [inData, ["one\r\n", ""]], leaves: "end", told: away, ...broken },
  "a reset amid a message": { turns: [inData, ["one\r\n", ""]], leaves: "reset", told: away, ...broken },
  "an end behind a message": { turns: [inData, ["one\r\n.\r\n", ""]], leaves: "end", told: away, ...broken },
  "a reset behind a message": {
    turns: [inData, ["one\r\n.\r\n", ""]],
    leaves: "reset",
    told: away,
    ...broken,
  },
  "a reset amid a chunk": {
    turns: [[`${envelope}BDAT 9 LAST\r\none`, ok + ok]],
    leaves: "reset",
    told: ok + ok + away,
    ...broken,
  },
  "421 out of the blue": { turns: [["", late]], leaves: "end", told: late, ...closed },
  "421 instead of a reply": { turns: [[noop, late]], leaves: "end", told: late, ...closed },
  "421 within a list": {
    turns: [["EHLO b\r\n", `250-upstream\r\n${late}`]],
    leaves: "end",
    told: `250-upstream\r\n${late}`,
    ...closed,
  },
  "421 amid a message": { turns: [inData, ["one\r\n", late]], leaves: "reset", told: late, ...broken },
  "421 and another reply": { turns: [[noop, late + ok]], told: late, ...astray },
  silence: { turns: [[noop, ""]], told: away, ...silent },
  "silence within a line": { turns: [[noop, "250 O"]], told: away, ...silent },
  "silence within a reply": { turns: [[noop, "250-one\r\n"]], told: "250-one\r\n", ...silent },
  "silence about a message": { turns: [inData, ["one\r\n.\r\n", ""]], told: away, ...silent },
};

async function start(t: Test) {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const upstream = await startUpstream(t);
  const smtp = behindProxy("smtp", "servers");
  const gateway = await startGateway(t, {
    listeners: {
      off: smtp,
      starttls: { ...smtp, tls: "starttls", smtp: { authOnlyOverTls: false } },
      implicit: { ...smtp, tls: "implicit" },
      silent: { ...smtp, tls: "implicit", idleTimeout: "3s" },
    },
    pools: { servers: poolOf(upstream.port, "none") },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
  });
  return { gateway, upstream };
}

const { gateway, upstream } = await start(t);
let clients = 0;

for (const [what, fault] of Object.entries(faults)) {
  t.test(`${what}: the client hears no good word that the server did not say`, async (t) => {
    const { turns, ahead = "", leaves, told, outcome, reason = null } = fault;
    for (const listener of outcome === "timeout" ? ["silent"] : ["off", "implicit"]) {
      const source = `203.0.113.${++clients}`;
      const both = await pair(t, gateway, upstream, { listener, source, tls: listener !== "off" });
      const { client, server } = both;
      await exchange(both, "EHLO a", "250-upstream\r\n250 CHUNKING\r\n");
      for (const [index, [says, answers]] of turns.entries()) {
        const isLast = index === turns.length - 1;
        client.send(isLast ? says + ahead : says);
        t.equal((await server.bytes(says.length)).toString(), says);
        server.send(answers);
        if (!isLast) await client.through(answers);
      }
      if (leaves !== undefined) server[leaves]();
      t.equal(await client.rest(), told, listener);
      client.end();
      t.equal(await server.rest(), "", "and it sees its end");
      t.match(await gateway.session(listener, source), { outcome, reason, smtp: { mails: 0 } });
    }
  });
}

t.test("a server that leaves while its client begins TLS takes the session with it", async (t) => {
  for (const leaves of ["end", "reset"] as const) {
    const source = `203.0.113.${++clients}`;
    const { client, server } = await pair(t, gateway, upstream, { listener: "starttls", source });
    client.send("STARTTLS\r\n");
    await server.line();
    server.send(ok);
    t.equal(await client.line(), begin);
    server[leaves]();
    // Not every wire hears of a reset amid the handshake, nor before what the client says behind it.
    await client.secure().catch(() => {});
    client.send("EHLO a\r\n");
    t.match(await client.rest(), new RegExp(`^(${away})?$`), "421, or nothing where it was not asked");
    client.end();
    t.match(await gateway.session("starttls", source), { outcome: /closed|failed/ });
  }
  const source = `203.0.113.${++clients}`;
  const both = await pair(t, gateway, upstream, { listener: "starttls", source });
  await secure(both);
  both.server.end();
  t.equal(await both.client.rest(), "", "nothing was owed");
});

t.test("nothing is left of all these sessions", async (t) => {
  for (const listener of ["off", "starttls", "implicit", "silent"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});
