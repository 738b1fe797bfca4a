/** A gateway with the sink behind it, for the scenarios that are about whom a gateway keeps out. */
import type { Test } from "tap";
import type { Finding } from "../../../../bench/load/result.ts";
import { type Sink, startSink } from "../../../../bench/sink/sink.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../../../servers/gateway.ts";

interface Guarded {
  readonly gateway: Gateway;
  readonly sinks: Readonly<Record<"smtp" | "imap", Sink>>;
}

/** Listeners `smtp`, `imap`, and `drop`, which is SMTP's and has no words for the banned; `settings` are the gateway's own. */
export async function startGuarded(t: Test, settings: object): Promise<Guarded> {
  const start = async (protocol: "smtp" | "imap") => {
    const sink = await startSink({ protocol, proxy: "v2", record: 1000 });
    t.teardown(() => sink.stop());
    return sink;
  };
  const sinks = { smtp: await start("smtp"), imap: await start("imap") };
  const gateway = await startGateway(t, {
    listeners: {
      smtp: behindProxy("smtp", "smtp"),
      imap: behindProxy("imap", "imap"),
      drop: { ...behindProxy("smtp", "smtp"), ban: { action: "drop" } },
    },
    pools: { smtp: poolOf(sinks.smtp.port, "proxy-v2"), imap: poolOf(sinks.imap.port, "proxy-v2") },
    ...settings,
  });
  return { gateway, sinks };
}

/** What was found, by what it is about. */
export function outcomesOf(findings: readonly Finding[]): Record<string, readonly [string, boolean | null]> {
  return Object.fromEntries(findings.map(({ what, outcome, isWell }) => [what, [outcome, isWell]]));
}
