/**
 * The guards of an SMTP session at a live gateway, in the clear and inside TLS: what the client reads, what the server has
 * heard, and what the log and the metrics say of it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { Offence } from "../../src/outcome.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory } from "../servers/process.ts";
import { ModelServer } from "../smtp/model.ts";
import { End } from "./end.ts";
import { concurrency, metric, metricIs } from "./look.ts";
import { exchange, hello, ok, type Pair, pair, secure } from "./pair.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const name = "gateway.example.test";
const away = `421 4.3.2 ${name} Service not available, try again later\r\n`;
const synchronization = `554 5.5.0 ${name} Error: SMTP protocol synchronization\r\n`;
const goodbye = "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n";
const refused = "502 5.5.1 Error: command not implemented\r\n";
const begin = "220 2.0.0 Ready to start TLS\r\n";

const message = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n";
const taken = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n";
const bare = (what: "CR" | "LF") => `550 5.5.2 ${name} Error: bare <${what}> received\r\n${away}`;

interface Guard {
  /** Behind an answered EHLO, all at once. */
  readonly says: string;
  readonly reason: Offence;
  /** What the server has heard of it. */
  readonly heard?: string;
  readonly told: string;
  readonly listener?: "close";
}

const guards: Readonly<Record<string, Guard>> = {
  "a NUL in a command": {
    says: "NOOP\0\r\nRSET\r\n",
    reason: "nul-byte",
    told: `521 5.5.2 ${name} Error: NUL byte received\r\n`,
  },
  "a bare LF in a command": {
    says: "NOOP\nRSET\r\n",
    reason: "bare-newline",
    told: `521 5.5.2 ${name} Error: bare <LF> received\r\n`,
  },
  "a bare CR in a command": {
    says: "NOOP\rRSET\r\n",
    reason: "bare-newline",
    told: `521 5.5.2 ${name} Error: bare <CR> received\r\n`,
  },
  "an overlong command": {
    says: `NOOP ${"x".repeat(2042)}\r\nRSET\r\n`,
    reason: "line-too-long",
    told: `521 5.5.2 ${name} Error: line too long\r\n`,
  },
  "a line without an end": {
    says: "x".repeat(12_289),
    reason: "line-too-long",
    told: `521 5.5.2 ${name} Error: line too long\r\n`,
  },
  "octets that cannot be counted": {
    says: "BDAT -1\r\nRSET\r\n",
    reason: "protocol-violation",
    told: away,
  },
  "a request of HTTP": {
    says: "POST / HTTP/1.1\r\nHost: a\r\n\r\nRSET\r\n",
    reason: "not-smtp",
    told: goodbye,
  },
  "too many errors": {
    says: `NOOP\r\n${"XCLIENT ADDR=127.0.0.1\r\n".repeat(20)}RSET\r\n`,
    reason: "too-many-errors",
    heard: "NOOP\r\n",
    told: `${ok}${refused.repeat(20)}421 4.7.0 ${name} Error: too many errors\r\n`,
  },
  "too many unanswered commands": {
    says: "NOOP\r\n".repeat(1025),
    reason: "too-many-commands",
    heard: "NOOP\r\n".repeat(1024),
    told: ok.repeat(1024) + away,
  },
  "a bare LF in a message": {
    says: `${message}one\r\ntwo\n.\r\nRSET\r\nthree\r\n.\r\nNOOP\r\n`,
    reason: "bare-newline",
    heard: message,
    told: taken + bare("LF"),
  },
  "a bare CR in a message": {
    says: `${message}one\r.\rRSET\r.\r\r\n.\r\nNOOP\r\n`,
    reason: "bare-newline",
    heard: message,
    told: taken + bare("CR"),
  },
  "a bare LF in a message, where that ends the session": {
    listener: "close",
    says: `${message}one\n.\r\ntwo`,
    reason: "bare-newline",
    heard: message,
    told: taken + bare("LF"),
  },
};

async function start(t: Test): Promise<{ gateway: Gateway; upstream: Upstream }> {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const upstream = await startUpstream(t);
  const smtp = behindProxy("smtp", "servers");
  const strict = { earlyTalk: "refuse" };
  const gateway = await startGateway(t, {
    listeners: {
      off: smtp,
      starttls: { ...smtp, tls: "starttls" },
      implicit: { ...smtp, tls: "implicit" },
      close: { ...smtp, tls: "implicit", smtp: { bareNewline: "close" } },
      early: { ...smtp, smtp: strict },
      earlyInside: { ...smtp, tls: "implicit", smtp: strict },
      begun: behindProxy("smtp", "begun"),
    },
    pools: {
      servers: poolOf(upstream.port, "none"),
      begun: { ...poolOf(upstream.port, "none"), tls: "starttls" },
    },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
  });
  return { gateway, upstream };
}

const { gateway, upstream } = await start(t);
let clients = 0;
const nextSource = () => `203.0.113.${++clients}`;

/** Answers as the model does; gives all that came once the connection is over. */
async function serve(server: End): Promise<string> {
  const model = new ModelServer();
  let heard = "";
  for (;;) {
    const line = await server.line().catch(() => null);
    if (line === null) return heard + server.unread;
    heard += line;
    const replies = model.hear(line);
    if (replies.length > 0) server.send(replies);
  }
}

/** What the log and the metrics have of a client that was sent away. */
async function recorded(t: Test, listener: string, source: string, reason: Offence): Promise<void> {
  t.match(await gateway.session(listener, source), { outcome: "refused", reason });
  const line = await gateway.waitForLine(
    `sec.protocol of ${source}`,
    ({ event, client }) => event === "sec.protocol" && client?.ip === source,
  );
  t.match(line, { service: listener, reason });
}

