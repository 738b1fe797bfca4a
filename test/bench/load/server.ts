/**
 * A small SMTP server for the harness's tests: it answers what it is told to, and writes down what it hears, session by
 * session. It takes time over nothing and judges nothing.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Test } from "tap";
import { HeaderDecoder } from "../../../src/proxy/header.ts";

export interface ServerOptions {
  /** The answer to a command, or to a message as `.`; undefined: 250, or what else the command expects. */
  readonly answer?: (command: string) => string | undefined;
  readonly greeting?: string;
  readonly extensions?: readonly string[];
  readonly proxy?: boolean;
  /** Null: it has no TLS. */
  readonly pair?: { readonly cert: string; readonly key: string } | null;
  readonly implicitTls?: boolean;
}

/** What one client said. */
interface Heard {
  /** By its PROXY header. */
  source: string | null;
  readonly commands: string[];
  readonly messages: Buffer[];
  /** How many commands came with others in front of them in one read. */
  pipelined: number;
}

export interface Server {
  readonly port: number;
  readonly sessions: readonly Heard[];
}

export async function startSmtp(t: Test, options: ServerOptions = {}): Promise<Server> {
  const sessions: Heard[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    const heard = { source: null, commands: [], messages: [], pipelined: 0 };
    sessions.push(heard);
    t.teardown(() => socket.destroy());
    socket.on("error", () => {});
    begin(options, socket, heard);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { port, sessions };
}

function begin(options: ServerOptions, socket: Socket, heard: Heard): void {
  const go = () =>
    options.implicitTls
      ? converse(options, inTls(options, socket), heard, true)
      : converse(options, socket, heard, true);
  if (!options.proxy) return go();
  const decoder = new HeaderDecoder();
  socket.once("data", (bytes) => {
    const step = decoder.feed(bytes);
    if (step.kind !== "done" || step.header.command !== "proxy") throw new Error("no PROXY header");
    heard.source = step.header.source.address.text;
    socket.pause();
    socket.removeAllListeners("data");
    if (bytes.length > step.used) socket.unshift(bytes.subarray(step.used));
    go();
  });
}

function inTls({ pair }: ServerOptions, socket: Socket): TLSSocket {
  const inside = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(pair ?? {}) });
  inside.on("error", () => {});
  return inside;
}

function converse(options: ServerOptions, socket: Socket, heard: Heard, greets: boolean): void {
  const { answer = () => undefined, greeting = "220 mx.example.test ESMTP\r\n" } = options;
  let held = Buffer.alloc(0);
  /** What a message lacks: `dot`, its end; else so many bytes. */
  let awaits: "dot" | number | null = null;
  const say = (words: string) => socket.write(words, "latin1");
  const takeMessage = (end: number, used: number) => {
    heard.messages.push(held.subarray(0, end));
    held = held.subarray(used);
    awaits = null;
    say(answer(".") ?? `250 2.0.0 Ok: queued as 4Xy${heard.messages.length}Z1234\r\n`);
  };
  const command = (line: string): boolean => {
    heard.commands.push(line);
    const verb = line.slice(0, 4).toUpperCase();
    const chunk = /^BDAT (\d+) LAST$/.exec(line)?.[1];
    if (chunk !== undefined) awaits = Number(chunk);
    const said = answer(line);
    if (verb === "STAR" && said === undefined) {
      say("220 2.0.0 Go\r\n");
      socket.removeAllListeners("data");
      converse(options, inTls(options, socket), heard, false);
      return false;
    }
    if (said !== undefined) say(said);
    else if (verb === "QUIT") socket.end("221 2.0.0 Bye\r\n");
    else if (verb === "EHLO")
      say(
        `${["250-mx.example.test", ...(options.extensions ?? []).map((word) => `250-${word}`)].join("\r\n")}\r\n250 HELP\r\n`,
      );
    else if (verb === "DATA") say("354 Go\r\n");
    else if (verb === "AUTH") say("235 2.7.0 Welcome\r\n");
    else if (chunk === undefined) say("250 2.1.0 Ok\r\n");
    if (verb === "DATA" && (said ?? "354").startsWith("354")) awaits = "dot";
    return true;
  };
  socket.on("data", (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    for (let count = 0; ; count++) {
      const dot = awaits === "dot" ? held.indexOf("\r\n.\r\n") : -1;
      const end = held.indexOf("\r\n");
      if (dot >= 0) takeMessage(dot + 2, dot + 5);
      else if (typeof awaits === "number" && held.length >= awaits) takeMessage(awaits, awaits);
      else if (awaits !== null || end < 0) return;
      else {
        if (count > 0) heard.pipelined++;
        const line = held.toString("latin1", 0, end);
        held = held.subarray(end + 2);
        if (!command(line)) return;
      }
    }
  });
  if (greets) say(greeting);
  socket.resume();
}
