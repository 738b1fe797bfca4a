/** Clients that come one after the other, each for a greeting and a QUIT, and what became of all of them. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { until } from "../servers/process.ts";

/** No client waits longer than this for its goodbye; a SYN that was dropped comes again after one second, and after three. */
const patienceMs = 15_000;

export interface Stream {
  readonly begun: number;
  readonly served: number;
  /** What became of the others. */
  readonly failures: readonly string[];
  /** Ends it, and waits for the last client. */
  stop(): Promise<void>;
}

/** `perTurn` clients every few milliseconds, from `first` on, which each of them says at once. */
export function startStream(t: Test, port: number, first: Uint8Array, perTurn = 1): Stream {
  const failures: string[] = [];
  let begun = 0;
  let served = 0;
  let isOver = false;
  const visit = () => {
    begun++;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }).setEncoding("latin1");
    let heard = "";
    const done = (failure: string | null) => {
      if (failure === null) served++;
      else failures.push(failure);
      socket
        .removeAllListeners()
        .on("error", () => {})
        .destroy();
    };
    socket.setTimeout(patienceMs, () => done("timeout"));
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.once("close", () => done(`closed behind ${JSON.stringify(heard)}`));
    socket.write(first);
    socket.on("data", (text) => {
      const greeted = heard.includes("\n");
      heard += text;
      if (!greeted && heard.includes("\n")) socket.write("QUIT\r\n");
      if (/^220 .*\n221 .*\n$/s.test(heard)) done(null);
    });
  };
  const timer = setInterval(() => {
    for (let count = 0; count < perTurn; count++) visit();
  }, 10);
  const stop = async () => {
    clearInterval(timer);
    if (isOver) return;
    isOver = true;
    await until("the last client", () => served + failures.length === begun);
    await sleep(0);
  };
  t.teardown(stop);
  return {
    get begun() {
      return begun;
    },
    get served() {
      return served;
    },
    failures,
    stop,
  };
}
