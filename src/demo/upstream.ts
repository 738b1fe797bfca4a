/**
 * The demo's mail server: smtp-server on a free loopback port. It takes every message, keeps none, and counts them by the
 * client's address as the gateway announced it (PROXY v1, the one header that smtp-server reads).
 */
import { SMTPServer } from "smtp-server";
import type { Endpoint } from "../address.ts";

export interface DemoUpstream {
  readonly endpoint: Endpoint;
  /** Messages accepted, by client address. */
  readonly delivered: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export function startUpstream(): Promise<DemoUpstream> {
  const delivered = new Map<string, number>();
  const server = new SMTPServer({
    name: "mail.demo.test",
    banner: "the embedded upstream",
    useProxy: true,
    disableReverseLookup: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    onData(stream, session, callback) {
      stream.resume();
      stream.once("end", () => {
        const client = session.remoteAddress;
        delivered.set(client, (delivered.get(client) ?? 0) + 1);
        callback();
      });
    },
  });
  // A client that leaves in the middle is nothing that the demo could do anything about.
  server.on("error", () => {});
  const listening = server.listen(0, "127.0.0.1");
  return new Promise((resolve, reject) => {
    listening.once("error", reject);
    listening.once("listening", () => {
      const bound = listening.address();
      const port = bound !== null && typeof bound === "object" ? bound.port : 0;
      resolve({
        endpoint: { host: "127.0.0.1", port },
        delivered,
        close: () => new Promise((closed) => server.close(closed)),
      });
    });
  });
}
