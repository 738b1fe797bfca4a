/**
 * The gateway itself, as a user runs it: `serve -c FILE` in a process of its own, with a file that the test writes.
 *
 * The wire is the one that the tests run with: POSTERN_WIRE goes through to it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { makeDirectory, startChild, until } from "./process.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** A line of the gateway's log, as far as tests look at it. */
export interface LogLine {
  readonly level: string;
  readonly event?: string;
  readonly id?: string;
  readonly listener?: string;
  readonly service?: string;
  readonly client?: { readonly ip: string; readonly port: number } | null;
  readonly peer?: { readonly ip: string; readonly port: number };
  readonly outcome?: string;
  readonly reason?: string | null;
  readonly decision?: { readonly id: number; readonly origin: string; readonly scenario: string };
  readonly server?: string | null;
  readonly kind?: string;
  readonly detail?: string;
  readonly smtp?: { readonly mails: number; readonly recipients: number; readonly refused: number };
  readonly imap?: { readonly user: string | null; readonly logins: number; readonly failures: number };
  readonly parkedMs?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly inspected?: string;
  readonly tls?: { readonly version: string; readonly cipher: string } | null;
  readonly listeners?: Readonly<Record<string, readonly string[]>>;
  readonly admin?: string;
  /** Of a reload: what is another now, what cannot be in a running process, or what is wrong. */
  readonly what?: string;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly changes?: number;
  readonly settings?: readonly string[];
  readonly errors?: readonly string[];
}

export interface Gateway {
  readonly pid: number;
  /** Where `/metrics` and its neighbours are, without a slash at the end. */
  readonly adminUrl: string;
  /** The port of the listener's first address. */
  port(listener: string): number;
  /** Its configuration's path, and how another one comes there; the gateway does not hear of it. */
  readonly path: string;
  write(file: Readonly<Record<string, unknown>>): void;
  /** All that it has logged so far, as it stands there, and line by line. */
  output(): string;
  lines(): LogLine[];
  waitForLine(what: string, predicate: (line: LogLine) => boolean): Promise<LogLine>;
  /** The line of the first session at `listener` that ended, of the client given if one is. */
  session(listener: string, client?: string): Promise<LogLine>;
  /** The exit code once it has ended by itself, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Gives the exit code, or null when a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** What a file may leave out here: a fixed name, any admin port, and more threads than one. */
const defaults = { hostname: "gateway.example.test", threads: 2, admin: { listen: "127.0.0.1:0" } };

/** What tests count at a server are sessions, and clients are told at once what there is to tell: who wants more says so. */
const bare = { health: { interval: "0s" }, park: { timeout: "0s" } };

interface GatewayFile extends Readonly<Record<string, unknown>> {
  readonly pools?: Readonly<Record<string, object>>;
}

/** `file`, whose pools neither check nor park unless they say that they do. */
export function withBarePools(file: GatewayFile): GatewayFile {
  const pools = Object.entries(file.pools ?? {}).map(([name, pool]) => [name, { ...bare, ...pool }]);
  return { ...file, pools: Object.fromEntries(pools) };
}

/** Starts it with `file` as its configuration, and its log in `logFile` if somebody else is to read it; waits until every listener accepts. */
export async function startGateway(t: Test, file: GatewayFile, logFile?: string): Promise<Gateway> {
  const path = join(makeDirectory(t, "gateway"), "postern.yaml");
  const log = logFile === undefined ? {} : { log: { destination: logFile } };
  const write = (words: GatewayFile) => {
    writeFileSync(path, JSON.stringify({ ...defaults, ...log, ...withBarePools(words) }, null, 2));
  };
  write(file);
  const child = startChild(t, [process.execPath, main, "serve", "-c", path]);
  let over = false;
  child.ended.finally(() => {
    over = true;
  });
  const output = () => {
    if (logFile === undefined) return child.stdout();
    return existsSync(logFile) ? readFileSync(logFile, "utf8") : "";
  };
  const lines = () => linesOf(output());
  const waitForLine = (what: string, predicate: (line: LogLine) => boolean) =>
    until(what, () => {
      const found = lines().find(predicate);
      if (found === undefined && over) throw new Error(`the gateway ended: ${child.stderr()}${output()}`);
      return found;
    });
  const ready = await waitForLine("the gateway's ready line", (line) => line.event === "ready");
  return {
    pid: child.pid,
    adminUrl: `http://${ready.admin}`,
    path,
    write,
    port: (listener) => Number(ready.listeners?.[listener]?.[0]?.split(":").at(-1)),
    output,
    lines,
    waitForLine,
    session: (listener, client) =>
      waitForLine(`a session of ${client ?? "anybody"} at ${listener}`, (line) => {
        if (line.event !== "session" || line.listener !== listener) return false;
        return client === undefined || line.client?.ip === client;
      }),
    ended: child.ended,
    stop: child.stop,
  };
}

/** A listener behind a load balancer on this machine. */
export function behindProxy(
  protocol: "smtp" | "imap" | "tcp",
  pool: string,
  tls: "off" | "passthrough" = "off",
): object {
  return { listen: "127.0.0.1:0", protocol, proxy: { mode: "required", from: ["127.0.0.1"] }, tls, pool };
}

/** A pool of one server on this machine. */
export function poolOf(port: number, identity: string): object {
  return { servers: [`127.0.0.1:${port}`], identity };
}

/** Only whole lines: the last may still be on its way. */
function linesOf(output: string): LogLine[] {
  const texts = output.split("\n").slice(0, -1);
  return texts.map((text): LogLine => JSON.parse(text));
}
