/** A session's own decisions: TLS that comes first, pauses, drains and silence; and what its tally asks, tells and counts. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { Tally } from "../../src/proxy/tally.ts";
import { nobody } from "../../src/wire/wire.ts";
import { refusal, scene, spliced } from "./fakes.ts";

const clientText = "203.0.113.7";

t.test("Session ends by what its watch has decided when a severed client falls silent", async (t) => {
  const { client, session, watch, records } = spliced();
  watch.stage = "severed";
  watch.conclusion = refusal("550 bare\r\n");
  client.hear("bare\n");
  session.expire();
  t.equal(client.take(), "550 bare\r\n");
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "protocol-violation" }]);
});

t.test("Tally asks the limits, tells the observer, and counts for the record", async (t) => {
  const { client: near, witness, heard, records, table } = spliced({ messageRate: 1, authRate: 1 });
  t.strictSame(
    [1, 2].map(() => witness.allows("message-rate")),
    [true, false],
  );
  t.strictSame(
    [1, 2].map(() => witness.allows("recipient-rate")),
    [true, true],
  );
  witness.message(true, 3);
  witness.message(true, 2);
  witness.message(false, 9);
  witness.login(false, "PLAIN", "alice");
  t.strictSame(heard, [
    ["limited", clientText, "message-rate", 2, true],
    ["withheld", "message-rate"],
    ["delivered"],
    ["delivered"],
    ["login", clientText, false, "PLAIN", "alice", false],
  ]);
  near.owner.onError(near, "ECONNRESET");
  t.match(records, [{ outcome: "closed", smtp: { mails: 2, recipients: 5, refused: 2 } }]);
  const [entry] = [...table.entries()];
  t.match(entry, { concurrency: 0, totals: { messages: 2 }, window: { messages: 2 } });
});

t.test("Tally lets everything pass in a dry run, and says what it would have refused", async (t) => {
  const { witness, heard, session } = spliced({ authRate: 1, dryRun: true });
  t.strictSame(
    [1, 2].map(() => witness.allows("auth-rate")),
    [true, true],
  );
  t.strictSame(heard, [["limited", clientText, "auth-rate", 2, false]]);
  t.match(session.smtp, { mails: 0, recipients: 0, refused: 0 });
});

t.test("Tally gives its lease back once", async (t) => {
  const { session, table } = scene();
  const { gate } = session;
  const client = Address.parse(clientText)!;
  const tally = new Tally(gate, { client, lease: gate.limiter.connect(client, 1).lease }, session);
  for (let time = 0; time < 2; time++) {
    tally.leave({ refused: false, bytes: 1 });
    t.match([...table.entries()], [{ concurrency: 1, totals: { connections: 2, bytes: 1 } }]);
  }
});

t.test("Tally says who logged in to IMAP, else who tried last, and how often", async (t) => {
  const imap = () => scene({}, "off", { protocol: "imap" });
  const unread = imap();
  unread.client.owner.onError(unread.client, "ECONNRESET");
  t.match(unread.records, [{ smtp: null, imap: null, inspected: "none" }]);
  for (const [logins, expected] of [
    [[], { user: null, logins: 0, failures: 0 }],
    [["-alice", "-bob"], { user: "bob", logins: 0, failures: 2 }],
    [["-alice", "+bob"], { user: "bob", logins: 1, failures: 1 }],
    [["+alice", "-bob"], { user: "alice", logins: 1, failures: 1 }],
  ] as const) {
    const { client, upstream, watch, witness, records, heard } = imap();
    upstream.hear("* OK hi\r\n");
    for (const login of logins) witness.login(login.startsWith("+"), "LOGIN", login.slice(1));
    t.equal(heard.length, logins.length);
    const isIn = expected.logins > 0;
    watch.stage = isIn ? "opaque" : "following";
    upstream.hear("* OK\r\n");
    client.owner.onError(client, "ECONNRESET");
    t.match(records, [{ smtp: null, imap: expected, inspected: "full" }], logins.join());
  }
});

t.test("Session says that it was read until STARTTLS when that made it opaque, and no login", async (t) => {
  for (const protocol of ["smtp", "imap"] as const) {
    const { upstream, watch, witness, session } = scene({}, "off", { protocol });
    upstream.hear("hi\r\n");
    witness.login(protocol === "smtp", "PLAIN", "alice");
    watch.stage = "opaque";
    upstream.hear("go ahead\r\n");
    t.equal(session.inspected, "until-starttls", protocol);
  }
});

t.test("Session says nothing in the clear when TLS was to come first and does not", async (t) => {
  const { client, upstream, records, sessions } = scene({}, "implicit");
  t.strictSame([client.securing, upstream.owner === nobody, sessions.handshakes], [true, true, 1]);
  client.owner.onError(client, "ERR_SSL_HTTP_REQUEST");
  t.equal(client.take(), "");
  t.match(records, [{ outcome: "refused", reason: "tls-handshake", detail: "ERR_SSL_HTTP_REQUEST" }]);
  t.equal(sessions.handshakes, 0);
});

t.test("Session refuses a client when its handshake takes too long", async (t) => {
  const implicit = scene({}, "implicit");
  const starttls = scene({}, "starttls");
  starttls.upstream.hear("220 hi\r\n");
  starttls.client.take();
  starttls.watch.stage = "securing";
  starttls.upstream.hear("220 go\r\n");
  for (const { session, client, upstream, records, sessions } of [implicit, starttls]) {
    t.equal(session.deadlineMs, 11_000);
    session.expire();
    t.match(records, [{ outcome: "refused", reason: "tls-handshake", detail: "timeout" }]);
    t.strictSame([client.closed, sessions.handshakes, sessions.size], [true, 0, 0]);
    t.equal(upstream.closed, upstream === starttls.upstream, "with its server, where it had one");
  }
});

t.test("Session counts every handshake but a resumed one, failed ones too", async (t) => {
  const facts = { version: "TLSv1.3", cipher: "AES" };
  for (const [how, count] of [
    ["resumed", 0],
    ["new", 1],
    ["failed", 1],
  ] as const) {
    const { client, table } = scene({ newTlsSessionRate: 5 }, "implicit");
    if (how === "failed") client.owner.onError(client, "ECONNRESET");
    else client.handshake({ ...facts, resumed: how === "resumed" });
    const [entry] = [...table.entries()];
    t.equal(entry?.window.tlsSessions, count, how);
  }
});

t.test(
  "Session takes its leave in words at the end of a drain, and in IMAP once there was time to log in",
  async (t) => {
    for (const [protocol, when] of [
      ["smtp", "cut"],
      ["imap", "drain"],
    ] as const) {
      const idleTimeoutMs = 300_000;
      const { client, upstream, watch, session, sessions, records, pass } = scene({}, "off", {
        protocol,
        idleTimeoutMs,
      });
      upstream.hear("hello\r\n");
      client.take();
      watch.farewell = "bye\r\n";
      sessions.drainAll();
      pass(14_999);
      t.equal(client.take(), "");
      pass(1);
      if (when === "cut") {
        t.equal(client.take(), "", "SMTP goes on for the drain's time");
        session.cut();
      }
      t.equal(client.take(), "bye\r\n");
      t.equal(upstream.closed, true);
      client.hangUp();
      t.match(records, [{ outcome: "drained", reason: null }], protocol);
    }
    const { client, upstream, watch, session, sessions, records, pass } = scene({}, "off", {
      protocol: "imap",
      idleTimeoutMs: 300_000,
    });
    upstream.hear("hello\r\n");
    watch.farewell = "bye\r\n";
    sessions.drainAll();
    pass(14_000);
    watch.stage = "opaque";
    client.hear("a NOOP\r\n");
    client.take();
    pass(60_000);
    t.equal(client.closed, false, "logged in, it goes on");
    session.cut();
    t.equal(client.take(), "", "and nothing is said amid what nobody reads");
    t.match(records, [{ outcome: "drained" }]);
  },
);

t.test("Session tells a client so at the end of a drain that has heard nothing yet", async (t) => {
  for (const connects of [false, true]) {
    const { client, session, records } = scene({}, "off", {}, { connects });
    session.cut();
    t.match(client.take(), /^421 upstream-unavailable/, session.phase);
    client.hangUp();
    t.match(records, [{ outcome: "failed", reason: "upstream-unavailable", detail: "draining" }]);
  }
});

t.test("Session is ended when an IMAP client says nothing before it has logged in", async (t) => {
  const { client, upstream, watch, session, pass } = scene({}, "off", {
    protocol: "imap",
    idleTimeoutMs: 1_860_000,
  });
  upstream.hear("* OK\r\n");
  pass(59_000);
  t.equal(client.closed || client.ended, false);
  watch.stage = "opaque";
  upstream.hear("a OK in\r\n");
  pass(1_800_000);
  t.equal(client.closed || client.ended, false, "logged in, it may be silent for longer");
  const silent = scene({}, "off", { protocol: "imap", idleTimeoutMs: 1_860_000 });
  silent.upstream.hear("* OK\r\n");
  silent.pass(61_000);
  t.equal(silent.client.closed || silent.client.ended, true);
  t.ok(session.deadlineMs > silent.session.deadlineMs);
});
