/** What the tests of bans at a live gateway have in common: clients, what becomes of them, and what is told of it. */
import type { Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { greeting, startUpstream } from "./upstream.ts";

export const hello = "220 upstream\r\n";
export const imapHello = "* OK [CAPABILITY IMAP4rev1] upstream\r\n";

export const denied = (client: string) =>
  `554 5.7.1 gateway.example.test Error: access denied for ${client}\r\n`;

/** LAPI is asked as often as the configuration lets it be. */
export const crowdsecAt = (url: string, others: object = {}) => ({
  url,
  apiKey: "secret",
  updateFrequency: "1s",
  ...others,
});

/** A client behind the load balancer. */
export function come(t: Test, gateway: Gateway, source: string, listener = "smtp"): Promise<End> {
  return End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
}

/** The first line that an SMTP client hears. */
export async function firstLine(t: Test, gateway: Gateway, source: string): Promise<string> {
  const client = await come(t, gateway, source);
  const line = await client.line();
  client.reset();
  return line;
}

type Event = Readonly<Record<string, unknown>>;
type Told = Pick<Gateway, "output">;

/** All lines of one kind, as they are. */
export function events(gateway: Told, event: string): Event[] {
  const lines = gateway.output().split("\n").slice(0, -1);
  return lines.map((line): Event => JSON.parse(line)).filter((line) => line.event === event);
}

/** The lines of one kind, as soon as there are so many. */
export function eventsAre(gateway: Told, event: string, count: number): Promise<Event[]> {
  return until(`${count} lines of ${event}`, () => {
    const found = events(gateway, event);
    return found.length >= count && found;
  });
}

/** What a page of the admin address answers, as JSON. */
export async function api(gateway: Pick<Gateway, "adminUrl">, path: string): Promise<unknown> {
  const response = await fetch(gateway.adminUrl + path, { headers: { connection: "close" } });
  return response.json();
}

/** A gateway with a listener for each protocol, and servers that greet whoever is let in. */
export async function startBanning(
  t: Test,
  lapi: { readonly url: string },
  crowdsec: object = {},
  others: object = {},
): Promise<Gateway> {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const imap = await startUpstream(t, { script: greeting(imapHello) });
  return startGateway(t, {
    listeners: {
      smtp: behindProxy("smtp", "servers"),
      imap: behindProxy("imap", "imap"),
      tcp: behindProxy("tcp", "servers"),
    },
    pools: { servers: poolOf(upstream.port, "none"), imap: poolOf(imap.port, "none") },
    limits: { default: { connectionCount: 0 } },
    crowdsec: crowdsecAt(lapi.url, crowdsec),
    drain: "0s",
    ...others,
  });
}

/** How a client fares: let in, or refused with these words. */
export async function fares(t: Test, gateway: Gateway, source: string): Promise<"served" | "refused"> {
  const line = await firstLine(t, gateway, source);
  if (line !== hello && line !== denied(source)) throw new Error(`${source} was told ${line}`);
  return line === hello ? "served" : "refused";
}
