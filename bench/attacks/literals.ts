/**
 * What only IMAP has to be tricked with: literals, which announce how many bytes come (RFC 9051 4.3, RFC 7888), tags, which
 * come back as they were sent, and ID (RFC 2971), by which proxies tell servers who a client is.
 */
import { endedWell, limitedTo, type Observed, seen, type Tools, trick } from "./attack.ts";
import { enter } from "./honest.ts";

/** As much of a literal as is really sent: beyond the buffers of both kernels, so that somebody has to take it. */
const SENT_BYTES = 8 * 1024 * 1024;

const PIECE_BYTES = 64 * 1024;

const FORGED =
  '("x-originating-ip" "127.0.0.1" "x-originating-port" "7" "x-connected-ip" "127.0.0.1" "x-proxy-ttl" "1")';

const refusal = /^(?:\S+ (?:BAD|NO)\b|\* BYE\b)/im;

export const literals = limitedTo({ protocols: ["imap"] }, [
  trick("literal", "{99999999+} of a login", (tools) => bomb(tools, "a LOGIN {99999999+}\r\n")),
  trick("literal", "{99999999+} of a command that is none", (tools) => bomb(tools, "a FOO {99999999+}\r\n")),
  trick("literal", "{99999999}, which is to be waited for", (tools) => announce(tools, "{99999999}")),
  trick("literal", "{99999999999999999999}", (tools) => announce(tools, "{99999999999999999999}")),
  trick("literal", "{-1}", (tools) => announce(tools, "{-1}")),
  trick("literal", "a thousand small ones in one command", async (tools) => {
    const contact = await enter(tools);
    if ("isWell" in contact) return contact;
    contact.send(`a LOGIN ${"{1+}\r\na ".repeat(1000)}\r\n`);
    await contact.hears(refusal);
    return seen(contact, refusal.test(contact.heard) ? true : endedWell(contact));
  }),
  trick("tag", "of 1 MiB", async (tools) => {
    const contact = await enter(tools);
    if ("isWell" in contact) return contact;
    await contact.pour(Buffer.alloc(PIECE_BYTES, "a"), 1024 * 1024);
    contact.send(" NOOP\r\n");
    await contact.hears(refusal);
    return seen(contact, refusal.test(contact.heard) ? true : endedWell(contact));
  }),
  trick("tag", "that is a server's: *", async (tools) => {
    const contact = await enter(tools);
    if ("isWell" in contact) return contact;
    const answer = await contact.answer("* NOOP\r\n");
    return seen(contact, refusal.test(answer) ? true : endedWell(contact));
  }),
  trick("ID", "of a client that says who it is", async (tools) => {
    const contact = await enter(tools);
    if ("isWell" in contact) return contact;
    if (refusal.test(await contact.answer(`a ID ${FORGED}\r\n`))) return seen(contact, true);
    return seen(contact, endedWell(contact), "whether it is believed only the server's log tells");
  }),
]);

/** Sends on without waiting to be asked. */
async function bomb(tools: Tools, beginning: string): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  contact.send(beginning);
  const took = await contact.pour(Buffer.alloc(PIECE_BYTES, "a"), SENT_BYTES);
  await contact.hears(refusal);
  return seen(contact, refusal.test(contact.heard) ? true : endedWell(contact), `${took / 1024} KiB sent`);
}

async function announce(tools: Tools, literal: string): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  const answer = await contact.answer(`a LOGIN ${literal}\r\n`);
  return seen(contact, refusal.test(answer) ? true : endedWell(contact));
}
