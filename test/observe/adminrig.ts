/** An admin address with nothing behind it but what a test puts there. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Test } from "tap";
import { type Admin, type AdminSources, openAdmin } from "../../src/observe/admin.ts";
import { clientEntry, clientSource, memoryLog } from "./fixtures.ts";

const clients = clientSource([
  clientEntry("203.0.113.7", { connections: 3 }),
  clientEntry("203.0.113.7", { connections: 1, scope: "imap" }),
  clientEntry("2001:db8:0:1::", {
    connections: 9,
    prefixLength: 64,
    concurrency: 2,
    refused: 4,
    messages: 5,
    bytes: 77,
  }),
]);

export const rest: Omit<AdminSources, "metrics" | "log"> = {
  clients,
  bans: null,
  prospects: () => [],
  servers: { states: () => [], setState: () => "unknown-server" },
  state: () => ({ ready: true, reason: null }),
  process: { pid: 4711, version: "1.2.3" },
  bequeath: async () => null,
  drain() {},
  reload: async () => ({ ok: true }),
};

interface Asked {
  readonly host?: string;
  readonly token?: string | null;
  readonly sources?: Partial<AdminSources>;
}

export async function openHere(t: Test, { host = "127.0.0.1", token = null, sources = {} }: Asked = {}) {
  const log = memoryLog();
  const metrics = { contentType: "text/plain; version=0.0.4; charset=utf-8", text: async () => "up 1\n" };
  const admin = await openAdmin(
    { listen: { host, port: 0 }, token, topClients: 5 },
    { ...rest, metrics, log, ...sources },
  );
  t.teardown(() => admin.close());
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${admin.endpoint.port}${path}`, init);
  return { admin, log, get };
}

/** What comes back for raw bytes, until the server closes. */
export async function raw(admin: Admin, bytes: string): Promise<string> {
  const socket = connect(admin.endpoint.port, "127.0.0.1").setEncoding("latin1");
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk;
  });
  socket.end(bytes);
  await once(socket, "close");
  return received;
}
