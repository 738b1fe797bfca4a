/** What a watch can ask of the splice: to hold, to speak, to sever, to close, and to be let go. */
import t from "tap";
import { refusal, scene, spliced } from "./fakes.ts";

t.test("Splice passes what the watch returns, and postern's own words behind it", async (t) => {
  const { client, upstream, watch, session } = spliced();
  watch.onClient = () => {
    watch.own = "450 no\r\n";
  };
  watch.holds = true;
  client.hear("MAIL\r\n");
  t.equal(upstream.take(), "");
  t.equal(client.take(), "450 no\r\n", "due at once");
  watch.holds = false;
  watch.onClient = () => {};
  client.hear("NOOP\r\n");
  t.equal(upstream.take(), "NOOP\r\n");
  watch.onServer = () => {
    watch.own = "502 what\r\n";
  };
  upstream.hear("250 ok\r\n");
  t.equal(client.take(), "250 ok\r\n502 what\r\n", "due behind the upstream's");
  t.match(session, { bytesIn: 12, bytesOut: 8 + 8 + 18, inspected: "full" });
});

t.test("Splice asks for due words when the upstream greets, before the client is heard", async (t) => {
  const { client, upstream, watch } = scene();
  client.hear("EHLO early\r\n");
  t.equal(upstream.take(), "");
  const order: string[] = [];
  watch.onServer = (text) => void order.push(text);
  watch.onClient = (text) => void order.push(text);
  upstream.hear("220 hi\r\n");
  t.strictSame(order, ["220 hi\r\n", "EHLO early\r\n"]);
  t.equal(upstream.take(), "EHLO early\r\n");
});

t.test("Splice hears neither side while a followed client does not read", async (t) => {
  const { client, upstream, watch } = spliced();
  client.full = true;
  watch.onClient = () => {
    watch.own = "450 no\r\n";
  };
  client.hear("MAIL\r\n");
  t.strictSame([client.reading, upstream.reading], [false, false]);
  upstream.owner.onDrain(upstream);
  t.equal(client.reading, false, "the upstream's drain changes nothing");
  client.drain();
  t.strictSame([client.reading, upstream.reading], [true, true]);
});

t.test(
  "Splice hears the client while the upstream's words are pending when nothing is followed",
  async (t) => {
    const { client, upstream, watch, session } = spliced();
    watch.stage = "opaque";
    upstream.hear("220 go ahead\r\n");
    t.equal(session.inspected, "until-starttls");
    watch.onClient = () => t.fail("the watch was let go");
    client.full = true;
    upstream.hear("much");
    t.strictSame([client.reading, upstream.reading], [true, false]);
    client.hear("more");
    t.equal(upstream.take(), "more");
  },
);

t.test(
  "Splice drops a severed upstream at once and hears the client on, until the watch closes",
  async (t) => {
    const { client, upstream, watch, records } = spliced();
    upstream.full = true;
    client.hear("text\r\n");
    t.equal(client.reading, false, "the upstream is full");
    upstream.owner.onDrain(upstream);
    watch.holds = true;
    watch.stage = "severed";
    watch.conclusion = refusal("");
    client.hear("bare\n");
    t.strictSame([upstream.closed, client.closed, client.reading], [true, false, true]);
    client.hear("on and on\r\n");
    t.equal(upstream.take(), "text\r\n");
    watch.stage = "following";
    watch.conclusion = refusal("550 bare\r\n421 bye\r\n");
    client.hear(".\r\n");
    t.equal(client.take(), "550 bare\r\n421 bye\r\n");
    t.strictSame([client.ended, client.closed], [true, false], "the client may still read");
    client.hear("QUIT\r\n");
    client.hangUp();
    t.equal(client.closed, true);
    t.match(records, [{ outcome: "refused", reason: "protocol-violation", inspected: "full" }]);
    t.equal(records.length, 1);
  },
);

t.test("Splice ends the session when the client ends behind a severed upstream", async (t) => {
  const { client, watch, records } = spliced();
  watch.stage = "severed";
  watch.conclusion = refusal("550 bare\r\n");
  client.hear("bare\n");
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "protocol-violation" }]);
});

t.test("Splice tells a client what it is owed when the upstream falls silent", async (t) => {
  for (const [farewell, ends] of [
    ["421 gone\r\n", false],
    ["", false],
    ["421 gone\r\n", true],
  ] as const) {
    const { client, upstream, session, watch, records } = spliced();
    if (ends) upstream.hangUp();
    watch.farewell = farewell;
    if (ends) t.equal(client.ended, true);
    session.expire();
    t.equal(client.take(), ends ? "" : farewell);
    t.strictSame([upstream.closed, client.closed], [true, ends || farewell === ""]);
    client.hangUp();
    t.match(records, [{ outcome: "timeout", reason: null }]);
  }
});

t.test("Splice starts a client that a full upstream had stopped when that is severed", async (t) => {
  const { client, upstream, watch } = spliced();
  upstream.full = true;
  watch.stage = "severed";
  client.hear("text, then bare\n");
  t.strictSame([upstream.closed, client.reading], [true, true]);
});

t.test("Splice refuses in the protocol's words when the watch found a violation", async (t) => {
  const { client, upstream, watch, records } = spliced();
  watch.conclusion = { ...refusal("521 NUL\r\n"), reason: "nul-byte", detail: "here" };
  watch.own = "250 ok\r\n";
  client.hear("\0");
  t.equal(client.take(), "250 ok\r\n521 NUL\r\n");
  t.equal(upstream.closed, true);
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "nul-byte", detail: "here" }]);
});

