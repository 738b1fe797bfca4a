/** Who may have what at the admin address: with the token, without, and by which name. */
import t from "tap";
import type { Admin } from "../../src/observe/admin.ts";
import { openHere, raw } from "./adminrig.ts";

t.test("Off loopback /api wants the token, and the other pages do not", async (t) => {
  const { get } = await openHere(t, { host: "0.0.0.0", token: "s3cret" });
  const bearer = (authorization: string) => get("/api/clients", { headers: { authorization } });
  t.equal((await get("/api/clients")).status, 401);
  t.equal((await get("/api/clients")).headers.get("www-authenticate"), "Bearer");
  for (const wrong of ["Bearer s3cre", "Bearer s3crett", "Basic s3cret", "s3cret", "Bearer "]) {
    t.equal((await bearer(wrong)).status, 401, wrong);
  }
  t.equal((await bearer("Bearer s3cret")).status, 200);
  for (const path of ["clients/203.0.113.7", "bans"]) t.equal((await get(`/api/${path}`)).status, 401, path);
  for (const path of ["/metrics", "/healthz", "/readyz"]) t.equal((await get(path)).status, 200, path);
});

t.test("Off loopback /api is forbidden when there is no token, and on loopback it needs none", async (t) => {
  const far = await openHere(t, { host: "0.0.0.0" });
  t.equal((await far.get("/api/clients")).status, 403);
  t.equal((await far.get("/api/clients", { headers: { authorization: "Bearer null" } })).status, 403);
  const near = await openHere(t, { token: "s3cret" });
  t.equal((await near.get("/api/clients")).status, 200);
});

t.test("On loopback /api is not for whoever comes by another name, unless with the token", async (t) => {
  const asked = async (admin: Admin, host: string, path = "/api/clients", more = "") => {
    const text = await raw(
      admin,
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`,
    );
    return Number(text.split(" ")[1]);
  };
  const { admin } = await openHere(t);
  for (const host of ["127.0.0.1", "127.0.0.1:9025", "[::1]", "[::1]:9025", "localhost", "LocalHost:1"]) {
    t.equal(await asked(admin, host), 200, host);
  }
  for (const host of [
    "evil.example",
    "evil.example:9025",
    "127.0.0.1.evil.example",
    "localhost.evil.example:9025",
    "127.0.0.1:9025.evil.example",
    "127.1",
    "[evil.example]:9025",
    "",
  ]) {
    t.equal(await asked(admin, host), 403, host);
    for (const path of ["/metrics", "/healthz", "/readyz"])
      t.equal(await asked(admin, host, path), 200, path);
  }
  const { admin: named } = await openHere(t, { token: "s3cret" });
  t.equal(await asked(named, "postern.example.org"), 401);
  const bearer = "Authorization: Bearer s3cret\r\n";
  t.equal(await asked(named, "postern.example.org", "/api/clients", bearer), 200);
});
