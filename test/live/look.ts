/** What a running gateway tells of itself: its metrics, its clients, its descriptors. */
import { readdirSync } from "node:fs";
import type { Gateway, LogLine } from "../servers/gateway.ts";
import { until } from "../servers/process.ts";

/** A client as `/api/clients` tells of it, as far as tests look at it. */
export interface ClientEntry {
  readonly address: string;
  readonly prefixLength?: number;
  readonly scope: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly refused: number;
}

type Admin = Pick<Gateway, "adminUrl">;

/** Over a connection of its own, so that none is among the descriptors that a test counts. */
function get(gateway: Admin, path: string): Promise<Response> {
  return fetch(gateway.adminUrl + path, { headers: { connection: "close" } });
}

async function page(gateway: Admin, path: string): Promise<string> {
  return (await get(gateway, path)).text();
}

/** The value of one series, e.g. `postern_sessions_active{listener="smtp"}`; 0 where it is not there. */
export async function metric(gateway: Admin, series: string): Promise<number> {
  const lines = (await page(gateway, "/metrics")).split("\n");
  const line = lines.find((text) => text.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** Waits until the series has that value: counters are written when a session's end is, and read when somebody asks. */
export async function metricIs(gateway: Admin, series: string, value: number): Promise<void> {
  let last = Number.NaN;
  const reached = async () => {
    last = await metric(gateway, series);
    return last === value;
  };
  await until(`${series} ${value}`, reached).catch((error) => {
    throw new Error(`${error.message}: it is ${last}`);
  });
}

export async function clients(gateway: Admin): Promise<ClientEntry[]> {
  return JSON.parse(await page(gateway, "/api/clients?top=1000"));
}

/** How many connections the table counts now, over all clients. */
export async function concurrency(gateway: Admin): Promise<number> {
  return (await clients(gateway)).reduce((sum, entry) => sum + entry.concurrency, 0);
}

/** The status and the text of `/readyz`, asked with `query`. */
export async function readiness(gateway: Admin, query = ""): Promise<string> {
  const response = await get(gateway, `/readyz${query}`);
  return `${response.status} ${(await response.text()).trim()}`;
}

/** The session lines, as soon as there are so many. */
export function sessionLines(gateway: Pick<Gateway, "lines">, count: number): Promise<LogLine[]> {
  return until(`${count} session lines`, () => {
    const found = gateway.lines().filter((line) => line.event === "session");
    return found.length >= count && found;
  });
}

/** The numbers of the files that the process has open. */
export function openFiles(pid: number): number[] {
  return readdirSync(`/proc/${pid}/fd`).map(Number);
}
