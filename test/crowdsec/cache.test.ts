/** The list's file: what is written is found again, and nothing else is believed. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Cache, load, type Moment, save } from "../../src/crowdsec/cache.ts";
import { makeDirectory } from "../servers/process.ts";

const HEADER_BYTES = 40;

const made = "everybody's bans";

const noon = Date.UTC(2026, 10, 22, 12);
const before: Moment = { wallMs: noon, clockMs: 7_000_000 };

function listOf(...bytes: number[]): Uint8Array {
  return Uint8Array.of(...bytes);
}

function startFile(t: Test) {
  const directory = makeDirectory(t, "cache");
  const path = join(directory, "bans");
  return { directory, path };
}

function bytesIn(memory: ArrayBuffer): number[] {
  return [...new Uint8Array(memory)];
}

t.test("load gives what save wrote, and how far the clocks have moved apart", async (t) => {
  const { directory, path } = startFile(t);
  t.equal(save(path, { list: listOf(1, 2, 3, 250), made }, before), null);
  // An hour later, after a boot three minutes ago.
  const loaded = load(path, made, { wallMs: noon + 3_600_000, clockMs: 180_000 });
  if (loaded.kind !== "loaded") throw new Error(loaded.kind);
  t.strictSame(bytesIn(loaded.memory), [1, 2, 3, 250]);
  // What was to end a second after it was written ended 3,599 s ago.
  t.equal(7001 + loaded.shiftSeconds, 180 - 3599);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.strictSame(readdirSync(directory), ["bans"]);
});

t.test("load gives an empty list when one was saved", async (t) => {
  const { path } = startFile(t);
  save(path, { list: new Uint8Array(0), made }, before);
  t.match(load(path, made, before), { kind: "loaded", shiftSeconds: 0 });
});

t.test("load says none when there is no file", async (t) => {
  const { path } = startFile(t);
  t.strictSame(load(path, made, before), { kind: "none" });
});

t.test(
  "load refuses a file when any of its bits is another, or any byte is missing or too much",
  async (t) => {
    const { path } = startFile(t);
    save(path, { list: listOf(5, 6, 7, 8, 9), made }, before);
    const bytes = readFileSync(path);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const wrong = Buffer.from(bytes);
      wrong[bit >> 3] = wrong[bit >> 3]! ^ (1 << (bit & 7));
      writeFileSync(path, wrong);
      t.equal(load(path, made, before).kind, "refused", `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      t.equal(load(path, made, before).kind, "refused", `${length} bytes`);
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1)]));
    t.strictSame(load(path, made, before), { kind: "refused", reason: "its length is wrong" });
  },
);

t.test("load says why when it refuses", async (t) => {
  const { directory, path } = startFile(t);
  const reasonOf = (name: string, now = before) => {
    const loaded = load(name, made, now);
    return loaded.kind === "refused" ? loaded.reason : loaded.kind;
  };
  save(path, { list: listOf(1, 2, 3, 4), made }, before);
  const bytes = readFileSync(path);
  const changed = (word: number, value: number) => {
    const other = Buffer.from(bytes);
    new DataView(other.buffer, other.byteOffset).setUint32(word * 4, value, true);
    writeFileSync(path, other);
    return reasonOf(path);
  };
  t.equal(changed(0, 0xed57115b), "it is no ban list of this kind of machine");
  t.equal(changed(1, 1), "it is of version 1, not 2");
  t.equal(changed(HEADER_BYTES / 4, 0), "it is damaged");
  t.equal(changed(2, 4), "loaded", "and it is sound otherwise");
  t.equal(reasonOf(path, { ...before, wallMs: noon - 60_000 }), "loaded");
  t.equal(reasonOf(path, { ...before, wallMs: noon - 60_001 }), "it is from the future");
  writeFileSync(path, "[]");
  t.equal(reasonOf(path), "it is too short");
  t.equal(reasonOf(directory), "it cannot be read (EISDIR)");
});

t.test("save leaves the old file when the new one cannot be written", async (t) => {
  const { directory, path } = startFile(t);
  save(path, { list: listOf(1), made }, before);
  mkdirSync(`${path}.new`);
  t.equal(save(path, { list: listOf(2), made }, before), "ERR_FS_EISDIR");
  const loaded = load(path, made, before);
  t.strictSame(loaded.kind === "loaded" && bytesIn(loaded.memory), [1]);
  t.equal(save(join(directory, "nowhere", "bans"), { list: new Uint8Array(1), made }, before), "ENOENT");
  t.equal(save(join(path, "below", "bans"), { list: new Uint8Array(1), made }, before), "ENOTDIR");
});

t.test("save writes through no link when one is in its way", async (t) => {
  const { directory, path } = startFile(t);
  const other = join(directory, "other");
  writeFileSync(other, "precious");
  symlinkSync(other, `${path}.new`);
  t.equal(save(path, { list: listOf(1), made }, before), null);
  t.equal(readFileSync(other, "utf8"), "precious");
});

function startCache(path: string) {
  const time = { nowMs: 1_000_000 };
  const lines: unknown[] = [];
  const cache = new Cache({
    path,
    made,
    clock: { milliseconds: () => time.nowMs, seconds: () => Math.floor(time.nowMs / 1000) },
    wallMs: () => noon + time.nowMs,
    log: (...line) => void lines.push(line),
  });
  const written = () => {
    const restored = cache.restore((memory) => bytesIn(memory)[0] !== 99);
    return restored === null ? null : bytesIn(restored.memory);
  };
  return { time, lines, cache, written };
}

t.test("Cache writes a changed list at most once a minute, and the last one at the end", async (t) => {
  const { path } = startFile(t);
  const { time, lines, cache, written } = startCache(path);
  t.equal(written(), null);
  const [first, second, third] = [listOf(1), listOf(2), listOf(3)];
  cache.keep(first);
  t.strictSame(written(), [1]);
  cache.keep(second);
  time.nowMs += 59_999;
  cache.keep(second);
  t.strictSame(written(), [1]);
  time.nowMs += 1;
  cache.keep(second);
  t.strictSame(written(), [2]);
  const { mtimeNs } = statSync(path, { bigint: true });
  time.nowMs += 60_000;
  cache.keep(second);
  cache.finish(second);
  t.equal(statSync(path, { bigint: true }).mtimeNs, mtimeNs, "nothing is written where nothing has changed");
  cache.finish(third);
  t.strictSame(written(), [3]);
  t.strictSame(lines, []);
});

t.test("Cache refuses what is not sound, and says of which file", async (t) => {
  const { path } = startFile(t);
  const { lines, cache, written } = startCache(path);
  cache.finish(listOf(99));
  t.equal(written(), null);
  t.strictSame(lines, [["warn", "ban-cache-refused", { path, reason: "it is of another release" }]]);
});

t.test("load refuses a list that was made with other settings", async (t) => {
  const { path } = startFile(t);
  save(path, { list: listOf(1, 2), made }, before);
  t.strictSame(load(path, "the captchas as well", before), {
    kind: "refused",
    reason: "it was made with other origins or otherTypes",
  });
});

t.test("Cache says once what is wrong, and tries again", async (t) => {
  const { path } = startFile(t);
  const { time, lines, cache, written } = startCache(join(path, "bans"));
  const list = listOf(1);
  for (let round = 0; round < 3; round++) {
    cache.keep(list);
    time.nowMs += 60_000;
  }
  const failed = ["warn", "ban-cache-failed", { path: join(path, "bans"), reason: "ENOENT" }];
  t.strictSame(lines.splice(0), [failed]);
  mkdirSync(path);
  cache.keep(list);
  t.strictSame(written(), [1]);
  writeFileSync(join(path, "bans"), "x");
  t.equal(written(), null);
  const refused = { path: join(path, "bans"), reason: "it is too short" };
  t.strictSame(lines, [["warn", "ban-cache-refused", refused]]);
});