t.test("Splice does not hear an early client when the greeting itself is a violation", async (t) => {
  const { client, upstream, watch, records } = scene();
  client.hear("EHLO early\r\n");
  watch.holds = true;
  watch.conclusion = { ...refusal("421 bye\r\n"), outcome: "failed", detail: "malformed reply" };
  upstream.hear("* OK\r\n");
  t.equal(upstream.take(), "");
  t.equal(client.take(), "421 bye\r\n");
  client.hangUp();
  t.match(records, [{ outcome: "failed", inspected: "none", smtp: null }]);
});

t.test(
  "Splice keeps what a client did when it, or the upstream, goes before the last word's turn",
  async (t) => {
    for (const who of ["client", "reset", "upstream", "broken", "silence"] as const) {
      const { client, upstream, watch, session, records } = spliced();
      watch.stage = "ending";
      watch.conclusion = { ...refusal("521 NUL\r\n"), reason: "nul-byte" };
      watch.farewell = "421 bye\r\n";
      client.hear("NOOP\r\n\0");
      t.equal(client.take(), "", "its turn has not come");
      if (who === "client") client.hangUp();
      if (who === "reset") client.owner.onError(client, "ECONNRESET");
      if (who === "upstream") upstream.hangUp();
      if (who === "broken") upstream.owner.onError(upstream, "ECONNRESET");
      if (who === "silence") session.expire();
      if (who === "client") {
        watch.stage = "following";
        upstream.hear("250 ok\r\n");
        t.equal(client.take(), "250 ok\r\n521 NUL\r\n");
      } else if (who !== "reset" && who !== "silence") t.equal(client.take(), "421 bye\r\n");
      client.hangUp();
      t.match(records, [{ outcome: "refused", reason: "nul-byte" }], who);
    }
  },
);

t.test("Splice says nothing of its own when the upstream's end has passed", async (t) => {
  const { client, upstream, watch, records } = spliced();
  upstream.hangUp();
  t.equal(client.ended, true);
  watch.own = "450 no\r\n";
  client.hear("MAIL\r\n");
  t.equal(client.take(), "");
  client.hangUp();
  t.match(records, [{ outcome: "closed", bytesOut: 8 }]);
});

t.test(
  "Splice stops the client while the watch waits, and gives it the rest when the server has spoken",
  async (t) => {
    const { client, upstream, watch } = spliced();
    watch.holds = true;
    watch.onClient = () => {
      watch.stage = "waiting";
    };
    client.hear("DATA\r\ntext\r\n");
    t.equal(client.reading, false);
    upstream.owner.onDrain(upstream);
    t.equal(client.reading, false, "nor does a drain start it");
    client.hangUp();
    t.equal(upstream.ended, false, "its end waits, too");
    const rest: string[] = [];
    watch.holds = false;
    watch.onClient = (text) => void rest.push(text);
    watch.onServer = () => {
      watch.stage = "following";
    };
    upstream.hear("354 go\r\n");
    t.strictSame(rest, [""]);
    t.equal(upstream.ended, true);
  },
);

t.test("Splice gives a session more time only when something of the client's has passed", async (t) => {
  const { client, watch, session, sessions } = spliced();
  const { deadlineMs } = session;
  sessions.nowMs += 500;
  watch.holds = true;
  client.hear("on and on");
  t.equal(session.deadlineMs, deadlineMs);
  watch.holds = false;
  client.hear("NOOP\r\n");
  t.equal(session.deadlineMs, deadlineMs + 500);
});

t.test(
  "Splice says the watch's last words when the upstream is lost, and none where it has none",
  async (t) => {
    for (const lose of ["end", "error"] as const) {
      for (const farewell of ["421 bye\r\n", ""]) {
        const { client, upstream, watch, records } = spliced();
        watch.farewell = farewell;
        if (lose === "end") upstream.hangUp();
        else upstream.owner.onError(upstream, "ECONNRESET");
        t.equal(client.take(), farewell);
        t.equal(client.ended, true);
        client.hangUp();
        const failed = farewell !== "" || lose === "error";
        t.match(records, [{ outcome: failed ? "failed" : "closed" }], `${lose} ${farewell}`);
      }
    }
  },
);

t.test("Splice begins TLS behind the go-ahead, and hears both sides again once it is done", async (t) => {
  const { client, upstream, watch, session, sessions } = scene({}, "starttls");
  upstream.hear("220 hi\r\n");
  watch.onServer = () => {
    watch.stage = "securing";
  };
  upstream.hear("220 go\r\n");
  t.equal(client.take(), "220 hi\r\n220 go\r\n");
  t.strictSame([client.securing, upstream.reading, sessions.handshakes], [true, false, 1]);
  client.handshake({ version: "TLSv1.3", cipher: "AES", resumed: false });
  t.strictSame([watch.isSecured, client.reading, upstream.reading], [true, true, true]);
  t.match(session, { tls: { version: "TLSv1.3" }, inspected: "full" });
  t.equal(sessions.handshakes, 0);
  watch.onServer = () => {};
  upstream.hear("250 in\r\n");
  t.ok(client.take().endsWith("250 in\r\n"));
});

t.test("Splice begins TLS once when the upstream drains during the handshake", async (t) => {
  const { client, upstream, watch, sessions } = scene({}, "starttls");
  upstream.hear("220 hi\r\n");
  upstream.full = true;
  client.hear("STARTTLS\r\n");
  watch.stage = "securing";
  upstream.hear("220 go\r\n");
  const { owner } = client;
  upstream.drain();
  t.equal(client.owner, owner);
  t.strictSame([client.reading, upstream.reading, sessions.handshakes], [false, false, 1]);
});
