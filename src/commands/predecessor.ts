/** The gateway that has a configuration's admin address already, as the one that is to take its place speaks with it. */
import { endpointText } from "../address.ts";
import type { AdminOptions } from "../observe/options.ts";
import type { Wish } from "../threads/servers.ts";
import type { Predecessor } from "../threads/succession.ts";
import { ask, reachable } from "./running.ts";

/** Null where nobody answers, or somebody who is no gateway or does not take our token. */
export async function predecessorAt({ listen, token }: AdminOptions): Promise<Predecessor | null> {
  const there = { url: `http://${endpointText(reachable(listen))}`, token };
  const asked = await ask(there, "/api/process");
  const pid = asked.ok ? field(field(asked.answer, "postern"), "pid") : null;
  if (typeof pid !== "number") return null;
  return {
    pid,
    async bequest() {
      const asked = await ask(there, "/api/bequest", "POST");
      const path = asked.ok ? field(asked.answer, "path") : null;
      return typeof path === "string" ? path : null;
    },
    async wishes() {
      const asked = await ask(there, "/api/servers");
      return asked.ok && Array.isArray(asked.answer) ? asked.answer.flatMap(wishIn) : [];
    },
    async drain() {
      const asked = await ask(there, "/api/drain", "POST");
      return asked.ok ? null : asked.trouble;
    },
  };
}

/** None where it is the usual, or unreadable. */
function wishIn(entry: unknown): Wish[] {
  const [pool, server, state] = ["pool", "server", "state"].map((name) => field(entry, name));
  if (typeof pool !== "string" || typeof server !== "string" || typeof state !== "string") return [];
  return state === "ready" ? [] : [{ pool, server, state }];
}

function field(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}
