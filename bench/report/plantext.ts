/** What a run was asked, in words. A password is never among them. Pure. */
import { endpointText } from "../../src/address.ts";
import { durationText } from "../../src/config/units.ts";
import type { Pace, Plan } from "../load/plan.ts";
import { bytesText, countText, figureText, plural } from "./units.ts";

/** `smtp to 192.0.2.1:25, 500 sessions/s`; an attack has no pace. */
export function planTitle(plan: Plan): string {
  const title = `${scenarioText(plan)} to ${endpointText(plan.target)}`;
  return plan.scenario === "attack" ? title : `${title}, ${paceText(plan.pace)}`;
}

/** `smtp`, `churn (IMAP)` */
export function scenarioText({ scenario, protocol }: Plan): string {
  return scenario === protocol ? scenario : `${scenario} (${protocol.toUpperCase()})`;
}

/** `500 sessions/s`, `32 at a time` */
function paceText(pace: Pace): string {
  return pace.kind === "open"
    ? `${figureText(pace.ratePerSecond)} sessions/s`
    : `${countText(pace.concurrency)} at a time`;
}

/** Names and what stands behind them, in the order in which people ask. */
export function planRows(plan: Plan): readonly (readonly [name: string, text: string])[] {
  const { target, proxy, tls, pace, clients, login } = plan;
  const header = proxy === "off" ? "no PROXY header" : `PROXY ${proxy}`;
  const security = tls === "off" ? "no TLS" : tls === "starttls" ? "STARTTLS" : "implicit TLS";
  const loop = pace.kind === "open" ? "open loop: times count from when a session was due" : "closed loop";
  const most = pace.kind === "open" ? `, at most ${countText(plan.openMax)} open` : "";
  const ramp = pace.rampMs === 0 ? "" : `, over ${durationText(pace.rampMs)} from nothing`;
  return [
    ["target", `${endpointText(target)}, ${plan.protocol.toUpperCase()}, ${header}, ${security}`],
    ["clients", clientsText(plan)],
    ...(plan.scenario === "attack" ? [] : [["pace", `${paceText(pace)}${ramp}${most} (${loop})`] as const]),
    ["bounds", boundsText(plan)],
    ...(login === null ? [] : [["login", `as ${login.user}`] as const]),
    ...detailRows(plan),
    ["threads", countText(plan.threads)],
    ["seed", String(clients.seed)],
  ];
}

function clientsText({ proxy, clients }: Plan): string {
  if (proxy === "off") return "this machine alone";
  return `${clients.ranges.join(", ")} (${clients.distribution})`;
}

function boundsText({ scenario, durationMs, sessionsMax, timeoutMs }: Plan): string {
  const sessions = scenario === "attack" ? "" : ` or ${plural(sessionsMax, "session")}`;
  return `${durationText(durationMs)}${sessions}; ${durationText(timeoutMs)} for each step`;
}

/** What only some scenarios have. */
function detailRows(plan: Plan): readonly (readonly [string, string])[] {
  const { scenario, mail, hammer, banned, idleMs } = plan;
  switch (scenario) {
    case "smtp":
    case "bulk":
      return [["mail", plan.protocol === "smtp" ? mailText(mail) : fetchText(mail)]];
    case "imap":
      return [
        ["mail", fetchText(mail)],
        ...(idleMs > 0 ? [["idle for", durationText(idleMs)] as const] : []),
      ];
    case "idle":
      return [["held for", durationText(idleMs)]];
    case "hammer":
      return [
        ["offenders", `${plural(hammer.offenders, "client")}, ${plural(hammer.tries, "session")} each`],
      ];
    case "bans":
      return [["banned", banned.join(", ")]];
    case "churn":
    case "attack":
      return [];
    default:
      return scenario satisfies never;
  }
}

/** How large they are is the server's to say. */
function fetchText({ messages }: Plan["mail"]): string {
  return `${plural(messages, "message")} fetched in a session`;
}

function mailText({ sizeBytes, messages, recipients, pipelining, chunking }: Plan["mail"]): string {
  const size = `${plural(messages, "message")} of ${bytesText(sizeBytes)} a session`;
  const ways = [pipelining ? ", in one flight" : "", chunking ? ", with BDAT" : ""];
  return `${size}, ${plural(recipients, "recipient")} each${ways.join("")}`;
}
