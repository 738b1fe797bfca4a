/**
 * The open-relay trap: the gateway stands in `mynetworks`, so that a client who is taken for it may send mail anywhere.
 * The first test shows that the trap is there; the others, that no identity leaves it open on any port.
 */
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { type PostfixPort, startPostfix } from "../servers/postfix.ts";
import { tryRelay } from "../servers/talk.ts";

interface Way {
  readonly identity: string;
  readonly to: PostfixPort;
  /** How the client's TLS begins, if it does. */
  readonly security: "plain" | "starttls" | "implicit";
}

const traps: Readonly<Record<string, Way>> = {
  "25-none": { identity: "none", to: "smtp", security: "plain" },
  "465-none": { identity: "none", to: "submissions", security: "implicit" },
  "587-none": { identity: "none", to: "submission", security: "starttls" },
};
const ways: Readonly<Record<string, Way>> = {
  "25-proxy-v2": { identity: "proxy-v2", to: "smtpProxy", security: "plain" },
  "25-proxy-v1": { identity: "proxy-v1", to: "smtpProxy", security: "plain" },
  "25-xclient": { identity: "xclient", to: "smtp", security: "plain" },
  "25-postscreen": { identity: "proxy-v2", to: "postscreenProxy", security: "plain" },
  "25-starttls": { identity: "xclient", to: "smtp", security: "starttls" },
  "465-proxy-v2": { identity: "proxy-v2", to: "submissionsProxy", security: "implicit" },
  "465-proxy-v1": { identity: "proxy-v1", to: "submissionsProxy", security: "implicit" },
  "587-proxy-v2": { identity: "proxy-v2", to: "submissionProxy", security: "starttls" },
  "587-proxy-v1": { identity: "proxy-v1", to: "submissionProxy", security: "starttls" },
  "587-xclient": { identity: "xclient", to: "submission", security: "starttls" },
};
const all = Object.entries({ ...traps, ...ways });

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot, xclient: true });
const gateway = await startGateway(t, {
  listeners: Object.fromEntries(
    all.map(([name, way]) => [
      name,
      behindProxy("smtp", name, way.security === "implicit" ? "passthrough" : "off"),
    ]),
  ),
  pools: Object.fromEntries(all.map(([name, way]) => [name, poolOf(postfix.port(way.to), way.identity)])),
});
const haproxy = await startHaproxy(
  t,
  Object.fromEntries(all.map(([name]) => [name, { to: gateway.port(name) }])),
);

async function ask(test: Test, name: string, way: Way, ip: string): Promise<string> {
  const client = await Client.connect(test, {
    port: haproxy.port(name),
    header: proxyHeader(ip),
    tls: way.security === "implicit",
  });
  return tryRelay(client, way.security === "starttls" ? "starttls" : "plain");
}

for (const [name, way] of Object.entries(traps)) {
  t.test(`Postfix relays for anybody when nobody tells it who the client is, at ${name}`, async (t) => {
    t.equal(await ask(t, name, way, "203.0.113.7"), "250 2.1.5 Ok");
  });
}

for (const [name, way] of Object.entries(ways)) {
  for (const ip of ["203.0.113.7", "2001:db8::7"]) {
    t.test(`Postfix refuses to relay when ${ip} asks at ${name}`, async (t) => {
      postfix.log.mark();
      const answer = await ask(t, name, way, ip);
      t.equal(answer, "554 5.7.1 <outside@example.org>: Relay access denied");
      const reject = await postfix.log.waitFor(/NOQUEUE: reject: RCPT/);
      t.match(reject, `RCPT from unknown[${ip}]: 554`, "Postfix's log names the client");
    });
  }
}
