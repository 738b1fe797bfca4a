/**
 * Haraka as a peer: a mail server in Node.js whose queue plugin hands each mail on while the client waits. It is no relay of
 * connections: it greets and answers by itself, and the server hears of a session at MAIL.
 *
 * It takes PROXY v1 alone, has no header for servers, and limits only with a Redis beside it; it has no limits here. A small
 * plugin accepts every recipient and spares it the look-up of names that no client of a bench has.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Found, Peer, Place, ProxyOptions } from "./peer.ts";
import { answerOf, programCalled } from "./programs.ts";

export const haraka: Peer = {
  hears: "v1",
  tells: "off",
  lacks: {
    relay: "it greets by itself, with no server behind it yet",
    rate: "its limits need a Redis",
    tls: "it takes no PROXY header in front of TLS here",
  },
  differs:
    "is told by PROXY v1, tells servers nothing, reads every mail before it hands it on, and has no limits",
  warmsUp: true,
  find,
  command,
};

const PLUGIN = `"use strict";
exports.hook_lookup_rdns = (next) => next(OK, "client.example.org");
exports.hook_rcpt = (next) => next(OK);
`;

/** A file of ours stands in place of Haraka's own, and what it lacks has no default: the rest is as Haraka ships it. */
const CONNECTION = `[haproxy]
enabled=true
hosts[]=127.0.0.1
[headers]
add_received=true
show_version=true
max_lines=1000
max_received=100
[max]
bytes=26214400
mime_parts=1000
line_length=512
data_line_length=992
[message]
helo=Haraka is at your service.
close=closing connection. Have a jolly good day.
[uuid]
banner_chars=6
deny_chars=0
`;

function find(directory: string | undefined): Found {
  const program =
    directory === undefined
      ? programCalled("haraka")
      : programCalled("haraka", [directory, join(directory, "bin"), join(directory, "node_modules/.bin")]);
  if (program !== null)
    return { kind: "found", program, version: /(\d+\.\d+\.\S+)/.exec(answerOf(program, ["-v"]))?.[1] ?? "" };
  return {
    kind: "missing",
    reason: directory === undefined ? "not installed (npm; see --haraka)" : `not in ${directory}`,
  };
}

/** All routes lead to the first back end: its queue knows one. */
function command({ program, directory, ports }: Place, { routes }: ProxyOptions): readonly string[] {
  const listen = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const files = {
    "config/me": "mx.example.test\n",
    "config/loglevel": "WARN\n",
    "config/plugins": "bench\nqueue/smtp_proxy\n",
    "config/smtp.ini": `listen=${listen}\nnodes=0\ninactivity_timeout=300\n`,
    // Version 3 reads the one, those before it the other.
    "config/connection.ini": CONNECTION,
    "config/haproxy_hosts": "127.0.0.1\n",
    "config/smtp_proxy.ini": `host=127.0.0.1\nport=${routes[0]?.to[0]}\nconnect_timeout=5\ntimeout=300\n`,
    "plugins/bench.js": PLUGIN,
  };
  for (const folder of ["config", "plugins", "queue"]) mkdirSync(join(directory, folder));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return [program, "-c", directory];
}
