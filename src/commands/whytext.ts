/**
 * The answer about a client in sentences, for people: banned or not, what each listener would do with it now, what is
 * counted of it. Pure.
 */
import type { ClientAnswer, CounterAnswer, ListenerAnswer } from "../observe/answer.ts";

/** `nowMs` is the time of day; times are said in the zone of whoever asks. */
export function whyText(answer: ClientAnswer, nowMs: number): string {
  const { listeners, counters } = answer;
  const width = Math.max(
    0,
    ...listeners.map(({ listener }) => listener.length),
    ...counters.map(({ scope }) => scope.length),
  );
  const row = (name: string, text: string) => `  ${name.padEnd(width)}  ${text}`;
  const lines = [
    ...banLines(answer, nowMs),
    "",
    "A connection that it made now:",
    ...listeners.map((each) => row(each.listener, listenerText(each))),
    "",
    counters.length === 0 ? "Nothing is counted of it." : "What is counted of it:",
    ...counters.flatMap((each) => [row(each.scope, totalsText(each)), row("", windowText(each))]),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

/** What others chose, as a scenario's name, must not steer a terminal. */
export function printable(line: string): string {
  return line.replace(/\p{C}/gu, "?");
}

function banLines({ address, ban, listMissing }: ClientAnswer, nowMs: number): string[] {
  if (listMissing === true) return [`${address} is on no list: CrowdSec has not given one yet.`];
  if (ban === null) return [`${address} is not banned.`];
  const { id, origin, scenario, type, value, remainingSeconds } = ban;
  const end = localTime(new Date(nowMs + remainingSeconds * 1000));
  const decision = `  decision ${id} of ${origin}: ${type} ${value}, for ${scenario}`;
  const left = spanText(remainingSeconds);
  if (ban.protected !== true) return [`${address} is banned until ${end}, ${left} more.`, decision];
  return [
    `${address} is not banned: there is a decision, but the configuration says never to obey one here.`,
    `${decision}, until ${end}, ${left} more`,
  ];
}

function listenerText({ outcome, reason, action, detail }: ListenerAnswer): string {
  const because = reason === null ? "" : `, ${reason}`;
  const how = action === undefined ? "" : ` (${action})`;
  return `${outcome}${because}${how}${detail === null ? "" : `: ${detail}`}`;
}

function totalsText(counter: CounterAnswer): string {
  const { address, prefixLength, concurrency, connections, refused, messages, bytes, lastSeenSecondsAgo } =
    counter;
  const whose = prefixLength === undefined ? "" : `as part of ${address}/${prefixLength}: `;
  const totals = `${connections} so far, ${refused} refused; messages ${messages}, bytes ${bytes}`;
  return `${whose}connections: ${concurrency} now, ${totals}; last seen ${spanText(lastSeenSecondsAgo)} ago`;
}

function windowText({ window }: CounterAnswer): string {
  const counts = [
    `connections ${window.connections}`,
    `messages ${window.messages}`,
    `recipients ${window.recipients}`,
    `logins tried ${window.auths}`,
    `logins failed ${window.authFailures}`,
    `new TLS sessions ${window.tlsSessions}`,
  ];
  return `in the last window, begun ${spanText(window.startedSecondsAgo)} ago: ${counts.join(", ")}`;
}

/** `2026-01-31 09:05:00 +01:00` */
function localTime(date: Date): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const east = -date.getTimezoneOffset();
  const zone = `${east < 0 ? "-" : "+"}${two(Math.abs(east) / 60)}:${two(Math.abs(east) % 60)}`;
  return `${day} ${time} ${zone}`;
}

const units = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
] as const;

/** In the largest unit that there is one of, and the next: `3 h 59 min`. */
function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const at = units.findIndex(([, size]) => whole >= size);
  const [first, second] = at < 0 ? [units.at(-1)] : units.slice(at);
  const [unit, size] = first!;
  const text = `${Math.floor(whole / size)} ${unit}`;
  const rest = second === undefined ? 0 : Math.floor((whole % size) / second[1]);
  return rest === 0 ? text : `${text} ${rest} ${second![0]}`;
}
