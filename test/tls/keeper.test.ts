/** Certificates in files that change in every way that files are changed, and the tickets' keys, which time changes. */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Keeper } from "../../src/tls/keeper.ts";
import { makeCertificate } from "../servers/certificate.ts";

const HOUR = 3600;

const made = t.testdir({ one: {}, two: {}, three: {} });
for (const name of ["one", "two", "three"]) makeCertificate(join(made, name), `${name}.example.test`);

type Name = "one" | "two" | "three";
const certOf = (name: Name) => readFileSync(join(made, name, "cert.pem"), "utf8");

/** A keeper of one pair in `folder`/cert.pem and key.pem, or of those in all the folders given. */
function keep(...folders: string[]): Keeper {
  const certificates = folders.map((folder) => ({
    cert: join(folder, "cert.pem"),
    key: join(folder, "key.pem"),
  }));
  return new Keeper({ certificates, minVersion: "TLSv1.2" }, 0);
}

/** Puts a pair's files in the place of others, in place or by renaming. */
function put(folder: string, from: Name, how: "write" | "rename", files = ["cert.pem", "key.pem"]): void {
  for (const file of files) {
    const path = join(folder, file);
    if (how === "write") writeFileSync(path, readFileSync(join(made, from, file)));
    else {
      copyFileSync(join(made, from, file), `${path}.new`);
      renameSync(`${path}.new`, path);
    }
  }
}

/** A pair that has been there for long: two writes in one tick of the file system's clock would look like one. */
function settle(folder: string, from: Name): void {
  put(folder, from, "write");
  for (const file of ["cert.pem", "key.pem"]) utimesSync(join(folder, file), 0, 0);
}

function folderOf(t: Test): string {
  const folder = t.testdir();
  settle(folder, "one");
  return folder;
}

const shown = (keeper: Keeper) => keeper.material.pairs.map(({ cert }) => cert);

t.test("Keeper goes on with the tickets of the one before it, and with their age", async (t) => {
  const before = keep(join(made, "one"));
  const { ticketKeys } = before.material;
  const pair = { cert: join(made, "two", "cert.pem"), key: join(made, "two", "key.pem") };
  const after = new Keeper({ certificates: [pair], minVersion: "TLSv1.3" }, 11 * HOUR, before);
  t.same(shown(after), [certOf("two")]);
  t.same(after.material.ticketKeys, ticketKeys);
  t.equal(after.material.minVersion, "TLSv1.3");
  t.equal(after.look(12 * HOUR).kind, "rotated");
  t.notSame(after.material.ticketKeys, ticketKeys);
});

t.test("Keeper has what the files hold when it is made", async (t) => {
  const [first, second] = [join(made, "one"), join(made, "two")];
  const keeper = keep(first, second);
  const { pairs, minVersion, ticketKeys } = keeper.material;
  t.same(
    pairs,
    [first, second].map((folder) => ({
      cert: readFileSync(join(folder, "cert.pem"), "utf8"),
      key: readFileSync(join(folder, "key.pem"), "utf8"),
    })),
  );
  t.equal(minVersion, "TLSv1.2");
  t.equal(ticketKeys.length, 48);
  t.notSame(keep(first).material.ticketKeys, ticketKeys, "they are random");
  t.same(keeper.look(1), { kind: "same" });
});

t.test("Keeper throws and names the file when one will not serve at first", async (t) => {
  const folder = folderOf(t);
  put(folder, "two", "write", ["key.pem"]);
  t.throws(() => keep(join(made, "one"), folder), {
    message: `tls.certificates: ${folder}/key.pem: the key does not fit the certificate, the first in its file`,
  });
});

t.test("Keeper.look has the new pair when its files were replaced in any way", async (t) => {
  for (const how of ["write", "rename"] as const) {
    const folder = folderOf(t);
    const keeper = keep(folder);
    t.same(keeper.look(10), { kind: "same" });
    put(folder, "two", how);
    const news = keeper.look(20);
    t.match(news, {
      kind: "reloaded",
      certificates: [{ names: ["two.example.test"], notAfter: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/ }],
    });
    t.same(shown(keeper), [certOf("two")], how);
    t.same(keeper.look(30), { kind: "same" });
  }
});

