/**
 * The admin address: metrics, liveness, readiness, and clients and bans as JSON, over HTTP.
 *
 * It owns one HTTP server and nothing that it shows: all answers come from what is passed in. What changes something in
 * the gateway is asked for by POST, and never on behalf of a web page. `/api` names clients, so off loopback it wants a
 * token, and on loopback one or else to be asked for by its address: a web page may have a name of its own lead here (DNS
 * rebinding), and then its browser lets it read. The other pages say nothing about anybody but the busiest clients, and are
 * open. A request that goes wrong is answered, logged, and never an exception for the gateway.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Address, type Endpoint, endpointText } from "../address.ts";
import { rank } from "./clients.ts";
import { banAnswer, counterAnswer, explain, type Grounds } from "./explain.ts";
import type { EventLog } from "./logger.ts";
import type { AdminOptions } from "./options.ts";
import { type ServerActions, serverAnswer } from "./servers.ts";

/** A scraper, a load balancer, probes and some operators, twice over: nobody else has to come here. */
const CONNECTIONS_MAX = 64;

/** A request is a few hundred bytes; whoever needs longer than this to send it keeps a place from others. */
const REQUEST_TIMEOUT_MS = 5000;

/** How often Node looks whether a request takes too long, and so by how much it may take longer. */
const CHECK_INTERVAL_MS = 1000;

/** How long a connection may be silent, while it reads an answer too. */
const IDLE_TIMEOUT_MS = 30_000;

/** What `?top=` may ask for: some 200 KB of JSON. */
const TOP_MAX = 1000;
const TOP_DEFAULT = 50;

const clientsPath = "/api/clients";
const bansPath = "/api/bans";
const serversPath = "/api/servers";
const reloadPath = "/api/reload";
const processPath = "/api/process";
const bequestPath = "/api/bequest";
const drainPath = "/api/drain";

/** What is posted is a word in an object. */
const BODY_BYTES_MAX = 1024;

/** Whether the gateway takes connections, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason: string | null;
}

export interface AdminSources extends Grounds {
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly log: EventLog;
  readonly servers: ServerActions;
  /** `judgesPools`: a pool without a server counts. */
  state(judgesPools: boolean): Readiness;
  /** Reads the configuration again. Whoever asked is told all that came of it. */
  reload(): Promise<{ readonly ok: boolean }>;
  /** The process that this is. */
  readonly process: { readonly pid: number; readonly version: string };
  /** Offers its listening sockets to another process; gives the path at which it can have them, or null. */
  bequeath(): Promise<string | null>;
  /** Drains, as SIGTERM has it. */
  drain(): void;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const noAddress = json(400, { error: "no address" });

/** Opens the admin address. @throws Error that says which address and why, when it cannot be listened on. */
export function openAdmin(options: AdminOptions, sources: AdminSources): Promise<Admin> {
  const admin = new Admin(options, sources);
  return admin.listen();
}

export class Admin {
  readonly #options: AdminOptions;
  readonly #sources: AdminSources;
  readonly #server: Server;
  /** Whether only this machine can come here. */
  readonly #isLocal: boolean;

