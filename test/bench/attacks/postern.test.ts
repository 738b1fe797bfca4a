/** The attacks against postern, with a strict server behind it: it stands them all, in the clear and in TLS. */
import t from "tap";
import type { Finding } from "../../../bench/load/result.ts";
import { makeCertificate } from "../../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../../servers/gateway.ts";
import { makeDirectory } from "../../servers/process.ts";
import { loaded, planOf } from "../load/plans.ts";
import { startServer } from "./servers.ts";

t.setTimeout(60_000);

/** Findings as a test's message. */
function told(findings: readonly Finding[]): string[] {
  return findings.map(({ what, outcome, isWell }) => `${isWell} ${what}: ${outcome}`);
}

const stands = [
  { protocol: "smtp", tls: "off" },
  { protocol: "smtp", tls: "starttls" },
  { protocol: "imap", tls: "implicit" },
] as const;

for (const { protocol, tls } of stands) {
  t.test(`attack finds no fault when postern stands before ${protocol} with TLS ${tls}`, async (t) => {
    const server = await startServer(t, "strict", protocol);
    const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
    const proxy = { mode: "required", from: ["127.0.0.1"], timeout: "300ms" };
    const gateway = await startGateway(t, {
      listeners: { mail: { ...behindProxy(protocol, "servers"), proxy, idleTimeout: "1s", tls } },
      pools: { servers: poolOf(server.port, "none") },
      tls: { certificates: [{ cert: certFile, key: keyFile }] },
    });
    const asked = {
      scenario: "attack",
      proxy: "v2",
      protocol,
      tls,
      timeoutMs: 1200,
      durationMs: 60_000,
    } as const;
    const { findings } = await loaded(planOf(gateway.port("mail"), asked));
    t.same(told(findings.filter(({ isWell }) => isWell === false)), []);
    t.match(findings.at(-1), { what: "an ordinary session, after all others", isWell: true });
    const well = findings.filter(({ isWell }) => isWell === true).length;
    t.ok(well > findings.length * 0.85, told(findings).join("\n"));
    t.same(
      server.mails.filter((mail) => mail.startsWith("Subject: inside")),
      [],
    );
  });
}
