/**
 * A data thread's side of the log: what happened becomes a line, and joins the batch for the control thread.
 *
 * No data thread touches a file. What a client chose to say is written so that no pattern can match inside it.
 */
import type { Logger } from "pino";
import type { AddressAndPort } from "../address.ts";
import { INJECTED, isOffence } from "../outcome.ts";
import type { Ban, ImapTally, LimitEvent, ListenerName, Login, SessionRecord, SmtpTally } from "../record.ts";
import { Batch, type BatchOptions } from "./batch.ts";
import { foreignText } from "./foreign.ts";
import { type EventLog, type Fields, logger } from "./logger.ts";
import type { LogLevel } from "./options.ts";

export interface ThreadLogOptions extends BatchOptions {
  readonly level: LogLevel;
}

export class ThreadLog implements EventLog {
  readonly #batch: Batch;
  readonly #logger: Logger;

  constructor({ level, ...options }: ThreadLogOptions) {
    this.#batch = new Batch(options);
    this.#logger = logger(level, this.#batch);
  }

  set level(level: LogLevel) {
    this.#logger.level = level;
  }

  /**
   * The one line of a session that has ended, behind its security event where an offence was its end. Health checks come
   * every few seconds for ever: they are for debugging.
   */
  session(listener: ListenerName, record: SessionRecord): void {
    const level = record.outcome === "healthcheck" ? "debug" : "info";
    if (!this.#logger.isLevelEnabled(level)) return;
    if (record.outcome === "refused" && isOffence(record.reason)) this.#offence(listener.name, record);
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
      parkedMs: record.parkedMs ?? undefined,
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
    this.#batch.flush();
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
