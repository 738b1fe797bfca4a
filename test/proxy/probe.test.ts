/** How long a server may take for a check, in whatever way it is told of its client; the time is in the test's hands. */
import t from "tap";
import type { Dialogue } from "../../src/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import type { Identity, PoolTlsOptions } from "../../src/pools/options.ts";
import { Probe } from "../../src/proxy/probe.ts";
import { smtpDialogue } from "../../src/smtp/dialogue.ts";
import { type Connection, type ConnectionOwner, nobody } from "../../src/wire/wire.ts";
import { defaultHealth } from "../config/fixtures.ts";

interface Setting {
  readonly identity?: Identity;
  readonly mode?: PoolTlsOptions["mode"];
  /** Null: nobody knows the protocol. */
  readonly dialogue?: Dialogue | null;
}

/** A check of a server that has taken the connection; 1 s for its first byte, 30 s for the rest. */
function check({ identity = "none", mode = "off", dialogue = smtp }: Setting) {
  const waits = new Map<() => void, number>();
  let nowMs = 0;
  let written = "";
  let state = "open";
  const verdicts: (string | null)[] = [];
  const connection: Connection = {
    owner: nobody,
    isPending: false,
    hasEnded: false,
    tls: null,
    peer: () => null,
    local: () => null,
    start() {},
    stop() {},
    write(bytes) {
      written += textOf(bytes);
      return true;
    },
    secure() {},
    end() {
      state = "ended";
    },
    close() {
      state = "closed";
    },
  };
  const connect = (_: unknown, owner: ConnectionOwner) => Object.assign(connection, { owner });
  const asking = new Probe(
    {
      wire: { name: "net", listen: () => Promise.reject(new Error("nobody listens here")), connect },
      timers: {
        after(milliseconds, call) {
          waits.set(call, nowMs + milliseconds);
          return () => void waits.delete(call);
        },
      },
      options: {
        identity,
        tls: { mode, verify: "none", name: null, ca: null },
        greetTimeoutMs: 30_000,
        health: { ...defaultHealth, timeoutMs: 1000 },
      },
      dialogue,
      upstreamTls: null,
    },
    { host: "192.0.2.1", port: 25 },
    (fault) => verdicts.push(fault),
  );
  connection.owner.onConnect(connection);
  return {
    asking,
    verdicts,
    get state() {
      return state;
    },
    pass(milliseconds: number) {
      nowMs += milliseconds;
      for (const [call, dueMs] of [...waits]) if (dueMs <= nowMs && waits.delete(call)) call();
    },
    hear: (text: string) => connection.owner.onData(connection, bytesOf(text)),
    hangUp: () => connection.owner.onEnd(connection),
    take() {
      const all = written;
      written = "";
      return all;
    },
  };
}

const smtp = smtpDialogue({
  hostname: "gw.example.test",
  earlyTalk: "pass",
  bareNewline: "reject",
  startTls: "passed",
  loginNeedsTls: false,
  banText: null,
});

const ways: readonly Setting[] = [{}, { identity: "xclient" }, { mode: "starttls" }];

for (const way of ways) {
  const name = `${way.identity ?? "none"}, tls ${way.mode ?? "off"}`;

  t.test(`Probe waits for a greeting that has begun, as sessions do (${name})`, async (t) => {
    const found = check(way);
    found.pass(999);
    found.hear("220-wait\r\n");
    found.pass(29_999);
    t.strictSame([found.state, found.take(), found.verdicts], ["open", "", []]);
    found.hear("220 hi\r\n");
    t.match(found.take(), Object.keys(way).length === 0 ? /^QUIT/ : /^EHLO/);
    const late = check(way);
    late.hear("220-wait\r\n");
    late.pass(15_000);
    // More of it is no new beginning.
    late.hear("220-still\r\n");
    late.pass(15_000);
    t.strictSame([late.state, late.verdicts], ["closed", ["timeout"]]);
  });

  t.test(`Probe gives a server that says nothing its own time alone (${name})`, async (t) => {
    const found = check(way);
    found.pass(1000);
    t.strictSame([found.state, found.verdicts], ["closed", ["timeout"]]);
  });
}

t.test("Probe says whether it has heard its server, and is broken off without a word", async (t) => {
  const found = check({ identity: "xclient" });
  t.equal(found.asking.isHeard, false);
  found.hear("2");
  t.equal(found.asking.isHeard, true);
  found.asking.close();
  found.pass(60_000);
  t.strictSame([found.state, found.take(), found.verdicts], ["closed", "", []]);
});

t.test("Probe has a verdict once the greeting is whole, whatever becomes of the goodbye", async (t) => {
  const found = check({});
  found.hear("220 hi\r\n");
  t.equal(found.take(), "QUIT\r\n");
  found.pass(1000);
  t.strictSame([found.state, found.verdicts], ["closed", [null]]);
});

t.test("Probe takes a server that says nothing for well where nobody knows what it would say", async (t) => {
  const found = check({ dialogue: null });
  found.pass(1000);
  t.strictSame([found.state, found.verdicts], ["ended", []]);
  found.hangUp();
  t.strictSame([found.state, found.verdicts], ["closed", [null]]);
});
