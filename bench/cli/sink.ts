/**
 * The embedded sink, on the command line: by itself (`sink`), and behind the target of a run (`--sink`).
 */
import { endpointText } from "../../src/address.ts";
import { makeCertificate } from "../harness/certificate.ts";
import type { Spent } from "../harness/proc.ts";
import type { Plan } from "../load/plan.ts";
import type { Agreement, Counts, ThreadShares } from "../load/result.ts";
import { OPTIONS } from "../options.ts";
import type { SinkCounts } from "../sink/counts.ts";
import { type Sink, type SinkOptions, startSink } from "../sink/sink.ts";
import { type Command, exitCodes, say, Unable } from "./command.ts";
import type { Place } from "./kinds.ts";

/** Runs until it is told to end, and says then what it has seen. */
export const sink: Command = async (given, signal) => {
  const place = given.get(OPTIONS.listen);
  const tls = given.get(OPTIONS.tls);
  const opened = await open(place, {
    protocol: given.get(OPTIONS.protocol),
    threads: given.get(OPTIONS.threads),
    messageBytes: given.get(OPTIONS.size),
    record: given.get(OPTIONS.record),
    ...tlsOptions(tls),
  });
  say(
    `${given.get(OPTIONS.protocol).toUpperCase()} on ${endpointText({ ...place, port: opened.port })}, until Ctrl-C`,
  );
  await aborted(signal);
  const [counts, identities] = [await opened.counts(), await opened.identities()];
  await opened.stop();
  const text = given.has(OPTIONS.json)
    ? JSON.stringify({ bench: "sink", counts, identities })
    : [...countLines(counts), ...identities.map((identity) => JSON.stringify(identity))].join("\n");
  process.stdout.write(`${text}\n`);
  return exitCodes.well;
};

/** The sink behind a run's target, or as the target itself: only then its TLS is the sessions'. */
export function sinkOf(place: Place, plan: Plan): Promise<Sink> {
  const isTarget = plan.target.host === place.host && plan.target.port === place.port;
  return open(place, {
    protocol: plan.protocol,
    threads: plan.threads,
    messageBytes: plan.mail.sizeBytes,
    ...(isTarget ? tlsOptions(plan.tls) : {}),
  });
}

/** What of `seconds` its threads used between two readings. */
export function sinkShares(before: readonly Spent[], after: readonly Spent[], seconds: number): ThreadShares {
  const threads = after.length;
  const shareOf = (of: keyof Spent) => {
    const us = after.reduce((sum, spent, at) => sum + spent[of] - (before[at]?.[of] ?? 0), 0);
    return Math.max(0, us) / 1e6 / seconds / threads;
  };
  return { threads, cpuShare: shareOf("cpuUs"), waitShare: shareOf("waitUs") };
}

/**
 * Mails are what both ends count alike: a gateway has connections of its own to what it checks. Of a session that did not
 * end well, nobody here knows whether its last mail was taken: what these explain is neither agreement nor difference, and
 * null, as is nothing on both sides.
 */
export function sinkAgreement({ messages, failed, open }: Counts, seen: SinkCounts): Agreement | null {
  const target = seen.messages + seen.fetches;
  const agrees = target === messages;
  if (agrees ? target === 0 : target > messages && target <= messages + failed + open) return null;
  return { what: "messages, and those of the sink", harness: messages, target, agrees };
}

function tlsOptions(tls: Plan["tls"]): Pick<SinkOptions, "certificate" | "isImplicit"> {
  return tls === "off" ? {} : { certificate: makeCertificate("ECDSA P-256"), isImplicit: tls === "implicit" };
}

async function open(place: Place, options: SinkOptions): Promise<Sink> {
  try {
    return await startSink({ ...options, ...place });
  } catch (error) {
    throw new Unable(`the sink ${error instanceof Error ? error.message : String(error)}`);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function countLines({ faults, ...counts }: SinkCounts): string[] {
  const seen = Object.entries(faults).filter(([, count]) => count > 0);
  const rows = [
    ...Object.entries(counts),
    ...seen.map(([fault, count]) => [`fault: ${fault}`, count] as const),
  ];
  return rows.map(([what, count]) => `${what.padEnd(16)}${count}`);
}
