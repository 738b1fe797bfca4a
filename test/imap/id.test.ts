/** Our own ID of a client, and what is left of the client's. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { ClientTls } from "../../src/dialogue.ts";
import { identityLine, withoutIdentity } from "../../src/imap/id.ts";

t.test("identityLine names the client, its way and its transport when it is asked", async (t) => {
  const line = (sessionId: string, tls: ClientTls | null) =>
    identityLine("t", {
      client: { address: Address.parse("2001:db8::7") ?? Address.v4(0), port: 40123 },
      destination: { address: Address.parse("192.0.2.1") ?? Address.v4(0), port: 993 },
      sessionId,
      tls,
    });
  const text = (sessionId: string, transport: string) =>
    't ID ("x-originating-ip" "2001:db8::7" "x-originating-port" "40123" "x-connected-ip" "192.0.2.1" ' +
    `"x-connected-port" "993" "x-session-id" "${sessionId}" "x-client-transport" "${transport}" "x-proxy-ttl" "4")\r\n`;
  t.equal(line("s-1", null), text("s-1", "insecure"));
  t.equal(
    line("s-1", { version: null, cipher: null }),
    text("s-1", "TLS"),
    "still to come, ahead of any login",
  );
  t.equal(line("s-1", { version: "TLSv1.3", cipher: "x" }), text("s-1", "TLSv1.3"));
  t.equal(line(`a"\\\r\n b${"x".repeat(80)}`, null), text(`ab${"x".repeat(62)}`, "insecure"), "an odd id");
});

t.test("withoutIdentity takes the x- fields out when there are any", async (t) => {
  for (const [command, expected] of [
    ['a ID ("x-originating-ip" "1.2.3.4" "name" "x")\r\n', 'a ID ("name" "x")\r\n'],
    ['a ID ("name" "x" "X-Proxy-TTL" NIL "os"  {3+}\r\na)b)\n', 'a ID ("name" "x" "os"  {3+}\r\na)b)\n'],
    ['a id ("x-a" "b")\r\n', "a id NIL\r\n"],
    ['a ID ( "x-" ""  )  \r\n', "a ID NIL  \r\n"],
    ['a ID  ({4+}\r\nX-ip "v""b" nil)\r\n', 'a ID  ("b" nil)\r\n'],
    ['a ID ("a" "x-b" "x-a" {1+}\n" "c" "\\"x-")\r\n', 'a ID ("a" "x-b" "c" "\\"x-")\r\n'],
  ] as const) {
    t.equal(withoutIdentity(command), expected, JSON.stringify(command));
  }
});

t.test("withoutIdentity changes nothing when there is nothing to take", async (t) => {
  for (const command of [
    'a ID ("name" "x-mailer" "version" "\\"1\\\\")\r\n',
    "a ID NIL\r\n",
    "a ID nil \n",
    "a ID\r\n",
    "a ID ()\r\n",
    'a ID ("\xe9" {2+}\r\n"))\r\n',
  ]) {
    t.equal(withoutIdentity(command), command, JSON.stringify(command));
  }
});

t.test("withoutIdentity is null when the command cannot be read for certain", async (t) => {
  for (const parameters of [
    '("a" "b"',
    '("a")',
    '("a" b)',
    '(a "b")',
    '("a" "b") x',
    '("a" "b"))',
    '(("a" "b"))',
    '("a" "b\\c")',
    '("\\x-a" "b")',
    '("a" "b\rc")',
    '("a" "b\0c")',
    '("a" ~{1+}\r\nb)',
    '("a" {1}\r\nb)',
    '("a" {9+}\r\nb)',
    '("a" NILL)',
    "NIL NIL",
    "NIL ()",
    '"a" "b"',
    "{3+}\r\nNIL",
  ]) {
    t.equal(withoutIdentity(`a ID ${parameters}\r\n`), null, JSON.stringify(parameters));
  }
});

t.test("withoutIdentity is settled when it is asked again, and keeps every other field", async () => {
  const text = fc.string({ unit: fc.constantFrom("x", "-", "X", "a", " ", "(", ")", "{1+}"), maxLength: 6 });
  const string = fc.oneof(
    text.map((text) => ({ text, wire: `"${text}"` })),
    text.map((text) => ({ text, wire: `{${text.length}+}\r\n${text}` })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(string, string), { maxLength: 5 }), (fields) => {
      const wire = (kept: typeof fields) => kept.map(([key, value]) => `${key.wire} ${value.wire}`).join(" ");
      const kept = fields.filter(([key]) => !key.text.toLowerCase().startsWith("x-"));
      const expected = kept.length === 0 && fields.length > 0 ? "a ID NIL\r\n" : `a ID (${wire(kept)})\r\n`;
      const found = withoutIdentity(`a ID (${wire(fields)})\r\n`);
      return found === expected && withoutIdentity(found) === found;
    }),
  );
});
