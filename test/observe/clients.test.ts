/** Who is the busiest, against sorting everything; and who has an address. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import { entriesOf, isPrefix, rank } from "../../src/observe/clients.ts";
import { clientEntry, clientSource } from "./fixtures.ts";

t.test("rank finds the busiest and sums the others when there are more than it keeps", async () => {
  const entry = fc.record({
    connections: fc.nat(20),
    bytes: fc.nat(20),
    refused: fc.nat(5),
    messages: fc.nat(5),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), fc.nat(12), (totals, count) => {
      const entries = totals.map((values) => clientEntry("203.0.113.7", values));
      const forgotten = { connections: 3, refused: 2, messages: 4, bytes: 1 };
      const ranking = rank(clientSource(entries, forgotten), count);
      const sorted = entries.toSorted((a, b) => b.connections - a.connections || b.bytes - a.bytes);
      const key = ({ connections, bytes }: { connections: number; bytes: number }) =>
        `${connections} ${bytes}`;
      assert.deepEqual(ranking.busiest.map(key), sorted.slice(0, count).map(key));
      assert.equal(ranking.entries, entries.length);
      for (const total of ["connections", "refused", "messages", "bytes"] as const) {
        const sum = entries.reduce((all, each) => all + each[total], forgotten[total]);
        assert.equal(
          ranking.busiest.reduce((all, each) => all + each[total], ranking.others[total]),
          sum,
        );
      }
    }),
  );
});

t.test("entriesOf gives every scope of an address, and the network that it falls in", async (t) => {
  const source = clientSource([
    clientEntry("203.0.113.7", { scope: "smtp" }),
    clientEntry("203.0.113.7", { scope: "imap" }),
    clientEntry("203.0.113.0", { scope: "submission", prefixLength: 24 }),
    clientEntry("203.0.113.8", {}),
    clientEntry("2001:db8:0:1::", { prefixLength: 64 }),
  ]);
  const scopes = (text: string) => entriesOf(source, Address.parse(text)!).map(({ scope }) => scope);
  t.same(scopes("203.0.113.7"), ["smtp", "imap", "submission"]);
  t.same(scopes("203.0.114.7"), []);
  t.equal(scopes("2001:db8:0:1::25").length, 1);
  t.equal(scopes("2001:db8:0:2::25").length, 0);
});

t.test("isPrefix is true when bits of the address are missing", async (t) => {
  t.notOk(isPrefix(clientEntry("203.0.113.7", {})));
  t.ok(isPrefix(clientEntry("203.0.113.0", { prefixLength: 24 })));
  t.ok(isPrefix(clientEntry("2001:db8::", { prefixLength: 64 })));
  t.notOk(isPrefix(clientEntry("2001:db8::1", { prefixLength: 128 })));
});
