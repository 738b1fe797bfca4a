/**
 * One log line's outside: the pino logger that all threads share the settings of.
 *
 * A line begins with `level` (a word), `time` (ISO 8601, UTC) and `event`; no process id and no host name, because whoever
 * collects the lines knows both. Nothing here knows where lines go. Fields with `undefined` are left out.
 */
import { type DestinationStream, type Logger, pino } from "pino";
import type { LogLevel } from "./options.ts";

/** What a line says beside its level, its time and its event; never a password, nor text as a client sent it. */
export type Fields = Readonly<Record<string, unknown>>;

/** Where the parts of postern say what happened: one line for each event. */
export interface EventLog {
  event(level: LogLevel, event: string, fields?: Fields): void;
}

/** No serializers, children or hooks: with them a line costs twice as much. */
export function logger(level: LogLevel, stream: DestinationStream): Logger {
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level, base: null, timestamp: isoTime(), formatters }, stream);
}

/** pino's own ISO time is a fifth of a line's cost; all but the milliseconds stays the same for a second. */
function isoTime(): () => string {
  let second = Number.NaN;
  let begin = "";
  return () => {
    const now = Date.now();
    const ms = now % 1000;
    if (now - ms !== second) {
      second = now - ms;
      begin = `,"time":"${new Date(second).toISOString().slice(0, -"000Z".length)}`;
    }
    return `${begin}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z"`;
  };
}
