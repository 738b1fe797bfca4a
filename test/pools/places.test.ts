/** Servers that are written by name: who stands where as their addresses change, for every thread that looks. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { Pool } from "../../src/pools/pool.ts";
import { defaultHealth } from "../config/fixtures.ts";
import { client, NOW, optionsOf, picks, placeOf } from "./fixtures.ts";

const named = { endpoint: { host: "mail.example.org", port: 25 } };
const literal = { endpoint: { host: "192.0.2.1", port: 25 } };

/** A pool as the control thread and a data thread have it. */
function scene(...servers: Parameters<typeof optionsOf>[0]) {
  const options = { ...optionsOf(servers), health: defaultHealth };
  const memory = Pool.allocate(options, 1);
  const [control, data] = [new Pool(options, memory, -1), new Pool(options, memory, 0)];
  const settle = (...texts: string[]) =>
    control.settle(
      options.servers[0]!,
      texts.map((text) => Address.parse(text)!),
    );
  const names = () => data.servers.map(({ name }) => name);
  return { control, data, settle, names };
}

t.test("Pool has nobody to give when a name is not resolved", async (t) => {
  const { data } = scene(named);
  t.equal(data.isDown(NOW), true);
  t.same(picks(data, 2), ["down", "down"]);
});

t.test("Pool has a server at each address of a name, in all threads", async (t) => {
  const { data, settle, names } = scene(named, literal);
  t.same(names(), ["192.0.2.1:25"]);
  t.equal(settle("192.0.2.7", "2001:db8::7"), true);
  t.same(names(), ["mail.example.org:25/192.0.2.7", "mail.example.org:25/2001:db8::7", "192.0.2.1:25"]);
  t.equal(data.servers[1]!.endpoint.host, "2001:db8::7");
  t.equal(new Set(picks(data, 3)).size, 3);
  t.equal(settle("2001:db8::7", "192.0.2.7"), false, "in any order");
});

t.test("Pool keeps what stays when a name's addresses change", async (t) => {
  const { control, data, settle, names } = scene(named);
  settle("192.0.2.7", "192.0.2.8");
  const [gone, stays] = data.servers;
  data.failed(stays!, NOW);
  settle("192.0.2.8", "192.0.2.9");
  t.same(names().sort(), ["mail.example.org:25/192.0.2.8", "mail.example.org:25/192.0.2.9"]);
  t.ok(data.servers.includes(stays!), "as the same server");
  t.equal(data.isUp(stays!, NOW), false);
  t.notOk(data.servers.includes(gone!));
  const fresh = control.servers.find(({ name }) => name.endsWith("9"))!;
  t.equal(fresh.index, gone!.index, "its place is taken");
  t.equal(control.isUp(fresh, NOW), true);
});

t.test("Pool gives a place to another server only when it has no session and no past", async (t) => {
  const { control, data, settle } = scene(named);
  settle("192.0.2.7");
  const old = data.pick(client(1), null, NOW);
  if (typeof old === "string") throw new Error(old);
  data.failed(old, NOW);
  settle("192.0.2.8");
  const next = data.servers[0]!;
  t.not(next.index, old.index, "its slots are counted on");
  t.equal(control.sessionsOn(next), 0);
  data.leave(old);
  settle("192.0.2.9");
  const reused = data.servers[0]!;
  t.equal(reused.index, old.index);
  t.equal(data.isUp(reused, NOW), true, "though the one before it was down");
});

t.test("Pool uses as many addresses as there are places", async (t) => {
  const { data, settle } = scene(named);
  settle(...Array.from({ length: 40 }, (_, number) => `192.0.2.${number + 1}`));
  t.equal(data.servers.length, 16);
  t.equal(typeof placeOf(data.pick(client(1), null, NOW)), "number");
});