  constructor(options: AdminOptions, sources: AdminSources) {
    this.#options = options;
    this.#sources = sources;
    this.#isLocal = Address.parse(options.listen.host)?.isLoopback ?? false;
    this.#server = createServer(
      {
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_INTERVAL_MS,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.setTimeout(IDLE_TIMEOUT_MS);
  }

  /** What was bound: the port is the real one where 0 was asked for. */
  get endpoint(): Endpoint {
    const bound = this.#server.address();
    const { host, port } = this.#options.listen;
    return { host, port: bound !== null && typeof bound === "object" ? bound.port : port };
  }

  listen(): Promise<this> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => {
        const address = endpointText(this.#options.listen);
        const reason = error.code ?? error.message;
        reject(new Error(`admin.listen: cannot listen on ${address}: ${reason}`, { cause: reason }));
      };
      this.#server.once("error", failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", failed);
        // From here on only accepting can fail, e.g. for want of file descriptors.
        this.#server.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
        resolve(this);
      });
    });
  }

  /** Stops listening and ends all connections, kept-alive and busy ones alike. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      this.#failed(error);
      answer = text(500, "internal error");
    }
    response.writeHead(answer.status, {
      "content-type": answer.type,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      ...answer.headers,
    });
    response.end(answer.body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const action = this.#action(path, request);
    const page = action ?? this.#page(path, new URLSearchParams(query));
    if (page === null) return text(404, "no such page");
    const methods = action === null ? ["GET", "HEAD"] : ["POST"];
    if (!methods.includes(request.method ?? "")) {
      return { ...text(405, `only ${methods.join(" and ")}`), headers: { allow: methods.join(", ") } };
    }
    // A browser says so when a page makes it send this; whoever administers the gateway uses none.
    if (action !== null && request.headers.origin !== undefined) {
      return json(403, { error: "not on behalf of a web page" });
    }
    const denied = path.startsWith("/api/") ? this.#denied(request.headers) : null;
    return denied ?? page();
  }

  /** What answers at `path`, or null. */
  #page(path: string, query: URLSearchParams): (() => Answer | Promise<Answer>) | null {
    switch (path) {
      case "/metrics":
        return () => this.#metrics();
      case "/healthz":
        return () => text(200, "ok");
      case "/readyz":
        return () => this.#readiness(query.getAll("exclude"));
      case clientsPath:
        return () => this.#clients(query.get("top"));
      case processPath:
        return () => json(200, { postern: this.#sources.process });
      case bansPath:
        return () => this.#bans(query.get("contains"));
      case serversPath:
        return () => json(200, Array.from(this.#sources.servers.states(), serverAnswer));
      default:
        return path.startsWith(`${clientsPath}/`)
          ? () => this.#client(path.slice(clientsPath.length + 1))
          : null;
    }
  }

  /** What a POST to `path` does, or null. */
  #action(path: string, request: IncomingMessage): (() => Promise<Answer>) | null {
    switch (path) {
      case reloadPath:
        return () => this.#reload();
      case bequestPath:
        return async () => json(200, { path: await this.#sources.bequeath() });
      case drainPath:
        return async () => this.#drain();
      default:
        return this.#serverAction(path, request);
    }
  }

  #serverAction(path: string, request: IncomingMessage): (() => Promise<Answer>) | null {
    // A server that is written by name has a slash before its address.
    const [, pool, server] = /^\/api\/servers\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (pool === undefined || server === undefined) return null;
    return () => this.#setServer(decoded(pool), decoded(server), request);
  }

  /** Why this request may not have `/api`, or null. */
  #denied({ authorization, host }: IncomingMessage["headers"]): Answer | null {
    if (this.#isLocal && isAddress(host ?? "")) return null;
    const { token } = this.#options;
    if (token === null && this.#isLocal) return json(403, { error: "ask by an IP address or localhost" });
    if (token === null) return json(403, { error: "off loopback /api needs admin.tokenFile" });
    if (authorization !== undefined && isSame(authorization, `Bearer ${token}`)) return null;
    return { ...json(401, { error: "a bearer token is needed" }), headers: { "www-authenticate": "Bearer" } };
  }

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#sources;
    return { status: 200, type: metrics.contentType, body: await metrics.text() };
  }

  /** What is excluded may be as it likes, as at the API server of Kubernetes. */
  #readiness(excluded: readonly string[]): Answer {
    if (excluded.some((check) => check !== "pools")) return text(400, "exclude is pools");
    const { ready, reason } = this.#sources.state(excluded.length === 0);
    return ready ? text(200, "ready") : text(503, reason ?? "not ready");
  }

  #clients(top: string | null): Answer {
    const count = top === null ? TOP_DEFAULT : Number(top);
    if (!/^\d{1,4}$/.test(top ?? "0") || count > TOP_MAX) {
      return json(400, { error: `top is a number from 0 to ${TOP_MAX}` });
    }
    return json(200, rank(this.#sources.clients, count).busiest.map(counterAnswer));
  }

  #client(encoded: string): Answer {
    const address = addressIn(encoded);
    return address === null ? noAddress : json(200, explain(address, this.#sources, Date.now()));
  }

  #bans(contains: string | null): Answer {
    const { bans } = this.#sources;
    if (contains === null) {
      const origins = Object.fromEntries(bans?.decisions() ?? []);
      const total = Object.values(origins).reduce((sum, count) => sum + count, 0);
      const age = bans?.ageSeconds() ?? Number.POSITIVE_INFINITY;
      const ageSeconds = Number.isFinite(age) ? age : null;
      return json(200, { total, origins, ageSeconds, received: bans?.isReceived ?? false });
    }
    const address = Address.parse(contains);
    if (address === null) return noAddress;
    const nowMs = Date.now();
    return json(
      200,
      (bans?.covering(address) ?? []).map((ban) => banAnswer(ban, nowMs)),
    );
  }

  async #reload(): Promise<Answer> {
    const { ok, ...outcome } = await this.#sources.reload();
    return json(ok ? 200 : 422, outcome);
  }

  /** The address is free for another process by the time that whoever asked is answered. */
  #drain(): Answer {
    this.#server.close();
    this.#sources.drain();
    return { ...json(200, { pid: this.#sources.process.pid }), headers: { connection: "close" } };
  }

  async #setServer(pool: string | null, server: string | null, request: IncomingMessage): Promise<Answer> {
    const body = await bodyOf(request);
    if (body === null) return json(413, { error: `more than ${BODY_BYTES_MAX} bytes` });
    const state = stateIn(body);
    if (state === null) return json(400, { error: 'the body has to be JSON like {"state":"drain"}' });
    const outcome = this.#sources.servers.setState(pool ?? "", server ?? "", state);
    switch (outcome) {
      case "done":
        return json(200, { pool, server, state });
      case "unknown-server":
        return json(404, { error: "no such pool, or no such server in it" });
      case "unknown-state":
        return json(422, { error: "state is ready, drain or down" });
      default:
        return outcome satisfies never;
    }
  }

  /** The error's own text is ours or the system's; what the request said stays out of the log. */
  #failed(error: unknown): void {
    this.#sources.log.event("error", "admin-error", { error: String(error) });
  }
}

/** Whether a Host header has an address in it, or the one name that is nobody else's (RFC 6761 6.3). */
function isAddress(host: string): boolean {
  const [, bracketed, plain = ""] = /^(?:\[(.*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return plain.toLowerCase() === "localhost" || Address.parse(bracketed ?? plain) !== null;
}

/** Compares digests, which are of one length, so that the time says nothing about the text. */
function isSame(one: string, other: string): boolean {
  const digest = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** The address in a path's last part, where a colon may have been encoded. */
function addressIn(encoded: string): Address | null {
  return Address.parse(decoded(encoded) ?? "");
}

function decoded(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null;
  }
}

/** Null: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The state in a posted body; null where it holds none. */
function stateIn(body: string): string | null {
  try {
    const value: unknown = JSON.parse(body);
    const state: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "state") : null;
    return typeof state === "string" ? state : null;
  } catch {
    return null;
  }
}

function text(status: number, line: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n` };
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}
