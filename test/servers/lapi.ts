/**
 * A LAPI that does what the real one cannot be made to do: it answers as a test tells it to, and remembers what it was asked.
 *
 * An `Answer` is one way to answer. What has an end of its own (`silent`, `stalled`) is ended with the test.
 */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { TLSSocket, type TlsOptions } from "node:tls";
import type { Test } from "tap";
import { freePort } from "./ports.ts";

/** A request, as it came. */
interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The SHA-256 fingerprint of the certificate that it was asked with. */
  readonly certificate: string | null;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

export interface FakeLapi {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** All requests that came whole, the oldest first. */
  readonly asked: readonly Asked[];
  /** How all requests are answered from now on, once those of `next` are used up. */
  answer: Answer;
  /** How the next requests are answered, one each. */
  next(...answers: Answer[]): void;
  /** Ends every connection, and listens no more. */
  stop(): Promise<void>;
}

/** As LAPI writes it, member by member. */
export interface WireDecision {
  readonly id: number;
  readonly origin: string;
  readonly scenario: string;
  readonly scope: string;
  readonly type: string;
  readonly value: string;
  readonly duration: string;
}

/**
 * Starts one on loopback, and ends it with the test. `port` null is a free one, which no other server gets when this one is
 * stopped and another is to take its place; `tls` makes it an HTTPS server.
 */
export async function startLapi(
  t: Test,
  port: number | null = null,
  tls: TlsOptions | null = null,
): Promise<FakeLapi> {
  const asked: Asked[] = [];
  const queue: Answer[] = [];
  const server: Server = tls === null ? createServer() : createTlsServer(tls);
  server.on("request", (request, response) => {
    const parts: Buffer[] = [];
    // A test may end the connection whenever it likes.
    request.on("error", () => {});
    response.on("error", () => {});
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method = "", url: path = "", headers, socket } = request;
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().fingerprint256 : null;
      const one = { method, path, headers, body: Buffer.concat(parts).toString(), certificate };
      asked.push(one);
      (queue.shift() ?? lapi.answer)(response, one);
    });
  });
  server.on("tlsClientError", () => {});
  const bound = port ?? (await freePort());
  server.listen(bound, "127.0.0.1");
  await once(server, "listening");
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  t.teardown(stop);
  const lapi: FakeLapi = {
    url: `${tls === null ? "http" : "https"}://127.0.0.1:${bound}`,
    port: bound,
    asked,
    answer: json(unchanged),
    next: (...answers) => void queue.push(...answers),
    stop,
  };
  return lapi;
}

/** What LAPI 1.4.6 says when nothing is new. */
export const unchanged = { deleted: null, new: null };

/** A ban of four hours by hand; `id` and `value` are its own. */
export function decision(id: number, value: string, others: Partial<WireDecision> = {}): WireDecision {
  const scope = value.includes("/") ? "Range" : "Ip";
  const scenario = "manual 'ban' from 'test'";
  return { duration: "4h0m0s", id, origin: "cscli", scenario, scope, type: "ban", value, ...others };
}

/** The whole answer of the stream, as text. */
export function changes(added: readonly WireDecision[], deleted: readonly WireDecision[] = []): string {
  return JSON.stringify({ new: added, deleted });
}

/**
 * The answer of the stream with `count` decisions for addresses that are all different, in pieces of some 200 KiB, so that
 * the test does not hold what it sends.
 */
export function* manyChanges(count: number): Generator<string> {
  const batch = 1000;
  yield '{"deleted":null,"new":[';
  for (let from = 0; from < count; from += batch) {
    const length = Math.min(batch, count - from);
    const texts = Array.from({ length }, (_, index) => JSON.stringify(spread(from + index)));
    yield (from === 0 ? "" : ",") + texts.join(",");
  }
  yield "]}";
}

/** One of many decisions. Multiplying by an odd number visits every 32-bit word once. */
export function spread(index: number): WireDecision {
  const word = Math.imul(index, 0x9e3779b1) >>> 0;
  const value = `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  return decision(index + 1, value, { origin: "CAPI", scenario: "crowdsecurity/postfix-spam" });
}

/** All of `value`, with its length said in advance. */
export function json(value: unknown, status = 200): Answer {
  return text(JSON.stringify(value), status);
}

export function text(body: string, status = 200): Answer {
  return (response) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    response.writeHead(status, headers).end(body);
  };
}

/** What a bouncer hears whose key LAPI does not know. */
export const forbidden: Answer = json({ message: "access forbidden" }, 403);

/** All of `body`, in chunks of `cutBytes` bytes. */
export function chunked(body: string, cutBytes: number): Answer {
  return pieces(
    (function* cut() {
      const bytes = Buffer.from(body);
      for (let at = 0; at < bytes.length; at += cutBytes) yield bytes.subarray(at, at + cutBytes);
    })(),
  );
}

/** Piece after piece, as fast as they are taken. */
export function pieces(parts: Iterable<string | Uint8Array>): Answer {
  return (response) => {
    const rest = parts[Symbol.iterator]();
    const send = () => {
      for (;;) {
        const { done, value } = rest.next();
        if (done === true) return void response.end();
        if (!response.write(value)) return void response.once("drain", send);
      }
    };
    response.writeHead(200, { "content-type": "application/json" });
    send();
  };
}

/** The first `bytes` bytes of `body`, whose whole length was said, then the connection's end. */
export function truncated(body: string, bytes: number): Answer {
  return (response) => {
    response.writeHead(200, { "content-length": Buffer.byteLength(body) });
    response.write(Buffer.from(body).subarray(0, bytes), () => response.socket?.destroySoon());
  };
}

/** The first `bytes` bytes of `body`, and then nothing more. */
export function stalled(body: string, bytes: number): Answer {
  return (response) => {
    response.writeHead(200, { "content-length": Buffer.byteLength(body) });
    response.write(Buffer.from(body).subarray(0, bytes));
  };
}

/** Not a byte, ever. */
export const silent: Answer = () => {};

/** The connection ends without a byte. */
export const hungUp: Answer = (response) => void response.socket?.destroy();

/** No HTTP at all. */
export const garbage: Answer = (response) => void response.socket?.end("\u0016\u0003 no HTTP\r\n\r\n");
