/** HAProxy as a peer: one thread, timeouts, and a stick table that counts what postern's limits count. It has no log. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONNECTIONS_MAX, type Peer, type Place, type ProxyOptions, UNLIMITED } from "./peer.ts";
import { answerOf, programCalled } from "./programs.ts";

export const haproxy: Peer = {
  hears: "v2",
  tells: "v2",
  lacks: {},
  differs: "",
  warmsUp: false,
  find() {
    const program = programCalled("haproxy");
    if (program === null) return { kind: "missing", reason: "not installed (apt-get install haproxy)" };
    return { kind: "found", program, version: /version (\S+)/.exec(answerOf(program, ["-v"]))?.[1] ?? "" };
  },
  command,
};

function command({ program, directory, ports }: Place, options: ProxyOptions): readonly string[] {
  const file = join(directory, "haproxy.cfg");
  const { certificate, banned, limit = UNLIMITED } = options;
  const bans = join(directory, "banned");
  if (banned !== undefined) writeFileSync(bans, banned.join("\n"));
  const reject = "tcp-request session reject if";
  const [bindOptions, serverOptions] =
    certificate === undefined
      ? ["accept-proxy", "send-proxy-v2"]
      : [
          `accept-proxy ssl crt ${certificate.bothFile} curves X25519:P-256`,
          "send-proxy-v2 proxy-v2-options ssl,ssl-cipher",
        ];
  const routes = options.routes.map((route, index) => {
    const servers = route.to.map((to) => `  server at${to} 127.0.0.1:${to} ${serverOptions}\n`);
    return `frontend in${index}
  bind 127.0.0.1:${ports[index]} ${bindOptions}
${banned === undefined ? "" : `  ${reject} { src -f ${bans} }\n`}  tcp-request session track-sc0 src table clients
  ${reject} { sc_conn_rate(0) gt ${limit.connections} }
  default_backend to${index}
backend to${index}
${servers.join("")}`;
  });
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn ${CONNECTIONS_MAX}
defaults
  mode tcp
  timeout connect 5s
  timeout client 5m
  timeout server 5m
  maxconn ${CONNECTIONS_MAX}
${routes.join("")}backend clients
  stick-table type ip size 64k expire 10m store conn_cur,conn_rate(${limit.window})
`,
  );
  return [program, "-db", "-q", "-f", file];
}
