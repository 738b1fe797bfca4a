/** The hash chains: keyed, and well spread for addresses that differ in little. */
import t from "tap";
import { Chains } from "../../src/limits/chains.ts";
import { header, KEY_WORDS, Memory } from "../../src/limits/memory.ts";

const CLIENTS = 4096;

/** Half an entry to a bucket: the chance of 12 in one is below 1e-12, and there are 8192 buckets. */
const CHAIN_MAX = 12;

function fresh(seed: [number, number] | null): { memory: Memory; chains: Chains } {
  const memory = new Memory(Memory.allocate({ entries: CLIENTS, threads: 1 }));
  if (seed !== null) memory.words.set(seed, header.seed);
  return { memory, chains: new Chains(memory) };
}

function key(word: number, value: number): Int32Array {
  const words = new Int32Array(KEY_WORDS);
  words[word] = value;
  return words;
}

t.test(
  "Chains.bucket spreads clients when they differ in one word only, by steps of any power of two",
  async (t) => {
    const { memory, chains } = fresh([1, 2]);
    for (let word = 0; word < KEY_WORDS; word++) {
      for (let shift = 0; shift <= 20; shift += 4) {
        const sizes = new Map<number, number>();
        for (let client = 0; client < CLIENTS; client++) {
          const bucket = chains.bucket(key(word, client << shift), 0);
          sizes.set(bucket, (sizes.get(bucket) ?? 0) + 1);
        }
        const longest = Math.max(...sizes.values());
        if (longest > CHAIN_MAX) t.fail(`word ${word}, step 2^${shift}: a chain of ${longest}`);
      }
    }
    t.ok(chains.bucket(key(0, 1), 0) >= memory.buckets);
  },
);

t.test("Chains.bucket parts clients that met in one bucket when the seed is another", async (t) => {
  const { chains } = fresh([1, 2]);
  const meeting: Int32Array[] = [];
  const first = chains.bucket(key(4, 0), 0);
  for (let value = 0; meeting.length < 32; value++) {
    if (chains.bucket(key(4, value), 0) === first) meeting.push(key(4, value));
  }
  for (const seed of [
    [2, 2],
    [1, 3],
  ] as [number, number][]) {
    const { chains: other } = fresh(seed);
    const buckets = new Set(meeting.map((clients) => other.bucket(clients, 0)));
    t.ok(buckets.size > 24, `${buckets.size} buckets`);
  }
});

t.test("Memory.allocate draws another seed for each table", async (t) => {
  const seeds = Array.from({ length: 8 }, () =>
    fresh(null)
      .memory.words.slice(header.seed, header.seed + 2)
      .join(),
  );
  t.ok(new Set(seeds).size > 1);
});

t.test("Chains.remove throws when the entry is in no chain", async (t) => {
  t.throws(() => fresh(null).chains.remove(1), /entry 1 is not in its bucket/);
});
