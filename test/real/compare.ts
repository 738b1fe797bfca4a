/**
 * Says scripts at two places at the same time, and compares what was answered: Postfix itself there, the gateway here.
 *
 * Each script has an address of its own, so that no window is shared. Both clocks count whole seconds, each with its own
 * beginning: a script with moments in it begins right behind a full second of whoever counts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { type Clock, systemClock } from "../../src/clock.ts";
import { Client } from "../servers/client.ts";
import { proxyHeader } from "../servers/header.ts";
import type { Script, Step, TlsStep } from "./scripts.ts";

/** Nobody's clients: as many at once as two cores can serve without a word coming a second late. */
const atOnce = 8;

const loginNeedsTls = "538 5.7.11 Encryption required for requested authentication mechanism";

/** The ports that a script is said at. Where TLS comes first, all of it is said inside. */
export interface Places {
  readonly postfix: number;
  readonly gateway: number;
  readonly tls?: "implicit";
}

/** Says every script at both, some at once; `first` is the number of the first one's address. */
export async function compare(
  t: Test,
  list: readonly Script[],
  first: number,
  places: Places,
): Promise<void> {
  const waiting = [...list.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { says, six, steps }] = next;
      const header = proxyHeader(sourceOf(first + index, six));
      const common = { t, header, isImplicit: places.tls === "implicit" };
      const there = new Speaker({
        ...common,
        port: places.postfix,
        clock: { milliseconds: () => Date.now() },
      });
      const here = new Speaker({ ...common, port: places.gateway, clock: systemClock });
      const [wanted, found] = await Promise.all([there.say(steps), here.say(steps)]);
      t.strictSame(found, wanted, says);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

function sourceOf(index: number, six = false): string {
  return six ? `2001:db8:0:${index + 1}::7` : `203.0.113.${index + 1}`;
}

interface SpeakerOptions {
  readonly t: Test;
  readonly port: number;
  readonly header: Uint8Array;
  readonly isImplicit: boolean;
  /** By which a script's moments are counted there. */
  readonly clock: Pick<Clock, "milliseconds">;
}

/** A client at one of the places, one connection after the other; it writes down what it is told. */
class Speaker {
  readonly #options: SpeakerOptions;
  readonly #told: string[] = [];
  #client: Client | null = null;
  /** Of the last connection that had one. */
  #session: Buffer | null = null;

  constructor(options: SpeakerOptions) {
    this.#options = options;
  }

  /** The whole conversation, without what differs from message to message. */
  async say(steps: readonly Step[]): Promise<string[]> {
    const { clock } = this.#options;
    const isTimed = steps.some((step) => typeof step === "number");
    if (isTimed) await sleep(1000 - (clock.milliseconds() % 1000) + 20);
    const startMs = Math.floor(clock.milliseconds() / 1000) * 1000;
    await this.#connect();
    for (const step of steps) {
      if (typeof step === "number") await sleep(startMs + step * 1000 - clock.milliseconds());
      else if (step === null) await this.#connect();
      else if (typeof step === "string") await this.#commands([step]);
      else if ("tls" in step) await this.#tls(step.tls);
      else if ("hears" in step) this.#told.push(`until its end: ${await this.#client!.rest()}`);
      else await this.#commands(step);
    }
    return this.#told;
  }

  async #connect(): Promise<void> {
    const { t, port, header, isImplicit } = this.#options;
    this.#session = this.#client?.session ?? this.#session;
    this.#client?.close();
    this.#client = await Client.connect(t, { port, header });
    if (!isImplicit) await this.#hear("the greeting");
  }

  async #commands(commands: readonly string[]): Promise<void> {
    this.#client!.send(commands.map((command) => `${command}\r\n`).join(""));
    for (const command of commands) await this.#hear(command);
  }

  async #hear(what: string): Promise<void> {
    const reply = alike(await this.#client!.reply());
    this.#told.push(`${what.slice(0, 40)} -> ${what.startsWith("EHLO") ? sorted(reply) : reply}`);
  }

  /** From the go-ahead, where one is needed, to the greeting, where it comes inside. */
  async #tls(kind: TlsStep["tls"]): Promise<void> {
    const client = this.#client!;
    const { isImplicit } = this.#options;
    if (!isImplicit) {
      await this.#commands(["STARTTLS"]);
      if (!this.#told.at(-1)!.includes("-> 220 ")) return;
    }
    if (kind === "broken") {
      client.send("EHLO client.example.org\r\n");
      await client.rest();
      return;
    }
    const session = kind === "resumed" ? this.#session : null;
    const begun = await client.startTls(session).catch(() => null);
    if (begun?.resumed !== (kind === "resumed")) {
      this.#told.push("no TLS of this kind");
      return;
    }
    if (isImplicit) await this.#hear("the greeting");
  }
}

/**
 * Without a message's name; and where a login has to wait for TLS, Postfix's words for no login at all are postern's more
 * telling ones (RFC 4954 4 would have them).
 */
function alike(reply: string): string {
  if (reply === "503 5.5.1 Error: authentication not enabled") return loginNeedsTls;
  return reply.replace(/queued as \w+/, "queued as ID");
}

/** The order of extensions says nothing (RFC 5321 4.1.1.1); postern puts its own in first. */
function sorted(reply: string): string {
  const [name, ...extensions] = reply.split("\n").map((line) => line.slice(4));
  return [name, ...extensions.sort()].join(", ");
}
