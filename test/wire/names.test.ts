/** Names and their addresses, from a DNS server of the test's own. */
import t from "tap";
import { resolver } from "../../src/wire/names.ts";
import { startDns } from "../servers/dns.ts";

t.test("resolver finds all addresses of a name, and how long the shortest holds", async (t) => {
  const server = await startDns(t, {
    "mail.example.org": [
      { type: 1, ttl: 300, data: [192, 0, 2, 7] },
      { type: 1, ttl: 40, data: [192, 0, 2, 8] },
      { type: 28, ttl: 600, data: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7] },
    ],
    "old.example.org": [{ type: 1, ttl: 5, data: [192, 0, 2, 9] }],
  });
  const resolve = resolver([server]);
  const found = await resolve("mail.example.org");
  if (!found.ok) throw new Error(found.code);
  t.same(found.addresses.map(({ text }) => text).sort(), ["192.0.2.7", "192.0.2.8", "2001:db8::7"]);
  t.equal(found.ttlSeconds, 40);
  const old = await resolve("old.example.org");
  t.same(old.ok && old.addresses.map(({ text }) => text), ["192.0.2.9"], "one family is enough");
});

t.test("resolver asks the system when the DNS does not know the name", async (t) => {
  const resolve = resolver([await startDns(t, {})]);
  const found = await resolve("localhost");
  t.ok(found.ok && found.addresses.every(({ isLoopback }) => isLoopback));
});

t.test("resolver says why when nobody knows the name", async (t) => {
  const found = await resolver([await startDns(t, {})])("nowhere.invalid");
  t.equal(found.ok, false);
  t.match(found, { code: /^E/ });
});

t.test("resolver says which family it could not ask for, and not where there is none of it", async (t) => {
  const entries = {
    "mail.example.org": [{ type: 1, ttl: 30, data: [192, 0, 2, 7] }],
    "new.example.org": [
      { type: 28, ttl: 30, data: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7] },
    ],
  } as const;
  const well = resolver([await startDns(t, entries)]);
  const fails = (type: number) =>
    startDns(t, entries, (asked) => asked === type).then((at) => resolver([at]));
  t.match(await well("mail.example.org"), { ok: true, unknown: null }, "there is none");
  t.match(await (await fails(28))("mail.example.org"), { ok: true, unknown: 6, addresses: { length: 1 } });
  t.match(await (await fails(1))("new.example.org"), { ok: true, unknown: 4, addresses: { length: 1 } });
});
