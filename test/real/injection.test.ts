/**
 * Whatever bytes a client says, wherever it may say them: the address that CrowdSec bans is the client's own. Our parser
 * finds it in its field, and the stock parsers find nothing, even where somebody has our lines read under their names.
 */
import fc from "fast-check";
import t, { type Test } from "tap";
import { Address } from "../../src/address.ts";
import { Batch } from "../../src/observe/batch.ts";
import { ThreadLog } from "../../src/observe/threadlog.ts";
import { reasons } from "../../src/outcome.ts";
import { End } from "../live/end.ts";
import { startUpstream } from "../live/upstream.ts";
import { session } from "../observe/fixtures.ts";
import { type Crowdsec, startCrowdsec } from "../servers/crowdsec.ts";
import type { Explained } from "../servers/explained.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { forged, snippets, stockPatterns } from "./hostile.ts";

/** Each of the agents that read lines to their end takes three seconds to leave. */
t.setTimeout(120_000);

/** Programs whose lines the stock mail parsers take. */
const stockPrograms = ["postfix/smtpd", "postfix/postscreen", "dovecot"];

const clients = ["203.0.113.7", "2001:db8::7"].map((text) => Address.parse(text)!);

/** All that a data thread writes about a client, when this is what it calls itself and its mechanism. */
function linesAbout(client: Address, user: string, method: string): string[] {
  let written = "";
  const log = new ThreadLog({
    level: "debug",
    backlog: Batch.backlog(),
    send: (lines) => {
      written += lines;
    },
    dropped: () => {},
  });
  const smtp = { name: "smtp", protocol: "smtp" };
  const imap = { name: "imap", protocol: "imap" };
  const end = { address: client, port: 40_123 };
  for (const ok of [true, false]) log.login("imap", { client, ok, tls: false, method, user });
  log.session(imap, { ...session, client: end, imap: { user, logins: 0, failures: 1 }, smtp: null });
  for (const reason of reasons) log.session(smtp, { ...session, client: end, outcome: "refused", reason });
  for (const reason of reasons)
    log.limit({ service: "smtp", client, reason, count: 99, limit: 1, dryRun: false });
  log.flush();
  return written.split("\n").slice(0, -1);
}

interface Line {
  readonly event: string;
  readonly client?: { readonly ip: string } | null;
  readonly user?: string | null;
}
const read = (line: string): Line => JSON.parse(line);

/** Any text, and what is made for the purpose inside it. */
const hostileText = fc
  .array(fc.oneof(fc.constantFrom(...snippets), fc.string({ unit: "binary", maxLength: 8 })), {
    maxLength: 4,
  })
  .map((pieces) => pieces.join(""));

t.test("ThreadLog leaves nothing to be found in its lines when a client chooses any text", async (t) => {
  const expected = linesAbout(clients[0]!, "", "").length;
  const property = fc.property(
    fc.constantFrom(...clients),
    hostileText,
    hostileText,
    (client, user, method) => {
      const lines = linesAbout(client, user, method);
      if (lines.length !== expected) throw new Error(`${lines.length} lines`);
      for (const line of lines) {
        const pattern = stockPatterns.find((each) => each.test(line));
        if (pattern !== undefined) throw new Error(`${pattern} matches in ${line}`);
        if (line.split('"client":').length > 2) throw new Error(`two clients: ${line}`);
        const { client: named } = read(line);
        if (named && named.ip !== client.text) throw new Error(`another client: ${line}`);
      }
    },
  );
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }));
});

t.test("stockPatterns find what is made for them when it stands in a line as it is", async (t) => {
  for (const text of snippets.slice(0, 9))
    t.ok(
      stockPatterns.some((pattern) => pattern.test(text)),
      text,
    );
});

/** Every line of ours counts for its own client or for none; under stock names nothing counts for anybody. */
async function judge(t: Test, crowdsec: Crowdsec, lines: readonly string[]): Promise<Explained[]> {
  const ours = await crowdsec.explain(lines, { type: "postern" });
  const own = ours.filter(({ parser }) => parser !== null);
  for (const { line, parser, meta } of own) {
    t.equal(parser, "postern/postern-logs");
    t.equal(meta.source_ip, read(line).client?.ip, line);
  }
  for (const type of stockPrograms)
    t.strictSame(takenOf(await crowdsec.explain(lines, { type })), [], `as if they were ${type}'s`);
  const framed = stockPrograms.flatMap((program) =>
    lines.map((line) => `2026-01-15T10:00:00.000000+00:00 mx ${program}[4242]: ${line}`),
  );
  t.strictSame(takenOf(await crowdsec.explain(framed, { type: "syslog" })), [], "in syslog's frame");
  return own;
}

const takenOf = (explained: readonly Explained[]) => explained.filter(({ parser }) => parser !== null);

const collections = ["postern/postern", "crowdsecurity/postfix", "crowdsecurity/dovecot"];