t.test("Keeper.look has the new pair when a link leads elsewhere", async (t) => {
  // As Kubernetes mounts a secret: each file a link through `..data`, which is swapped by renaming.
  const volume = t.testdir({ old: {}, new: {} });
  for (const [folder, from] of [
    ["old", "one"],
    ["new", "two"],
  ] as const) {
    put(join(volume, folder), from, "write");
  }
  const data = join(volume, "..data");
  symlinkSync("old", data);
  const mount = join(volume, "mount");
  mkdirSync(mount);
  for (const file of ["cert.pem", "key.pem"]) symlinkSync(join("..", "..data", file), join(mount, file));
  const keeper = keep(mount);
  t.same(shown(keeper), [certOf("one")]);
  symlinkSync("new", `${data}_tmp`);
  renameSync(`${data}_tmp`, data);
  t.equal(keeper.look(10).kind, "reloaded");
  t.same(shown(keeper), [certOf("two")]);
});

t.test("Keeper.look keeps the old pair and says so once when the new one will not serve", async (t) => {
  const folder = folderOf(t);
  const keeper = keep(folder);
  put(folder, "two", "write", ["cert.pem"]);
  const misfit = {
    kind: "failed",
    file: join(folder, "key.pem"),
    reason: "the key does not fit the certificate, the first in its file",
  };
  t.same(keeper.look(10), misfit);
  t.same(keeper.look(20), { kind: "same" });
  t.same(shown(keeper), [certOf("one")]);
  const missing = (file: string) => ({
    kind: "failed",
    file: join(folder, file),
    reason: "the file cannot be read (ENOENT)",
  });
  rmSync(join(folder, "cert.pem"));
  t.same(keeper.look(30), missing("cert.pem"));
  rmSync(join(folder, "key.pem"));
  t.same(keeper.look(40), { kind: "same" });
  put(folder, "two", "write", ["cert.pem"]);
  t.same(keeper.look(50), missing("key.pem"), "the same trouble with another file");
  put(folder, "one", "write", ["key.pem"]);
  t.same(keeper.look(55), misfit, "another trouble with the same file");
  put(folder, "two", "write", ["key.pem"]);
  t.equal(keeper.look(60).kind, "reloaded");
  t.same(shown(keeper), [certOf("two")]);
});

t.test("Keeper.look says a trouble again when it comes again", async (t) => {
  const folder = folderOf(t);
  const keeper = keep(folder);
  const path = join(folder, "key.pem");
  for (const nowSeconds of [10, 30]) {
    renameSync(path, `${path}.old`);
    t.match(keeper.look(nowSeconds), { kind: "failed", file: path, reason: /ENOENT/ });
    renameSync(`${path}.old`, path);
    t.same(keeper.look(nowSeconds + 10), { kind: "same" }, "the very file that is in use");
  }
});

t.test("Keeper.look takes all pairs or none when one will not serve", async (t) => {
  const folder = t.testdir({ a: {}, b: {} });
  const [a, b] = [join(folder, "a"), join(folder, "b")];
  settle(a, "one");
  settle(b, "two");
  const keeper = keep(a, b);
  put(a, "three", "write");
  writeFileSync(join(b, "cert.pem"), "half a cert");
  t.match(keeper.look(10), { kind: "failed", file: join(b, "cert.pem") });
  t.same(shown(keeper), [certOf("one"), certOf("two")]);
  put(b, "two", "write");
  t.match(keeper.look(20), {
    kind: "reloaded",
    certificates: [{ names: ["three.example.test"] }, { names: ["two.example.test"] }],
  });
  t.same(shown(keeper), [certOf("three"), certOf("two")]);
});

t.test("Keeper.look makes new ticket keys when the old ones are twelve hours old", async (t) => {
  const folder = folderOf(t);
  const keeper = keep(folder);
  const keys = () => Buffer.from(keeper.material.ticketKeys).toString("hex");
  const first = keys();
  t.same(keeper.look(12 * HOUR - 1), { kind: "same" });
  t.equal(keys(), first);
  put(folder, "two", "write");
  t.equal(keeper.look(12 * HOUR - 1).kind, "reloaded");
  t.equal(keys(), first, "certificates that are new are no reason");
  t.same(keeper.look(12 * HOUR), { kind: "rotated" });
  const second = keys();
  t.not(second, first);
  t.same(keeper.look(24 * HOUR - 1), { kind: "same" });
  rmSync(join(folder, "key.pem"));
  t.equal(keeper.look(24 * HOUR).kind, "failed");
  t.same(keeper.look(24 * HOUR), { kind: "rotated" }, "a file that is gone keeps no key alive");
  t.not(keys(), second);
  t.same(shown(keeper), [certOf("two")]);
});
