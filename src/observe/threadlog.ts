/**
 * A data thread's side of the log: lines are joined and handed to the control thread, a batch at a time.
 *
 * No data thread touches a file. It owns at most one unfinished batch, sent when it is full or old enough, and a counter in
 * shared memory of what the control thread has not taken yet. Beyond that counter's bound lines are dropped and counted:
 * a slow disk costs lines, never memory and never a session's time.
 */
import type { Logger } from "pino";
import type { AddressAndPort } from "../address.ts";
import { INJECTED, offences, type Reason } from "../outcome.ts";
import type { Ban, ImapTally, LimitEvent, ListenerName, Login, SessionRecord, SmtpTally } from "../record.ts";
import { foreignText } from "./foreign.ts";
import { type EventLog, type Fields, logger } from "./logger.ts";
import type { LogLevel } from "./options.ts";

/** Long enough to join the lines of a busy thread, short enough for whoever watches the log. */
const BATCH_AGE_MAX_MS = 50;

/** Some 200 lines: the hand-over's cost, spread over so many, disappears beside theirs. */
const BATCH_LENGTH_MAX = 64 * 1024;

/** About 10,000 session lines: seconds of full load while the control thread is busy. */
const BACKLOG_LENGTH_MAX = 4 * 1024 * 1024;

/** The reasons whose sessions end with a security event. */
const offending: ReadonlySet<Reason | null> = new Set(offences);

export interface ThreadLogOptions {
  readonly level: LogLevel;
  /** Characters sent and not yet taken: shared with the control thread, and made anew for each thread that starts. */
  readonly backlog: Int32Array;
  /** Hands whole lines to the control thread. */
  send(lines: string): void;
  /** A line was lost. */
  dropped(): void;
}

export class ThreadLog implements EventLog {
  readonly #options: ThreadLogOptions;
  readonly #logger: Logger;
  #batch = "";
  #timer: NodeJS.Timeout | null = null;

  /** The counter to share with one thread: see `ThreadLogOptions`. */
  static backlog(): Int32Array {
    return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  }

  constructor(options: ThreadLogOptions) {
    this.#options = options;
    this.#logger = logger(options.level, { write: (line) => this.#write(line) });
  }

  /**
   * The one line of a session that has ended, behind its security event where an offence was its end. Health checks come
   * every few seconds for ever: they are for debugging.
   */
  session(listener: ListenerName, record: SessionRecord): void {
    const level = record.outcome === "healthcheck" ? "debug" : "info";
    if (!this.#logger.isLevelEnabled(level)) return;
    if (record.outcome === "refused" && offending.has(record.reason)) this.#offence(listener.name, record);
    if (record.reason === INJECTED) this.#injection(listener.name, record);
    this.#logger[level]({
      event: "session",
      id: record.id,
      listener: listener.name,
      protocol: listener.protocol,
      client: party(record.client),
      peer: party(record.peer),
      outcome: record.outcome,
      reason: record.reason,
      server: record.server,
      durationMs: record.durationMs,
      bytesIn: record.bytesIn,
      bytesOut: record.bytesOut,
      smtp: record.smtp === null ? undefined : mailTally(record.smtp),
      imap: record.imap === null ? undefined : loginTally(record.imap),
      inspected: listener.protocol === "tcp" ? undefined : record.inspected,
      tls: record.tls === null ? undefined : { version: record.tls.version, cipher: record.tls.cipher },
      detail: record.detail ?? undefined,
      decision: record.reason === "banned" && record.ban !== null ? decision(record.ban) : undefined,
    });
  }

  /** A client beyond a limit, for those who ban. */
  limit({ service, client, reason, count, limit, dryRun }: LimitEvent): void {
    const fields = { event: "sec.limit", service, client: { ip: client.text }, reason, count, limit, dryRun };
    this.#logger.info(fields);
  }

  /** A login that the upstream has judged, for those who ban. */
  login(service: string, { client, ok, tls, method, user }: Login): void {
    this.#logger.info({
      event: "sec.auth",
      service,
      client: { ip: client.text },
      ok,
      user: foreign(user),
      method: foreignText(method),
      tls,
    });
  }

  event(level: LogLevel, event: string, fields?: Fields): void {
    this.#logger[level]({ event, ...fields });
  }

  /** Sends what is there; the thread calls it before it ends. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#batch === "") return;
    const batch = this.#batch;
    this.#batch = "";
    Atomics.add(this.#options.backlog, 0, batch.length);
    this.#options.send(batch);
  }

  /** What no mail client does was the session's end, for those who ban. */
  #offence(service: string, { client, reason, detail }: SessionRecord): void {
    if (client === null) return;
    this.#logger.info({
      event: "sec.protocol",
      service,
      client: { ip: client.address.text },
      reason,
      detail: detail ?? undefined,
    });
  }

  /** Somebody stands behind or before the server; the client is the one that it was meant for, and is not named. */
  #injection(service: string, { server, reason, detail }: SessionRecord): void {
    this.#logger.info({ event: "sec.protocol", service, server, reason, detail: detail ?? undefined });
  }

  #write(line: string): void {
    const waiting = Atomics.load(this.#options.backlog, 0) + this.#batch.length;
    if (waiting + line.length > BACKLOG_LENGTH_MAX) {
      this.#options.dropped();
      return;
    }
    this.#batch += line;
    if (this.#batch.length >= BATCH_LENGTH_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_AGE_MAX_MS).unref();
  }
}

function mailTally({ mails, recipients, refused }: SmtpTally): SmtpTally {
  return { mails, recipients, refused };
}

function loginTally({ user, logins, failures }: ImapTally): Fields {
  return { user: foreign(user), logins, failures };
}

/** Whoever pushed the alert has chosen what origin and scenario say. */
function decision({ id, origin, scenario, type, remainingSeconds }: Ban): Fields {
  const texts = { origin: foreignText(origin), scenario: foreignText(scenario), type: foreignText(type) };
  return { id, ...texts, remainingSeconds };
}

function foreign(text: string | null): object | null {
  return text === null ? null : foreignText(text);
}

function party(end: AddressAndPort | null): { ip: string; port: number } | null {
  return end === null ? null : { ip: end.address.text, port: end.port };
}
