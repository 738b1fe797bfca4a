/** Whole mail sessions, many at a time, and the back end that takes them. The first one that fails ends the bench. */
import { mail, openings, type Script, Talk } from "./talk.ts";
import { type Backend, loopback, startBackend, wire } from "./wire.ts";

/** No measurement takes so long: a proxy that lets a session hang shall not hang the bench. */
const runMsMax = 120_000;

let started = 0;

/** Begins a session; `over` hears of its end, or what went wrong. */
export type Begin = (over: (fault: string | null) => void) => void;

/** Plays the mail server: PROXY v2 header, then its side of the script, then it closes. */
export function startMailServer(script: Script = mail): Promise<Backend> {
  return startBackend((connection) => {
    const talk = new Talk({ steps: script.server, finished: () => connection.end(), over: () => {} });
    connection.owner = talk;
    talk.onConnect(connection);
  });
}

/** The next client's PROXY header. */
export function nextOpening(): Buffer {
  return openings[started++ % openings.length]!;
}

/** Sessions of one client after the other, in the clear. */
export function sessionsTo(port: number, script: Script = mail): Begin {
  return (over) =>
    wire.connect(
      loopback(port),
      new Talk({ steps: script.client, opening: nextOpening(), finished: () => {}, over }),
    );
}

/** A closed loop: `parallel` sessions at a time until `count` are done. Resolves with the seconds that it took. */
export function runSessions(begin: Begin, count: number, parallel: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const timer = setTimeout(() => reject(new Error(`${count} sessions took too long`)), runMsMax);
    let begun = 0;
    let done = 0;
    const next = () => {
      begun++;
      begin(over);
    };
    const over = (fault: string | null) => {
      done++;
      if (fault !== null) reject(new Error(`session ${done} of ${count}: ${fault}`));
      else if (begun < count) next();
      if (done < count && fault === null) return;
      clearTimeout(timer);
      resolve((performance.now() - began) / 1000);
    };
    while (begun < Math.min(parallel, count)) next();
  });
}
