/** A client that only checks, as its session meets it: ahead of bans and limits, and in nobody's books. */
import t from "tap";
import { Networks } from "../../src/address.ts";
import type { Bans } from "../../src/proxy/gate.ts";
import { Session } from "../../src/proxy/session.ts";
import { aBan } from "../observe/fixtures.ts";
import { proxyHeader } from "../servers/header.ts";
import { scene } from "./fakes.ts";

const everybody: Bans = { areMissingFor: () => true, judge: () => aBan };

t.test("Session answers a monitor when it is banned, and before any limit", async (t) => {
  const { client, upstream, table, heard, records, session } = scene(
    { connectionCount: 1 },
    "off",
    { monitors: ["198.51.100.0/24", "203.0.113.0/24"] },
    { bans: everybody },
  );
  t.equal(client.take(), "check, up: true\r\n");
  t.equal(upstream.owner.constructor.name, "Object", "no server is looked for");
  t.same([[...table.entries()], heard], [[], []]);
  t.equal(session.recheck(everybody), false, "nor is it ever looked for in a new ban list");
  client.hangUp();
  t.match(records, [{ outcome: "healthcheck", reason: null, ban: null, smtp: null }]);
  t.equal(records[0]?.client?.address.text, "203.0.113.7");
});

t.test("Session takes a client for a client when it is none of the monitors", async (t) => {
  const { client, records } = scene({}, "off", { monitors: ["203.0.113.8"] }, { bans: everybody });
  t.equal(client.take(), "421 banned\r\n");
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "banned" }]);
});

t.test(
  "Session believes a peer that is gone before it is asked for only when it names a monitor",
  async (t) => {
    const { session, records } = scene({}, "off", { monitors: ["198.51.100.9"] });
    const header = { from: new Networks(["10.0.0.0/8"]), timeoutMs: 1000 };
    for (const source of ["198.51.100.9", "198.51.100.8"]) {
      const { client } = scene();
      const gone = Object.assign(client, { peer: () => null });
      new Session({ ...session.gate, header }, gone).accept();
      gone.owner.onData(gone, proxyHeader(source));
      gone.hangUp();
    }
    t.match(records, [
      { outcome: "healthcheck", peer: null, client: { port: 40_123 } },
      { outcome: "closed", peer: null, client: null },
    ]);
    t.equal(records.length, 2);
  },
);
