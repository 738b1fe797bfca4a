/** A policy server for Postfix (its SMTPD_POLICY_README), that lets everything pass, and takes as long as a test wants it to. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Test } from "tap";
import { until } from "./process.ts";

const answer = "action=dunno\n\n";

export interface Policy {
  readonly port: number;
  /** From now on questions wait. */
  hold(): void;
  /** Waits for a question that waits. */
  asked(): Promise<unknown>;
  /** Answers all that wait, and waits no more. */
  release(): void;
}

export async function startPolicy(t: Test): Promise<Policy> {
  const waiting: Socket[] = [];
  let isHolding = false;
  const server = createServer((socket) => {
    let request = "";
    socket.setEncoding("latin1").on("error", () => {});
    socket.on("data", (text: string) => {
      request += text;
      // A question ends with an empty line, and the next one comes after its answer.
      if (!request.endsWith("\n\n")) return;
      request = "";
      if (isHolding) waiting.push(socket);
      else socket.write(answer);
    });
    t.teardown(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : Number.NaN,
    hold: () => {
      isHolding = true;
    },
    asked: () => until("Postfix's question", () => waiting.length > 0),
    release: () => {
      isHolding = false;
      for (const socket of waiting.splice(0)) socket.write(answer);
    },
  };
}
