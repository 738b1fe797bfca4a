/**
 * What no client should do, one trick after the other, and what the target did about each. It has no pace and no latencies: its
 * result are its findings, and the last of them is whether an ordinary session is still served.
 *
 * A few tricks are under way at a time, as many of them only wait. What was not played when the run's time was up is said.
 */
import { Address } from "../../../src/address.ts";
import type { Attack, Observed, Tools } from "../../attacks/attack.ts";
import { connections } from "../../attacks/connections.ts";
import { Contact } from "../../attacks/contact.ts";
import { headers } from "../../attacks/headers.ts";
import { visit } from "../../attacks/honest.ts";
import { lines } from "../../attacks/lines.ts";
import { literals } from "../../attacks/literals.ts";
import { smuggling } from "../../attacks/smuggling.ts";
import { type Clients, openingOf } from "../clients.ts";
import type { Plan } from "../plan.ts";
import type { Finding } from "../result.ts";
import type { Recipe } from "../scenario.ts";

/** Longer than most deadlines for a header, shorter than any for a session: what is held so long is told as held. */
const PATIENCE_MS_MAX = 10_000;

/** Enough that those that wait keep nobody waiting, and no load. */
const AT_A_TIME = 8;

/** By their order in a report. */
const attacks: readonly Attack[] = [...headers, ...connections, ...lines, ...smuggling, ...literals];

/** All of it is beside the pace, in one thread; there is no session of the usual kind. */
export const attack: Recipe = {
  shape: (plan) => ({ ...plan, sessionsMax: 0, pace: { kind: "closed", concurrency: 1, rampMs: 0 } }),
  prepare: ({ plan, clients, signal, tally }) => ({
    session: async () => {},
    beside: async () => {
      const onPlayed = (played: number, of: number) => {
        tally.tricks = { played, of };
      };
      tally.findings.push(...(await playAll(toolsOf(plan, clients, signal), signal, onPlayed)));
    },
  }),
};

/** Resolves, whatever the target does; `signal` ends it early, with what is there by then. */
async function playAll(
  tools: Tools,
  signal: AbortSignal,
  onPlayed: (played: number, of: number) => void,
): Promise<readonly Finding[]> {
  const before = await visit(tools);
  if (before.isWell !== true && !signal.aborted)
    return [{ what: "an ordinary session, before all others", ...before }];
  const { protocol, proxy } = tools.plan;
  const due = attacks.filter(
    ({ protocols, needsProxy }) => protocols.includes(protocol) && (!needsProxy || proxy !== "off"),
  );
  const seen: Observed[] = [];
  let next = 0;
  let played = 0;
  onPlayed(played, due.length);
  const lane = async () => {
    while (next < due.length && !signal.aborted) {
      const index = next++;
      const observed = await due[index]!.play(tools);
      // What is cut off says nothing of the target.
      if (signal.aborted) return;
      seen[index] = observed;
      onPlayed(++played, due.length);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  const findings = due.map(({ name, what }, index) => ({
    what: `${name}: ${what}`,
    ...(seen[index] ?? { outcome: "not played, as the run was over", isWell: null }),
  }));
  const after = await visit(tools);
  return signal.aborted
    ? findings
    : [...findings, { what: "an ordinary session, after all others", ...after }];
}

function toolsOf(plan: Plan, clients: Clients, signal: AbortSignal): Tools {
  const { target, protocol, proxy } = plan;
  const patienceMs = Math.min(plan.timeoutMs, PATIENCE_MS_MAX);
  const destination = { address: Address.parse(target.host)!, port: target.port };
  const header = () => openingOf(proxy, clients.next(), destination);
  const contact = { target, protocol, isSecure: plan.tls === "implicit", patienceMs, signal };
  return { plan, patienceMs, header, open: (first = header()) => Contact.open(contact, first) };
}
