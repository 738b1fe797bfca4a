/** The words of each refusal, and that there are such for every reason that asks for them. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { textOf } from "../../src/lines.ts";
import { type SpokenReason, spokenReasons } from "../../src/outcome.ts";
import { refusals } from "../../src/smtp/refuse.ts";

const refusal = refusals({ hostname: "mx.example.test", banText: null });

t.test("refusals speaks Postfix's words when a client has too many connections", async (t) => {
  for (const reason of ["connection-count", "connection-rate"] as const) {
    for (const [text, canonical] of [
      ["203.0.113.10", "203.0.113.10"],
      ["::ffff:203.0.113.10", "203.0.113.10"],
      ["2001:DB8:0::0:1", "2001:db8::1"],
    ] as const) {
      t.equal(
        textOf(refusal(reason, Address.parse(text))),
        `421 4.7.0 mx.example.test Error: too many connections from ${canonical}\r\n`,
      );
    }
    t.same(refusal(reason, null), refusal("max-connections", null));
  }
});

t.test("refusals is a single 421 line when the client may have mail, and never bounces it", async (t) => {
  const final: Readonly<Partial<Record<SpokenReason, string>>> = {
    banned: "554 5.7.1 mx.example.test Error: access denied for 192.0.2.1\r\n",
    "early-talk": "554 5.5.0 mx.example.test Error: SMTP protocol synchronization\r\n",
    "command-injection": "554 5.5.0 mx.example.test Error: SMTP protocol synchronization\r\n",
    "bare-newline": "521 5.5.2 mx.example.test Error: bare <LF> received\r\n",
    "nul-byte": "521 5.5.2 mx.example.test Error: NUL byte received\r\n",
    "line-too-long": "521 5.5.2 mx.example.test Error: line too long\r\n",
    "not-smtp": "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n",
  };
  for (const reason of spokenReasons) {
    const text = textOf(refusal(reason, Address.parse("192.0.2.1")));
    if (final[reason] !== undefined) t.equal(text, final[reason], reason);
    else t.match(text, /^421 4\.[37]\.[02] mx\.example\.test [ -~]+\r\n$/, reason);
  }
  const client = Address.parse("2001:DB8:0::1");
  t.match(
    textOf(refusal("new-tls-session-rate", client)),
    /Error: too many new TLS sessions from unknown\[2001:db8::1\]\r/,
  );
  t.match(textOf(refusal("auth-failure-rate", client)), /Error: too many failed logins from 2001:db8::1\r/);
  t.match(textOf(refusal("auth-failure-rate", null)), /Error: too many failed logins\r/);
});

t.test("refusals makes a fixed reply once when it is asked for again", async (t) => {
  t.equal(refusal("upstream-timeout", null), refusal("upstream-unavailable", null));
});

t.test("refusals says a listener's own text to banned clients, and to nobody else", async (t) => {
  const own = refusals({ hostname: "mx.example.test", banText: "See https://example.test/ban" });
  const client = Address.parse("203.0.113.7");
  t.equal(textOf(own("banned", client)), "554 5.7.1 See https://example.test/ban\r\n");
  t.match(textOf(own("ban-list-missing", client)), /^421 4\.3\.2 mx\.example\.test /);
});