t.test("CrowdSec finds the client and nobody else when a data thread's lines are read", async (t) => {
  const crowdsec = await startCrowdsec(t, { collections });
  const lines = [...new Set(snippets.flatMap((text) => linesAbout(clients[0]!, text, text)))];
  const own = await judge(t, crowdsec, lines);
  t.ok(own.length > snippets.length, "there was something to be read");
  t.notMatch(own.map(({ meta }) => meta.username).join(""), /[^\\\w@.+-]/, "users keep their escapes");
  const genuine = `2026-01-15T10:00:00.000000+00:00 mx dovecot: ${snippets[5]}`;
  t.match(await crowdsec.explain([genuine], { type: "syslog" }), [{ meta: { source_ip: forged } }], "it can");
});

/** The same header with a TLV of this type behind the addresses (proxy-protocol.txt 2.2). */
function withTlv(header: Buffer, type: number, value: Buffer): Buffer {
  const whole = Buffer.concat([header, Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
  whole.writeUInt16BE(whole.length - 16, 14);
  return whole;
}

/** PP2_TYPE_ALPN, AUTHORITY, NETNS, and the first of those that anybody may use. */
const tlvTypes = [0x01, 0x02, 0x30, 0xe0];

/** A server that takes every command but a login, which fails. */
async function answer(end: End, protocol: "smtp" | "imap"): Promise<void> {
  end.send(protocol === "smtp" ? "220 upstream ESMTP\r\n" : "* OK upstream\r\n");
  for (;;) {
    const line = await end.line();
    const [first = ""] = line.split(" ");
    const isLogin = /^(?:AUTH|\S+ (?:LOGIN|AUTHENTICATE)) /i.test(line);
    if (protocol === "imap") end.send(`${first} ${isLogin ? "NO [AUTHENTICATIONFAILED] no" : "OK well"}\r\n`);
    else if (line.startsWith("EHLO")) end.send("250-upstream\r\n250 AUTH PLAIN\r\n");
    else end.send(isLogin ? "535 5.7.8 no\r\n" : "250 well\r\n");
  }
}

t.test("CrowdSec finds the client and nobody else when a real session says what is hostile", async (t) => {
  const script = (protocol: "smtp" | "imap") => (end: End) =>
    void answer(end, protocol).catch(() => end.end());
  const smtp = await startUpstream(t, { script: script("smtp") });
  const imap = await startUpstream(t, { script: script("imap") });
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "smtp"), imap: behindProxy("imap", "imap") },
    pools: { smtp: poolOf(smtp.port, "none"), imap: poolOf(imap.port, "none") },
    log: { level: "debug" },
  });
  let sessions = 0;
  /** Says one line after the other, each when there was something to hear, for as long as it is listened to. */
  const say = async (listener: "smtp" | "imap", ip: string, text: string, lines: readonly string[]) => {
    const tlv = Buffer.from(text).subarray(0, 1024);
    const header = withTlv(proxyHeader(ip), tlvTypes[sessions % tlvTypes.length]!, tlv);
    const client = await End.connect(t, { port: gateway.port(listener) }, header);
    sessions++;
    try {
      await client.line();
      for (const line of lines) {
        client.send(Buffer.from(`${line}\r\n`));
        await client.line();
      }
    } catch {
      // It was shown the door for what it said.
    }
    client.close();
  };
  for (const [index, text] of snippets.entries()) {
    const ip = `203.0.113.${index + 1}`;
    const login = Buffer.from(`\0${text}\0wrong`).toString("base64");
    const quoted = text.replace(/[^ -~]/g, "?").replace(/["\\]/g, "\\$&");
    await say("smtp", ip, text, ["EHLO client", "x", `AUTH PLAIN ${login}`]);
    await say("smtp", ip, text, [`HELO ${text}`, `MAIL FROM:<${text}>`, `RCPT TO:<${text}>`]);
    await say("smtp", ip, text, [text, text]);
    await say("imap", ip, text, [`a AUTHENTICATE PLAIN ${login}`]);
    await say("imap", ip, text, [`a LOGIN "${quoted}" wrong`]);
    await say("imap", ip, text, [`${quoted} NOOP`, `${text} LOGIN alice wrong`]);
    await say("imap", ip, text, [`${quoted.replace(/[^!-~]/g, "")} LOGIN alice wrong`]);
  }
  const lines = await until("all sessions' lines", () => {
    const all = gateway.output().split("\n").slice(0, -1);
    return all.filter((line) => read(line).event === "session").length === sessions && all;
  });
  const crowdsec = await startCrowdsec(t, { collections });
  const own = await judge(t, crowdsec, lines);
  const users = new Map(own.map(({ line }) => [`${read(line).user}`, read(line).client?.ip]));
  for (const [index, text] of snippets.entries())
    t.equal(users.get(Buffer.from(text).toString("latin1")), `203.0.113.${index + 1}`, text);
});
