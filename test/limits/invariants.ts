/** What must hold of the table's memory whenever nobody is inside it; used by the tests of the table. */
import assert from "node:assert/strict";
import type { Network } from "../../src/address.ts";
import { Chains } from "../../src/limits/chains.ts";
import type { TableEntry } from "../../src/limits/entries.ts";
import { Lock } from "../../src/limits/lock.ts";
import { BLANK, entry, header, Memory, NONE } from "../../src/limits/memory.ts";
import { CONTROL, type Table } from "../../src/limits/table.ts";

const PATIENCE_MS = 5000;

/** Throws where an invariant is broken. Takes the lock, so that threads may go on meanwhile. */
export function checkTable(shared: SharedArrayBuffer): void {
  const memory = new Memory(shared);
  const lock = new Lock(memory.words, header.lock, CONTROL);
  assert(lock.acquire(PATIENCE_MS), `lock held by ${lock.heldBy}`);
  try {
    const known = checkEntries(memory);
    checkChains(memory, known);
    checkIdle(memory, known);
  } finally {
    lock.release();
  }
}

/** What the table tells of one client; null when it knows nothing. */
export function entryOf(table: Table, scope: number, { address, length }: Network): TableEntry | null {
  for (const entry of table.entries()) {
    const { client } = entry;
    if (entry.scope === scope && client.length === length && client.address.equals(address)) return entry;
  }
  return null;
}

/** Concurrency is what the threads hold; returns the known entries. */
function checkEntries(memory: Memory): Set<number> {
  const { words, capacity, threads } = memory;
  const high = words[header.high]!;
  assert(high <= capacity, "the high-water mark is within the table");
  const known = new Set<number>();
  for (let index = NONE; index <= capacity; index++) {
    const at = memory.at(index);
    const isKnown = words[at + entry.state] !== BLANK;
    let held = 0;
    for (let thread = 0; thread < threads; thread++) {
      assert(words[memory.held(thread, index)]! >= 0, `thread ${thread} holds no less than nothing`);
      held += words[memory.held(thread, index)]!;
    }
    if (isKnown) known.add(index);
    assert(!isKnown || (index > NONE && index <= high), `entry ${index} is within the high-water mark`);
    assert.equal(
      isKnown ? words[at + entry.concurrency] : 0,
      held,
      `entry ${index}: concurrency is what is held`,
    );
  }
  assert.equal(words[header.used], known.size, "used counts the known entries");
  return known;
}

/** Each known entry hangs in its own bucket, once, and nothing else does. */
function checkChains(memory: Memory, known: ReadonlySet<number>): void {
  const { words, buckets, bucketCount } = memory;
  const chains = new Chains(memory);
  const seen = new Set<number>();
  for (let bucket = buckets; bucket < buckets + bucketCount; bucket++) {
    for (let index = words[bucket]!; index !== NONE; index = words[memory.at(index) + entry.chain]!) {
      assert(known.has(index) && !seen.has(index), `entry ${index} is chained once, and known`);
      assert.equal(chains.bucket(words, memory.at(index) + entry.scope), bucket, `entry ${index}: bucket`);
      seen.add(index);
    }
  }
  assert.equal(seen.size, known.size, "every known entry is chained");
}

/** The ring holds the blank entries, then those that nobody holds, and reads the same in both directions. */
function checkIdle(memory: Memory, known: ReadonlySet<number>): void {
  const { words } = memory;
  const seen = new Set<number>();
  let previous = NONE;
  for (let index = words[memory.at(NONE) + entry.newer]!; index !== NONE; ) {
    const at = memory.at(index);
    assert.equal(words[at + entry.older], previous, `entry ${index}: its older neighbour`);
    assert(!seen.has(index), `entry ${index} is listed once`);
    if (known.has(index)) assert.equal(words[at + entry.concurrency], 0, `entry ${index} is idle`);
    else
      assert(
        previous === NONE || !known.has(previous),
        `entry ${index} is blank, and stands before the idle`,
      );
    seen.add(index);
    previous = index;
    index = words[at + entry.newer]!;
  }
  assert.equal(words[memory.at(NONE) + entry.older], previous, "the newest is the last");
  for (let index = NONE + 1; index <= words[header.high]!; index++) {
    const isIdle = !known.has(index) || words[memory.at(index) + entry.concurrency] === 0;
    assert.equal(seen.has(index), isIdle, `entry ${index} is listed when idle`);
  }
}
