/**
 * Connections that begin and do not go on, and such as break off: each is nothing to the client and may be a descriptor, a
 * place or a thread to the target for ever. Whether it is shows by the next session, which has to be served.
 */
import { type Attack, endedWell, limitedTo, type Observed, seen, type Tools, trick } from "./attack.ts";
import type { Contact } from "./contact.ts";
import { address, enter, visit } from "./honest.ts";

/** So many at a time: more than a target that serves one after the other, and no load. */
const AT_ONCE = 20;

/** Slow enough for any patience, and often enough to look busy to a clock that starts anew with each byte. */
const CRAWL_BYTES = 64;

export const connections: readonly Attack[] = [
  trick("half open", `${AT_ONCE} clients that say nothing, and one that does`, (tools) =>
    crowd(tools, () => Buffer.alloc(0)),
  ),
  trick("half open", "a client that ends its side at once", async (tools) => {
    const contact = await tools.open();
    contact.end();
    await contact.over();
    return seen(contact, endedWell(contact));
  }),
  trick("slow command", "letter by letter, and never whole", (tools) => crawl(tools, enter(tools))),
  trick("reset", "at once", (tools) => breakOff(tools, tools.open(Buffer.alloc(0)))),
  trick("reset", "behind the greeting", (tools) => breakOff(tools, enter(tools))),
  trick("reset", "in a command", (tools) => breakOff(tools, after(enter(tools), "NOO"))),
  trick("reset", "behind a command", (tools) =>
    breakOff(tools, after(enter(tools), tools.plan.protocol === "smtp" ? "NOOP\r\n" : "a NOOP\r\n")),
  ),
  ...limitedTo({ needsProxy: true }, [
    trick("half open", `${AT_ONCE} clients that send a header and nothing more, and one that does`, (tools) =>
      crowd(tools, () => tools.header()),
    ),
    trick("reset", "in the header", (tools) => breakOff(tools, tools.open(tools.header().subarray(0, 13)))),
    trick("reset", "behind the header", (tools) => breakOff(tools, tools.open())),
  ]),
  ...limitedTo({ protocols: ["smtp"] }, [
    trick("slow message", "letter by letter, and never whole", (tools) =>
      crawl(tools, after(address(tools), "DATA\r\n")),
    ),
    trick("reset", "in a message", (tools) =>
      breakOff(tools, after(address(tools), "DATA\r\nSubject: a\r\n\r\nhalf a li")),
    ),
  ]),
  ...limitedTo({ protocols: ["imap"] }, [
    trick("reset", "in a literal", (tools) => breakOff(tools, after(enter(tools), "a LOGIN {10+}\r\nhalf"))),
  ]),
];

/** Whether the next one is served when somebody has broken off. */
async function breakOff(tools: Tools, reaching: Promise<Contact | Observed>): Promise<Observed> {
  const contact = await reaching;
  if ("isWell" in contact) return contact;
  contact.reset();
  contact.close();
  const next = await visit(tools);
  return { ...next, outcome: `the next one ${next.outcome}` };
}

async function crawl(tools: Tools, reaching: Promise<Contact | Observed>): Promise<Observed> {
  const contact = await reaching;
  if ("isWell" in contact) return contact;
  await contact.drip(Buffer.alloc(CRAWL_BYTES, "a"), tools.patienceMs);
  return seen(contact, endedWell(contact));
}

async function after(reaching: Promise<Contact | Observed>, words: string): Promise<Contact | Observed> {
  const contact = await reaching;
  if (!("isWell" in contact)) contact.send(words);
  return contact;
}

/** Whether one is served while so many others wait. */
async function crowd(tools: Tools, first: () => Uint8Array): Promise<Observed> {
  const others = await Promise.all(Array.from({ length: AT_ONCE }, () => tools.open(first())));
  const served = await visit(tools);
  for (const other of others) other.close();
  return served;
}
