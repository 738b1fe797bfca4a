/**
 * A new list from an old one and its changes: two runs in order become one, in a single walk over both.
 *
 * First a plan is made, which says for each row of the new list where it comes from; then it is known how much memory
 * the list takes. Of one key, what comes replaces what was there, and what lasts longest replaces what comes beside it.
 */
import { BanList, DECISIONS_MAX } from "./banlist.ts";
import type { Changes, FamilyChanges } from "./changes.ts";
import type { Rows } from "./rows.ts";

/** Above `DECISIONS_MAX`; times an address's first word it is still exact: 2^32 x 2^21 = 2^53. */
const ROW_SPAN = 2 ** 21;

/** For each row of the new list: a row of the old one, or what comes as `~row`. */
type Plan = Int32Array;

/** Null: there would be more than `DECISIONS_MAX`. */
export function merge(changes: Changes, nowSeconds: number): BanList | null {
  const { byId, origins, types, scenarios } = changes;
  const ipv4 = planned(changes.ipv4, byId, nowSeconds);
  const ipv6 = planned(changes.ipv6, byId, nowSeconds);
  if (ipv4.length + ipv6.length > DECISIONS_MAX) return null;
  return BanList.build({
    ipv4: ipv4.length,
    ipv6: ipv6.length,
    origins: origins.texts,
    types: types.texts,
    scenarios: scenarios.texts,
    fill(rows4, rows6) {
      carryOut(ipv4, changes.ipv4, rows4);
      carryOut(ipv6, changes.ipv6, rows6);
    },
  });
}

function planned(changes: FamilyChanges, byId: boolean, nowSeconds: number): Plan {
  const { removed, added } = changes;
  const base = changes.base.rows;
  const coming = inOrder(changes, byId, nowSeconds);
  const plan = new Int32Array(base.capacity + coming.length);
  let length = 0;
  let row = 0;
  const keep = () => {
    if (removed[row] === 0 && base.ends(row) > nowSeconds) plan[length++] = row;
    row++;
  };
  for (const next of coming) {
    while (row < base.capacity && base.compare(row, added, next, byId) < 0) keep();
    if (row < base.capacity && base.compare(row, added, next, byId) === 0) row++;
    plan[length++] = ~next;
  }
  while (row < base.capacity) keep();
  return plan.subarray(0, length);
}

/** The rows that come, in order, and of each key the one that lasts longest. */
function inOrder({ added, count }: FamilyChanges, byId: boolean, nowSeconds: number): Uint32Array {
  const rows = sorted({ added, count }, byId);
  let length = 0;
  for (const [at, row] of rows.entries()) {
    const isLast = at + 1 === count || added.compare(row, added, rows[at + 1]!, byId) !== 0;
    if (isLast && added.ends(row) > nowSeconds) rows[length++] = row;
  }
  return rows.subarray(0, length);
}

/**
 * By key, then by when they end. Numbers are sorted many times faster than by a comparing function, so that this one only
 * sees to those whose addresses begin with the same word.
 */
function sorted({ added, count }: Pick<FamilyChanges, "added" | "count">, byId: boolean): Uint32Array {
  const keys = new Float64Array(count);
  for (let row = 0; row < count; row++) keys[row] = added.firstWord(row) * ROW_SPAN + row;
  const rows = Uint32Array.from(keys.sort(), (key) => key % ROW_SPAN);
  const compare = (row: number, other: number) =>
    added.compare(row, added, other, byId) || added.ends(row) - added.ends(other);
  for (let start = 0, end = 0; start < count; start = end) {
    const word = added.firstWord(rows[start]!);
    while (end < count && added.firstWord(rows[end]!) === word) end++;
    if (end - start > 1) rows.subarray(start, end).sort(compare);
  }
  return rows;
}

function carryOut(plan: Plan, { base, added }: FamilyChanges, rows: Rows): void {
  for (const [row, from] of plan.entries()) {
    if (from >= 0) rows.copy(row, base.rows, from);
    else rows.copy(row, added, ~from);
  }
}
