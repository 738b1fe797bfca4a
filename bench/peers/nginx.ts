/**
 * nginx as a peer: its stream module, with the same timeouts, and with the number of a client's connections limited. It knows
 * no limit by their rate, and tells servers of clients by version 1 of PROXY, the only one that it writes.
 *
 * It runs without its master process: what is measured, pinned and ended is then one process, which does the same work.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONNECTIONS_MAX, type Found, type Peer, type Place, type ProxyOptions } from "./peer.ts";
import { answerOf, programCalled } from "./programs.ts";

export const nginx: Peer = {
  hears: "v2",
  tells: "v1",
  lacks: { rate: "it limits connections by their number, not by their rate" },
  differs: "tells servers by PROXY v1; counts a client's connections, not their rate",
  warmsUp: false,
  find,
  command,
};

function find(): Found {
  const program = programCalled("nginx");
  if (program === null)
    return {
      kind: "missing",
      reason: "not installed (apt-get install nginx-light libnginx-mod-stream)",
    };
  const built = answerOf(program, ["-V"]);
  if (!hasStream(built))
    return {
      kind: "missing",
      reason: "installed without its stream module (apt-get install libnginx-mod-stream)",
    };
  return { kind: "found", program, version: /nginx\/(\S+)/.exec(built)?.[1] ?? "" };
}

/** Built in, or a file to be loaded. */
function hasStream(built: string): boolean {
  const file = moduleOf(built);
  return file === null ? /--with-stream(?:\s|$)/.test(built) : existsSync(file);
}

/** Null where the module is none of its own. */
function moduleOf(built: string): string | null {
  const directory = /--modules-path=(\S+)/.exec(built)?.[1];
  if (directory === undefined || !built.includes("--with-stream=dynamic")) return null;
  return join(directory, "ngx_stream_module.so");
}

function command({ program, directory, ports }: Place, options: ProxyOptions): readonly string[] {
  const file = join(directory, "nginx.conf");
  const module = moduleOf(answerOf(program, ["-V"]));
  const { certificate } = options;
  const tls =
    certificate === undefined
      ? ""
      : `  ssl_certificate ${certificate.certFile};
  ssl_certificate_key ${certificate.keyFile};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ecdh_curve X25519:prime256v1;
`;
  const routes = options.routes.map(({ to }, index) => {
    const servers = to.map((port) => `    server 127.0.0.1:${port};\n`);
    return `  upstream to${index} {
${servers.join("")}  }
  server {
    listen 127.0.0.1:${ports[index]} proxy_protocol${certificate === undefined ? "" : " ssl"};
    proxy_pass to${index};
    proxy_protocol on;
  }
`;
  });
  writeFileSync(
    file,
    `${module === null ? "" : `load_module ${module};\n`}daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile ${2 * CONNECTIONS_MAX + 1000};
events {
  worker_connections ${2 * CONNECTIONS_MAX};
}
stream {
  set_real_ip_from 127.0.0.0/8;
  limit_conn_zone $binary_remote_addr zone=clients:10m;
  limit_conn clients ${CONNECTIONS_MAX};
  proxy_connect_timeout 5s;
  proxy_timeout 5m;
${tls}${routes.join("")}}
`,
  );
  return [program, "-p", directory, "-e", "stderr", "-c", file];
}
