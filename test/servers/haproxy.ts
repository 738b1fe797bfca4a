/**
 * A real HAProxy in front of the gateway, as on a firewall: `accept-proxy` in, so that a test says with a header of its own
 * who the client is, and `send-proxy-v2` out.
 *
 * It runs as the package's unprivileged user, in the foreground, and is asked about its servers over its stats socket.
 */
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import { freePorts } from "./ports.ts";
import { makeDirectory, startChild, until } from "./process.ts";

/** How a backend looks after its server; each is a way that mail servers are checked in the field. */
const checks = {
  none: { options: [], server: "" },
  local: { options: [], server: "check" },
  smtpchk: { options: ["option smtpchk EHLO haproxy.example.test"], server: "check" },
  smtp: {
    options: [
      "option tcp-check",
      "tcp-check expect rstring ^220",
      "tcp-check send QUIT\\r\\n",
      "tcp-check expect rstring ^221",
    ],
    server: "check",
  },
  imap: {
    options: [
      "option tcp-check",
      "tcp-check expect rstring ^\\*\\ OK",
      "tcp-check send a\\ LOGOUT\\r\\n",
      "tcp-check expect string a\\ OK",
    ],
    server: "check",
  },
} as const;
type HaproxyCheck = keyof typeof checks;

export interface Frontend {
  /** The port on 127.0.0.1 to send clients on to. */
  readonly to: number;
  /** By default none. */
  readonly check?: HaproxyCheck;
  /** Every client has this address, and sends no header; by default clients send theirs. */
  readonly client?: string;
}

interface ServerState {
  readonly status: string;
  /** Checks that failed while the server was up, and how often it went down. */
  readonly failedChecks: number;
  readonly downs: number;
  /** What the last check saw: `L4OK`, `L7OK`, `L4TOUT`, … */
  readonly checkStatus: string;
}

export interface Haproxy<Name extends string> {
  /** A port on 127.0.0.1. */
  port(name: Name): number;
  /** What HAProxy thinks of the server behind that frontend. */
  state(name: Name): Promise<ServerState>;
}

const checkIntervalMs = 500;

export async function startHaproxy<Name extends string>(
  t: Test,
  frontends: Readonly<Record<Name, Frontend>>,
): Promise<Haproxy<Name>> {
  const directory = makeDirectory(t, "haproxy");
  const entries = Object.entries<Frontend>(frontends);
  const ports = await freePorts(["stats", ...entries.map(([name]) => name)]);
  const stats = ports.get("stats") ?? 0;
  const file = join(directory, "haproxy.cfg");
  const parts = entries.map(([name, frontend]) => frontendText(name, ports.get(name) ?? 0, frontend));
  writeFileSync(file, [globalText(stats), ...parts].join("\n"));
  const child = startChild(t, ["/usr/sbin/haproxy", "-db", "-f", file]);
  const gone = child.ended.then(() => {
    throw new Error(`haproxy ended: ${child.stderr()}`);
  });
  await Promise.race([until("haproxy's stats socket", () => statistics(stats).catch(() => null)), gone]);
  gone.catch(() => {});
  return {
    port: (name) => ports.get(name) ?? Number.NaN,
    state: async (name) => stateIn(await statistics(stats), name),
  };
}

function globalText(stats: number): string {
  return `global
  user haproxy
  group haproxy
  stats socket ipv4@127.0.0.1:${stats} level user
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 2s
`;
}

function frontendText(name: string, port: number, frontend: Frontend): string {
  const check = checks[frontend.check ?? "none"];
  const every = check.server === "" ? "" : `inter ${checkIntervalMs}ms`;
  const options = check.options.map((option) => `  ${option}\n`).join("");
  const bind =
    frontend.client === undefined
      ? `bind 127.0.0.1:${port} accept-proxy`
      : `bind 127.0.0.1:${port}\n  tcp-request connection set-src str(${frontend.client})`;
  return `frontend ${name}
  ${bind}
  default_backend ${name}
backend ${name}
${options}  server gateway 127.0.0.1:${frontend.to} send-proxy-v2 ${check.server} ${every}
`;
}

/** The CSV of `show stat` (HAProxy's management guide, 9.1), as rows by column name. */
async function statistics(port: number): Promise<Map<string, string>[]> {
  const socket = connect(port, "127.0.0.1");
  socket.end("show stat\n");
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const [head = "", ...rows] = Buffer.concat(chunks).toString("latin1").trim().split("\n");
  const columns = head.replace(/^# /, "").split(",");
  return rows.map((row) => new Map(row.split(",").map((cell, index) => [columns[index] ?? "", cell])));
}

function stateIn(rows: readonly Map<string, string>[], name: string): ServerState {
  const row = rows.find((each) => each.get("pxname") === name && each.get("svname") === "gateway");
  if (row === undefined) throw new Error(`haproxy has no backend ${name}`);
  return {
    status: row.get("status") ?? "",
    failedChecks: Number(row.get("chkfail")),
    downs: Number(row.get("chkdown")),
    checkStatus: row.get("check_status") ?? "",
  };
}
