/**
 * One gateway takes another's place, in this order: it finds its admin address with the other, gets the other's listening
 * sockets, accepts clients, tells the other to drain, and takes the address over.
 *
 * From the second step on both have the sockets, and a client is whoever's that accepts it first. So none is lost, neither
 * those that wait in a socket's queue nor those in mid-handshake. Where there were no sockets to be had, both have sockets
 * of their own on the same addresses, and the kernel resets what waits in the other's when these are closed (it does not
 * with net.ipv4.tcp_migrate_req).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { endpointText } from "../address.ts";
import type { Admin } from "../observe/admin.ts";
import type { EventLog } from "../observe/logger.ts";
import { activated, type Inherited, inherit } from "../wire/bequest.ts";
import type { Wish } from "./servers.ts";

/** The other one closes its address before it answers; a pause for a system that is slow over it. */
const RETRY_MS = 50;

/** How long the other one may hold the address before the log says that we are without one. */
const PATIENCE_MS = 5000;

/** It may be ended by hand then, and somebody waits for that. */
const LATER_MS = 1000;

/** The gateway whose place is taken. */
export interface Predecessor {
  readonly pid: number;
  /** The path at which its sockets can be had, or null. */
  bequest(): Promise<string | null>;
  /** What its operator wants with its servers, where that is not the usual. */
  wishes(): Promise<readonly Wish[]>;
  /** Has it drain; gives null once it does, or else what is wrong. */
  drain(): Promise<string | null>;
}

interface SuccessionTerms {
  readonly log: EventLog;
  /** How many sockets were taken over. */
  readonly sockets: number;
  /** @throws Error while the address cannot be had. */
  open(): Promise<Admin>;
}

/** The listening sockets that this process need not bind: the service manager's, or else the predecessor's. */
export async function inheritance(
  predecessor: Predecessor | null,
  log: EventLog,
): Promise<readonly Inherited[]> {
  const sockets = activated(process.env);
  if (predecessor === null) return sockets;
  const path = sockets.length === 0 ? await predecessor.bequest() : null;
  const inherited = path === null ? sockets : await inherit(path);
  log.event("info", "taking-over", { pid: predecessor.pid, sockets: inherited.length });
  return inherited;
}

/**
 * All that comes once every listener accepts. Null where the predecessor does not go: it may hang, and our clients are not to
 * suffer for it.
 */
export async function succeed(
  { pid, drain }: Predecessor,
  { log, sockets, open }: SuccessionTerms,
): Promise<Admin | null> {
  const trouble = await drain();
  const endMs = performance.now() + PATIENCE_MS;
  if (trouble === null) {
    while (performance.now() < endMs) {
      const admin = await open().catch(() => null);
      if (admin !== null) {
        log.event("info", "took-over", { pid, sockets });
        return admin;
      }
      await sleep(RETRY_MS);
    }
  }
  const reason = trouble ?? "does not leave admin.listen";
  log.event("error", "take-over-failed", { pid, reason });
  return null;
}

/** Opens the address as soon as whoever has it is gone; `opened` is called then. Ends with the timer that it gives. */
export function awaitAdmin(
  { open, log }: Omit<SuccessionTerms, "sockets">,
  opened: (admin: Admin) => void,
): NodeJS.Timeout {
  let isAsking = false;
  const timer = setInterval(async () => {
    if (isAsking) return;
    isAsking = true;
    const admin = await open().catch(() => null);
    isAsking = false;
    if (admin === null) return;
    clearInterval(timer);
    log.event("info", "admin-opened", { admin: endpointText(admin.endpoint) });
    opened(admin);
  }, LATER_MS).unref();
  return timer;
}
