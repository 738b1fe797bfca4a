/**
 * The same as `anvil.test.ts` where TLS with the client ends: at Postfix there, at the gateway here, which speaks to its
 * Postfix in the clear. One thing differs, and is not said: a client with too many connections is told so inside implicit
 * TLS by Postfix, and by postern not at all, since it spends no handshake on it.
 */
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory } from "../servers/process.ts";
import { compare } from "./compare.ts";
import { LONG_SECONDS, limitedPostern, limitedPostfix, SHORT_SECONDS } from "./limits.ts";
import { scripts } from "./scripts.ts";
import { implicitScripts, inside, startTlsScripts, timedTlsScripts } from "./tlsscripts.ts";

const common = { smtpd_sasl_auth_enable: "yes", smtpd_helo_required: "yes" };
const dovecot = await startDovecot(t);
const [free, long, short] = await Promise.all(
  [{ smtpd_tls_auth_only: "no" }, limitedPostfix(LONG_SECONDS), limitedPostfix(SHORT_SECONDS)].map((own) =>
    startPostfix(t, { dovecot, settings: { ...common, ...own } }),
  ),
);
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const listener = (tls: string, limits: string) => ({ ...behindProxy("smtp", "postfix"), tls, limits });
const gateway = await startGateway(t, {
  hostname: "mail.example.test",
  listeners: {
    long: listener("starttls", "long"),
    implicit: listener("implicit", "long"),
    short: listener("starttls", "short"),
  },
  pools: { postfix: poolOf(free!.port("smtpProxy"), "proxy-v2") },
  limits: { long: limitedPostern(LONG_SECONDS), short: limitedPostern(SHORT_SECONDS) },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

const startTls = { postfix: long!.port("smtpProxy"), gateway: gateway.port("long") };
const implicit = {
  postfix: long!.port("submissionsProxy"),
  gateway: gateway.port("implicit"),
  tls: "implicit",
} as const;

t.test("postern answers as Postfix's anvil does when clients begin too much TLS", async (t) => {
  await compare(t, startTlsScripts, 0, startTls);
  await compare(t, implicitScripts, 0, implicit);
});

t.test(
  "postern answers as Postfix's anvil does when clients go beyond their limits behind STARTTLS",
  async (t) => {
    await compare(t, scripts.map(inside), startTlsScripts.length, startTls);
  },
);

t.test(
  "postern answers as Postfix's anvil does when clients go beyond their limits inside TLS",
  async (t) => {
    await compare(t, scripts.map(inside), implicitScripts.length, implicit);
  },
);

t.test("postern answers as Postfix's anvil does when a window with TLS in it ends", async (t) => {
  const places = { postfix: short!.port("smtpProxy"), gateway: gateway.port("short") };
  await compare(t, timedTlsScripts, 0, places);
});
