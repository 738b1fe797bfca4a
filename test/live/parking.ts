/** A gateway whose only pool keeps clients waiting, and the clients. */
import type { Test } from "tap";
import { behindProxy, type Gateway, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";

export const parked = 'postern_parked{pool="servers"}';
export const unparked = (outcome: string) => `postern_parked_total{pool="servers",outcome="${outcome}"}`;

interface Park {
  readonly timeout?: string;
  readonly max?: number;
  readonly healthchecks?: "up" | "down";
}

/** Behind its listener `mail` is this server alone; `more` is more of its file. */
export function startParking(
  t: Test,
  server: unknown,
  park: Park,
  protocol: "smtp" | "imap" | "tcp" = "smtp",
  more: object = {},
): Promise<Gateway> {
  return startGateway(t, {
    ...more,
    listeners: { mail: behindProxy(protocol, "servers") },
    limits: { default: { connectionCount: 0 } },
    pools: { servers: { servers: [server], identity: "none", park } },
  });
}

/** The client of this number comes. */
export function come(t: Test, gateway: Gateway, number: number): Promise<End> {
  return End.connect(t, { port: gateway.port("mail") }, proxyHeader(`203.0.113.${number}`));
}
