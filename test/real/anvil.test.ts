/**
 * Postern's limits against those of Postfix's anvil: the same scripts, said to a Postfix that limits its clients, and
 * through a gateway that does it for one that does not; the replies are the same, line by line.
 *
 * Each script has an address of its own, so that no window is shared. Both clocks count whole seconds, each with its own
 * beginning: a script with moments in it begins right behind a full second of whoever counts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { type Clock, systemClock } from "../../src/clock.ts";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { limits, type Script, type Step, scripts, shortUnitSeconds, timedScripts } from "./scripts.ts";

const longUnitSeconds = 600;

/** Nobody's clients: as many at once as two cores can serve without a word coming a second late. */
const atOnce = 8;

/** Where a script is said, and by which clock it is counted there. */
interface Place {
  readonly port: number;
  readonly clock: Pick<Clock, "milliseconds">;
}

const wallClock = { milliseconds: () => Date.now() };

const open = {
  smtpd_sasl_auth_enable: "yes",
  smtpd_tls_auth_only: "no",
  smtpd_helo_required: "yes",
};
const limited = (unitSeconds: number) => ({
  ...open,
  anvil_rate_time_unit: `${unitSeconds}s`,
  smtpd_client_message_rate_limit: `${limits.messages}`,
  smtpd_client_recipient_rate_limit: `${limits.recipients}`,
  smtpd_client_auth_rate_limit: `${limits.auths}`,
  smtpd_client_event_limit_exceptions: "",
});

const dovecot = await startDovecot(t);
const [free, long, short] = await Promise.all(
  [open, limited(longUnitSeconds), limited(shortUnitSeconds)].map((settings) =>
    startPostfix(t, { dovecot, settings }),
  ),
);
const set = (unitSeconds: number) => ({
  timeUnit: `${unitSeconds}s`,
  messageRate: limits.messages,
  recipientRate: limits.recipients,
  authRate: limits.auths,
});
const gateway = await startGateway(t, {
  listeners: {
    long: { ...behindProxy("smtp", "postfix"), limits: "long" },
    short: { ...behindProxy("smtp", "postfix"), limits: "short" },
  },
  pools: { postfix: poolOf(free!.port("smtpProxy"), "proxy-v2") },
  limits: { long: set(longUnitSeconds), short: set(shortUnitSeconds) },
});

/** Says one step, and gives its replies. */
async function say(client: Client, step: string | readonly string[]): Promise<string[]> {
  const commands = typeof step === "string" ? [step] : step;
  client.send(commands.map((command) => `${command}\r\n`).join(""));
  const replies: string[] = [];
  for (const command of commands) replies.push(`${command.slice(0, 40)} -> ${await client.reply()}`);
  return replies;
}

/** The whole conversation, without what differs from message to message. */
async function transcript(
  t: Test,
  { port, clock }: Place,
  header: Uint8Array,
  steps: readonly Step[],
): Promise<string[]> {
  const isTimed = steps.some((step) => typeof step === "number");
  if (isTimed) await sleep(1000 - (clock.milliseconds() % 1000) + 20);
  const startMs = Math.floor(clock.milliseconds() / 1000) * 1000;
  const replies: string[] = [];
  let client: Client | null = null;
  for (const step of [null, ...steps]) {
    if (typeof step === "number") await sleep(startMs + step * 1000 - clock.milliseconds());
    else if (step === null || client === null) {
      client?.close();
      client = await Client.connect(t, { port, header });
      replies.push(await client.reply());
    } else replies.push(...(await say(client, step)));
  }
  return replies.map((reply) => reply.replace(/queued as \w+/, "queued as ID"));
}

function sourceOf(index: number, six = false): string {
  return six ? `2001:db8:0:${index + 1}::7` : `203.0.113.${index + 1}`;
}

/** Says every script at both places, some at once, and compares. */
async function compare(t: Test, list: readonly Script[], first: number, places: readonly [Place, Place]) {
  const waiting = [...list.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { says, six, steps }] = next;
      const header = proxyHeader(sourceOf(first + index, six));
      const [there, here] = await Promise.all(places.map((place) => transcript(t, place, header, steps)));
      t.strictSame(here, there, says);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

t.test("postern answers as Postfix's anvil does when clients go beyond their limits", async (t) => {
  t.ok(scripts.length >= 40, `${scripts.length} scripts`);
  await compare(t, scripts, 0, [
    { port: long!.port("smtpProxy"), clock: wallClock },
    { port: gateway.port("long"), clock: systemClock },
  ]);
});

t.test("postern answers as Postfix's anvil does when a window ends", async (t) => {
  await compare(t, timedScripts, scripts.length, [
    { port: short!.port("smtpProxy"), clock: wallClock },
    { port: gateway.port("short"), clock: systemClock },
  ]);
});
