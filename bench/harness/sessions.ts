/** Whole mail sessions, many at a time, and the back end that takes them. The first one that fails ends the bench. */
import { mail, openings, Talk } from "./talk.ts";
import { type Backend, loopback, startBackend, wire } from "./wire.ts";

/** No measurement takes so long: a proxy that lets a session hang shall not hang the bench. */
const runMsMax = 120_000;

let started = 0;

/** Plays the mail server: PROXY v2 header, then its side of the script, then it closes. */
export function startMailServer(): Promise<Backend> {
  return startBackend((connection) => {
    const talk = new Talk({ steps: mail.server, finished: () => connection.end(), over: () => {} });
    connection.owner = talk;
    talk.onConnect(connection);
  });
}

/** One session of the next client. */
export function startSession(port: number, over: (fault: string | null) => void): void {
  const opening = openings[started++ % openings.length]!;
  wire.connect(loopback(port), new Talk({ steps: mail.client, opening, finished: () => {}, over }));
}

/** A closed loop: `parallel` sessions at a time until `count` are done. Resolves with the seconds that it took. */
export function runSessions(port: number, count: number, parallel: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const timer = setTimeout(() => reject(new Error(`${count} sessions took too long`)), runMsMax);
    let begun = 0;
    let done = 0;
    const begin = () => {
      begun++;
      startSession(port, over);
    };
    const over = (fault: string | null) => {
      done++;
      if (fault !== null) reject(new Error(`session ${done} of ${count}: ${fault}`));
      else if (begun < count) begin();
      if (done < count && fault === null) return;
      clearTimeout(timer);
      resolve((performance.now() - began) / 1000);
    };
    while (begun < Math.min(parallel, count)) begin();
  });
}
