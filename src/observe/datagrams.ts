/**
 * Lines as datagrams, one each, for whoever listens for syslog over UDP (RFC 5426).
 *
 * It owns the socket. Nobody says whether a datagram has come anywhere; what cannot even be sent is counted, and the log
 * hears of each trouble once. A system that takes no more costs lines, never memory.
 */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { type Endpoint, endpointText } from "../address.ts";
import type { EventLog } from "./logger.ts";

/** Some full batches of the threads' at once, of 500 lines each. */
const UNDER_WAY_MAX = 4096;

/** The system takes a datagram at once, or has no room for it just now. */
const CLOSE_TIMEOUT_MS = 1000;

export class Datagrams {
  readonly #endpoint: Endpoint;
  readonly #log: EventLog;
  readonly #socket: Socket;
  /** Datagrams that the system has not taken yet. */
  #underWay = 0;
  #isClosed = false;
  #linesDropped = 0;
  /** The troubles that the log has heard of. */
  readonly #told = new Set<string>();
  /** Called when nothing is under way. */
  #onRest = () => {};

  constructor(endpoint: Endpoint, log: EventLog) {
    this.#endpoint = endpoint;
    this.#log = log;
    this.#socket = createSocket(isIPv6(endpoint.host) ? "udp6" : "udp4");
    this.#socket.on("error", (error) => this.#complain(error));
    // Now rather than with the first line, when there may be no file left to open.
    this.#socket.bind().unref();
  }

  get linesDropped(): number {
    return this.#linesDropped;
  }

  /** Takes whole lines. */
  write(lines: string): void {
    for (const line of lines.split("\n").slice(0, -1)) {
      if (this.#isClosed || this.#underWay >= UNDER_WAY_MAX) this.#linesDropped++;
      else this.#send(line);
    }
  }

  /** There is nothing that could have been renamed. */
  reopen(): void {}

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.#onRest = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#underWay === 0) this.#onRest();
    });
    this.#socket.close();
  }

  #send(line: string): void {
    const { host, port } = this.#endpoint;
    this.#underWay++;
    this.#socket.send(line, port, host, (error) => {
      this.#underWay--;
      if (error !== null) {
        this.#linesDropped++;
        this.#complain(error);
      }
      if (this.#underWay === 0) this.#onRest();
    });
  }

  #complain(error: NodeJS.ErrnoException): void {
    const code = error.code ?? error.message;
    if (this.#told.has(code)) return;
    this.#told.add(code);
    this.#log.event("warn", "stock-lines", { to: endpointText(this.#endpoint), code });
  }
}