/** How often the listener has refused for that. */
const refusals = (listener: string, reason: Offence) =>
  metric(gateway, `postern_refused_total{listener="${listener}",reason="${reason}"}`);

for (const [what, { says, reason, heard = "", told, listener: only }] of Object.entries(guards)) {
  t.test(`${what} ends the session, in the clear and inside TLS`, async (t) => {
    for (const listener of only === undefined ? ["off", "starttls", "implicit"] : [only]) {
      const source = nextSource();
      const before = await refusals(listener, reason);
      const both = await pair(t, gateway, upstream, {
        listener,
        source,
        tls: /implicit|close/.test(listener),
      });
      const { client, server } = both;
      if (listener === "starttls") await secure(both);
      await exchange(both, "EHLO a", "250-model\r\n250 CHUNKING\r\n");
      const whole = serve(server);
      client.send(says);
      t.equal(await client.rest(), told, listener);
      t.equal(await whole, heard, listener);
      client.end();
      await recorded(t, listener, source, reason);
      await metricIs(gateway, `postern_refused_total{listener="${listener}",reason="${reason}"}`, before + 1);
    }
  });
}

t.test("first words of another protocol end the session, and reach no server", async (t) => {
  for (const first of ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET / HTTP/1.1\r\n\r\n"]) {
    for (const listener of ["off", "starttls", "implicit"]) {
      const source = nextSource();
      const both = await pair(t, gateway, upstream, { listener, source, tls: listener === "implicit" });
      both.client.send(first);
      t.equal(await both.client.rest(), goodbye, listener);
      t.equal(await both.server.rest(), "");
      both.client.end();
      await recorded(t, listener, source, "not-smtp");
    }
  }
});

t.test("a client that talks too early is refused where it is not to pass", async (t) => {
  for (const listener of ["early", "earlyInside"]) {
    for (const when of ["before the greeting", "within the greeting"]) {
      const source = nextSource();
      const client = await End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
      if (listener === "earlyInside") await client.secure();
      const server = await upstream.next();
      if (when === "within the greeting") {
        server.send("220-wait\r\n");
        t.equal(await client.line(), "220-wait\r\n");
      }
      client.send("EHLO a\r\n");
      if (when === "within the greeting") {
        await sleep(100);
        server.send(hello);
        t.equal(await client.line(), hello);
      }
      t.equal(await client.rest(), synchronization, `${listener}, ${when}`);
      t.equal(await server.rest(), "");
      client.end();
      await recorded(t, listener, source, "early-talk");
    }
  }
  const { connections } = upstream;
  const source = nextSource();
  const hasty = Buffer.concat([proxyHeader(source), Buffer.from("EHLO a\r\n")]);
  const client = await End.connect(t, { port: gateway.port("early") }, hasty);
  t.equal(await client.rest(), synchronization);
  client.end();
  await recorded(t, "early", source, "early-talk");
  t.equal(upstream.connections, connections, "no server is asked for it");
});

t.test("what comes with STARTTLS is not carried into the session that TLS protects", async (t) => {
  for (const listener of ["off", "starttls"]) {
    for (const injected of ["in the same segment", "in a later one"]) {
      const source = nextSource();
      const both = await pair(t, gateway, upstream, { listener, source });
      await exchange(both, "EHLO a", "250-upstream\r\n250 STARTTLS\r\n");
      const { client, server } = both;
      const said = "RSET\r\nMAIL FROM:<mallory@example.org>\r\n";
      client.send(injected === "in a later one" ? "STARTTLS\r\n" : `STARTTLS\r\n${said}`);
      t.equal(await server.line(), listener === "off" ? "STARTTLS\r\n" : "RSET\r\n");
      if (injected === "in a later one") {
        client.send(said);
        await sleep(100);
      }
      server.send(listener === "off" ? begin : ok);
      t.equal(await client.rest(), synchronization, `${listener}, ${injected}`);
      t.equal(await server.rest(), "", "the server has heard nothing of it");
      client.end();
      await recorded(t, listener, source, "command-injection");
    }
  }
});

t.test("what a server says behind its word to begin TLS reaches no client", async (t) => {
  const injected = "250 injected\r\n";
  const failed = async (both: Pair, listener: string, source: string, reason = "response-injection") => {
    t.equal(await both.client.rest(), away, listener);
    t.equal(await both.server.rest(), "");
    both.client.end();
    t.match(await gateway.session(listener, source), { outcome: "failed", reason });
  };
  for (const listener of ["off", "starttls"]) {
    const source = nextSource();
    const both = await pair(t, gateway, upstream, { listener, source });
    both.client.send("STARTTLS\r\n");
    await both.server.line();
    both.server.send((listener === "off" ? begin : ok) + injected);
    await failed(both, listener, source);
  }
  const source = nextSource();
  const late = await pair(t, gateway, upstream, { listener: "starttls", source });
  late.client.send("STARTTLS\r\n");
  await late.server.line();
  late.server.send(ok);
  t.equal(await late.client.line(), begin);
  late.server.send(injected);
  await late.client.secure();
  await failed(late, "starttls", source, "protocol-violation");

  const other = nextSource();
  const client = await End.connect(t, { port: gateway.port("begun") }, proxyHeader(other));
  const server = await upstream.next();
  server.send(hello);
  t.match(await server.line(), /^EHLO /);
  server.send("250-upstream\r\n250 STARTTLS\r\n");
  t.equal(await server.line(), "STARTTLS\r\n");
  server.send(begin + injected);
  await failed({ client, server }, "begun", other);
});

t.test("nothing is left of all these sessions", async (t) => {
  for (const listener of ["off", "starttls", "implicit", "close", "early", "earlyInside", "begun"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});
