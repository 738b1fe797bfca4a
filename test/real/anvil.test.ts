/**
 * Postern's limits against those of Postfix's anvil: the same scripts, said to a Postfix that limits its clients, and
 * through a gateway that does it for one that does not; the replies are the same, line by line.
 */
import t from "tap";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startPostfix } from "../servers/postfix.ts";
import { compare } from "./compare.ts";
import { LONG_SECONDS, limitedPostern, limitedPostfix, SHORT_SECONDS } from "./limits.ts";
import { scripts, timedScripts } from "./scripts.ts";

const open = { smtpd_sasl_auth_enable: "yes", smtpd_tls_auth_only: "no", smtpd_helo_required: "yes" };
const dovecot = await startDovecot(t);
const [free, long, short] = await Promise.all(
  [{}, limitedPostfix(LONG_SECONDS), limitedPostfix(SHORT_SECONDS)].map((limits) =>
    startPostfix(t, { dovecot, settings: { ...open, ...limits } }),
  ),
);
const gateway = await startGateway(t, {
  hostname: "mail.example.test",
  listeners: {
    long: { ...behindProxy("smtp", "postfix"), limits: "long" },
    short: { ...behindProxy("smtp", "postfix"), limits: "short" },
  },
  pools: { postfix: poolOf(free!.port("smtpProxy"), "proxy-v2") },
  limits: { long: limitedPostern(LONG_SECONDS), short: limitedPostern(SHORT_SECONDS) },
});

t.test("postern answers as Postfix's anvil does when clients go beyond their limits", async (t) => {
  t.ok(scripts.length >= 40, `${scripts.length} scripts`);
  await compare(t, scripts, 0, { postfix: long!.port("smtpProxy"), gateway: gateway.port("long") });
});

t.test("postern answers as Postfix's anvil does when a window ends", async (t) => {
  const places = { postfix: short!.port("smtpProxy"), gateway: gateway.port("short") };
  await compare(t, timedScripts, scripts.length, places);
});
