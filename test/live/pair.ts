/** An SMTP client and the server that it was given to, with the gateway between them; both are in the test's hands. */
import type { ConnectionOptions, TLSSocket } from "node:tls";
import type { Test } from "tap";
import type { Gateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import type { Upstream } from "./upstream.ts";

export const hello = "220 upstream\r\n";
export const ok = "250 2.0.0 Ok\r\n";

export interface Pair {
  readonly client: End;
  readonly server: End;
}

export interface PairOptions {
  readonly listener?: string;
  /** The client's address. */
  readonly source?: string;
  /** Whether the client begins TLS before anything else. */
  readonly tls?: boolean;
}

/** Both of them, past the greeting. */
export async function pair(
  t: Test,
  gateway: Gateway,
  upstream: Upstream,
  { listener = "smtp", source = "203.0.113.7", tls = false }: PairOptions = {},
): Promise<Pair> {
  const client = await End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
  if (tls) await client.secure();
  const server = await upstream.next();
  server.send(hello);
  t.equal(await client.line(), hello);
  return { client, server };
}

/** The client says `line`, the server hears it and answers; gives what the client is told up to the answer's last line. */
export async function exchange({ client, server }: Pair, line: string, answer = ok): Promise<string> {
  client.send(`${line}\r\n`);
  const heard = await server.line();
  if (heard !== `${line}\r\n`) throw new Error(`the server heard ${heard}`);
  server.send(answer);
  return client.through(answer.replace(/^.*\r\n(?=.)/s, ""));
}

/** The client begins TLS at a listener where its STARTTLS ends. */
export async function secure({ client, server }: Pair, options?: ConnectionOptions): Promise<TLSSocket> {
  client.send("STARTTLS\r\n");
  const heard = await server.line();
  if (heard !== "RSET\r\n") throw new Error(`the server heard ${heard}`);
  server.send(ok);
  const reply = await client.line();
  if (!reply.startsWith("220 ")) throw new Error(`the client was told ${reply}`);
  return client.secure(options);
}
