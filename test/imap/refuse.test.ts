/** The words of each refusal, and that there are such for every reason that asks for them. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { refusal } from "../../src/imap/refuse.ts";
import { textOf } from "../../src/lines.ts";
import { spokenReasons } from "../../src/outcome.ts";

t.test("refusal names the limit and the client when there are too many connections", async (t) => {
  for (const reason of ["connection-count", "connection-rate"] as const) {
    const client = Address.parse("2001:DB8:0::1");
    t.equal(textOf(refusal(reason, client)), "* BYE [LIMIT] Too many connections from 2001:db8::1\r\n");
    t.equal(textOf(refusal(reason, null)), "* BYE [LIMIT] Too many connections\r\n");
  }
});

t.test("refusal is a single BYE with a response code when words are asked for", async (t) => {
  for (const reason of spokenReasons) {
    const text = textOf(refusal(reason, Address.parse("192.0.2.1")));
    t.match(text, /^\* BYE \[(?:LIMIT|UNAVAILABLE|CLIENTBUG|NOPERM)\] [ -~]+\r\n$/, reason);
  }
  t.match(textOf(refusal("upstream-timeout", null)), /UNAVAILABLE/);
});
