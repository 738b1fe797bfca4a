/** Who the sessions come from. */
import t from "tap";
import { CLIENTS_MAX, Clients, openingOf, randomOf } from "../../../bench/load/clients.ts";
import type { ClientsPlan } from "../../../bench/load/plan.ts";
import { Address, Network } from "../../../src/address.ts";
import { HeaderDecoder } from "../../../src/proxy/header.ts";

function clientsOf(ranges: readonly string[], asked: Partial<ClientsPlan> = {}): Clients {
  return new Clients({ ranges, distribution: "uniform", seed: 7, ...asked });
}

function texts(clients: Clients): string[] {
  return Array.from({ length: clients.size }, (_, index) => clients.at(index, 0).address.text);
}

function drawn(clients: Clients, count: number): number[] {
  return Array.from({ length: count }, () => clients.next().index);
}

t.test("Clients has every address of its ranges once when they are small", async (t) => {
  const found = texts(clientsOf(["203.0.113.0/28", "2001:db8::/126", "198.51.100.7"]));
  const asked = [
    ...Array.from({ length: 16 }, (_, index) => `203.0.113.${index}`),
    "2001:db8::",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8::3",
    "198.51.100.7",
  ];
  t.strictSame(found.toSorted(), asked.toSorted());
  t.not(found.join(), found.toSorted().join(), "in an order of its own");
});

t.test("Clients has an address once when ranges overlap", async (t) => {
  t.equal(clientsOf(["203.0.113.0/28", "203.0.113.0/29", "203.0.113.3"]).size, 16);
});

t.test("Clients is spread over the whole of a range when that is large", async (t) => {
  const clients = clientsOf(["10.0.0.0/8", "2001:db8::/48", "192.0.2.0/30"]);
  t.equal(clients.size, CLIENTS_MAX);
  const addresses = texts(clients);
  t.equal(new Set(addresses).size, CLIENTS_MAX);
  for (const range of [
    "192.0.2.0/30",
    "10.0.0.0/10",
    "10.192.0.0/10",
    "2001:db8::/50",
    "2001:db8:0:c000::/50",
  ]) {
    const network = Network.parse(range)!;
    const inside = addresses.filter((text) => network.contains(Address.parse(text)!)).length;
    t.ok(
      inside === (range.endsWith("/30") ? 4 : 8191) || inside === 8192 || inside === 8190,
      `${range}: ${inside}`,
    );
  }
});

t.test("Clients gives the same sequence when the seed is the same, another when it is not", async (t) => {
  const ranges = ["203.0.113.0/24", "2001:db8::/64"];
  for (const distribution of ["uniform", "zipf"] as const) {
    const first = clientsOf(ranges, { distribution });
    const again = clientsOf(ranges, { distribution });
    t.strictSame(texts(first).slice(0, 100), texts(again).slice(0, 100));
    t.strictSame(drawn(first, 200), drawn(again, 200));
    t.notSame(
      drawn(clientsOf(ranges, { distribution, seed: 8 }), 200),
      drawn(clientsOf(ranges, { distribution }), 200),
    );
  }
});

t.test("Clients gives threads together what one would have when sessions are shared out", async (t) => {
  const plan = { ranges: ["203.0.113.0/24"], distribution: "zipf", seed: 3 } as const;
  const alone = new Clients(plan);
  const shared = [0, 1, 2].map((thread) => new Clients(plan, { thread, threads: 3 }));
  for (let session = 0; session < 300; session++)
    t.strictSame(shared[session % 3]!.next(), alone.next(), `session ${session}`);
});

t.test("Clients draws all alike when the distribution is uniform", async (t) => {
  const clients = clientsOf(["203.0.113.0/28"]);
  const counts = Array<number>(16).fill(0);
  for (const index of drawn(clients, 16_000)) counts[index]!++;
  // The standard deviation of each is 31: five of them are never left.
  for (const count of counts) t.ok(Math.abs(count - 1000) < 155, `${count}`);
});

t.test("Clients draws the second half as often as the first when the distribution is zipf", async (t) => {
  const clients = clientsOf(["203.0.113.0/28"], { distribution: "zipf" });
  const counts = Array<number>(16).fill(0);
  for (const index of drawn(clients, 33_807)) counts[index]!++;
  // The sum of the first 16 reciprocals is 3.3807.
  counts.forEach((count, index) => {
    const expected = 10_000 / (index + 1);
    t.ok(Math.abs(count - expected) < 5 * Math.sqrt(expected), `rank ${index + 1}: ${count}`);
  });
});

t.test("Clients gives each connection another port when a client comes again", async (t) => {
  const clients = clientsOf(["203.0.113.9"]);
  const ports = new Set(Array.from({ length: 1000 }, () => clients.next().port));
  t.equal(ports.size, 1000);
  t.equal(clients.at(0, 64_511).port, 65_535);
  t.equal(clients.at(0, 64_512).port, 1024);
});

t.test("Clients keeps its first ones back when they are reserved, but never all", async (t) => {
  for (const distribution of ["uniform", "zipf"] as const) {
    for (const [reserved, kept] of [
      [0, 0],
      [6, 6],
      [8, 7],
    ] as const) {
      const plan = { ranges: ["203.0.113.0/29"], distribution, seed: 1 };
      const clients = new Clients(plan, { thread: 0, threads: 1 }, reserved);
      const drawn = new Set(Array.from({ length: 500 }, () => clients.next().index));
      const free = Array.from({ length: 8 - kept }, (_, index) => kept + index);
      t.strictSame([...drawn].toSorted(), free, `${distribution}, ${reserved} of 8`);
      t.equal(clients.reserved, kept);
    }
  }
});

t.test("Clients throws when a range is none", async (t) => {
  t.throws(() => clientsOf(["203.0.113.0/33"]), {
    name: "RangeError",
    message: "no network: 203.0.113.0/33",
  });
});

t.test("randomOf stays within its range and is spread when it is asked often", async (t) => {
  const random = randomOf(1);
  const values = Array.from({ length: 10_000 }, random);
  t.ok(values.every((value) => value >= 0 && value < 1));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  t.ok(Math.abs(mean - 0.5) < 0.02, `${mean}`);
});

t.test("openingOf names the client when it is asked for either version", async (t) => {
  const destination = { address: Address.parse("127.0.0.1")!, port: 25 };
  const client = clientsOf(["2001:db8::5"]).at(0, 3);
  const step = new HeaderDecoder().feed(openingOf("v2", client, destination));
  t.match(step, { kind: "done", header: { source: { port: 1027 } } });
  const words = Buffer.from(openingOf("v1", client, destination)).toString();
  t.equal(words, "PROXY TCP6 2001:db8::5 ::ffff:127.0.0.1 1027 25\r\n");
  t.equal(openingOf("off", client, destination).length, 0);
});
