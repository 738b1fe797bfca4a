/** The words of each refusal, and that there are such for every reason that asks for them. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { textOf } from "../../src/lines.ts";
import { endReasons } from "../../src/outcome.ts";
import { refusals } from "../../src/smtp/refuse.ts";

const refusal = refusals("mx.example.test");

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

t.test("refusals is a single 421 line when words are asked for", async (t) => {
  for (const reason of endReasons) {
    const text = textOf(refusal(reason, Address.parse("192.0.2.1")));
    if (reason.startsWith("proxy-")) t.equal(text, "", reason);
    else t.match(text, /^421 4\.[37]\.[02] mx\.example\.test [ -~]+\r\n$/, reason);
  }
});

t.test("refusals makes a fixed reply once when it is asked for again", async (t) => {
  t.equal(refusal("upstream-timeout", null), refusal("upstream-unavailable", null));
});
