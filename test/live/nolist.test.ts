/** The file of the last list, where LAPI never gave one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { forbidden, startLapi } from "../servers/lapi.ts";
import { makeDirectory } from "../servers/process.ts";

t.test("a gateway keeps no list on disk when it never received one", async (t) => {
  const lapi = await startLapi(t);
  lapi.answer = forbidden;
  const cache = join(makeDirectory(t, "cache"), "bans");
  const file = {
    crowdsec: { url: lapi.url, apiKey: "wrong", cache, onFailure: "closed", requireList: true },
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(1, "none") },
  };
  for (const start of ["the first start", "the second"]) {
    const gateway = await startGateway(t, file);
    await gateway.waitForLine("LAPI's refusal", ({ event }) => event === "lapi-failed");
    t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 503, start);
    t.equal(await gateway.stop(), 0);
    t.notOk(existsSync(cache), "an empty list of nobody's would be believed after the next start");
  }
});
