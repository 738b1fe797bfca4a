/** Asking a gateway to read its file again, in both ways, and waiting for what comes of it. */

import { once } from "node:events";
import { connect } from "node:net";
import type { Gateway, LogLine } from "../servers/gateway.ts";
import { until } from "../servers/process.ts";

export interface Outcome {
  readonly status: number;
  readonly changes?: readonly { readonly what: string; readonly from: unknown; readonly to: unknown }[];
  readonly needRestart?: readonly string[];
  readonly errors?: readonly string[];
}

/** By the admin address. */
export async function reload({ adminUrl }: Pick<Gateway, "adminUrl">): Promise<Outcome> {
  const response = await fetch(`${adminUrl}/api/reload`, {
    method: "POST",
    headers: { connection: "close" },
  });
  return { status: response.status, ...JSON.parse(await response.text()) };
}

/** By the signal; gives the line with which it ended, the first of that kind behind its own `reopened`. */
export async function hangUp(gateway: Pick<Gateway, "pid" | "lines">): Promise<LogLine> {
  const signals = (lines: readonly LogLine[]) => lines.filter(({ event }) => event === "reopened");
  const before = signals(gateway.lines()).length;
  process.kill(gateway.pid, "SIGHUP");
  return until("the reload's end", () => {
    const lines = gateway.lines();
    const begin = signals(lines)[before];
    return begin && lines.slice(lines.indexOf(begin)).find(isEnd);
  });
}

function isEnd({ event }: LogLine): boolean {
  return event === "reload-done" || event === "reload-failed";
}

/** Whether anybody listens there. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
