/** Who gives way to whom inside a running gateway, as the kernel has it (proc(5)). */
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startLapi } from "../servers/lapi.ts";

/** The niceness of the thread that has this name. */
function nicenessOf(name: string, pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const thread = readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, "utf8") === `${name}\n`);
  if (thread === undefined) throw new Error(`there is no thread ${name}`);
  return getPriority(Number(thread));
}

t.test(
  "the thread of the bans gives way to those that carry mail and answer pages when there are bans",
  { skip: process.platform !== "linux" },
  async (t) => {
    const lapi = await startLapi(t);
    const gateway = await startGateway(t, {
      threads: 1,
      listeners: { smtp: behindProxy("smtp", "servers") },
      pools: { servers: poolOf(9, "none") },
      crowdsec: { url: lapi.url, apiKey: "key" },
    });
    await gateway.waitForLine("decisions-loaded", ({ event }) => event === "decisions-loaded");
    const { pid } = gateway;
    t.equal(getPriority(pid), getPriority(), "the control thread");
    t.equal(nicenessOf("data-0", pid), getPriority());
    t.ok(nicenessOf("lapi", pid) > getPriority());
  },
);
