/** What a contact hears of a target, and how it tells of it, whatever the target says and however it ends. */
import t from "tap";
import { Contact } from "../../../bench/attacks/contact.ts";
import type { End } from "../../live/end.ts";
import { startUpstream } from "../../live/upstream.ts";
import { freePort } from "../../servers/ports.ts";

const nothing = Buffer.alloc(0);

function open(
  port: number,
  signal = new AbortController().signal,
  first: Uint8Array = nothing,
): Promise<Contact> {
  const target = { host: "127.0.0.1", port };
  return Contact.open({ target, protocol: "smtp", isSecure: false, patienceMs: 300, signal }, first);
}

const ends: readonly (readonly [string, (end: End) => void, RegExp])[] = [
  ["closes", (end) => end.end(), /^closed after \d+ ms, nothing said$/],
  ["breaks off", (end) => end.reset(), /^reset after \d+ ms, nothing said$/],
  ["is silent", () => {}, /^still open after 3\d\d ms, nothing said$/],
  [
    "says what no terminal should see",
    (end) => {
      end.send("250-first\r\n250 \x1b[31mé\0\r\n");
      end.end();
    },
    /^closed after \d+ ms, “250 \\x1b\[31m\\xe9\\x00”$/,
  ],
  ["says a long line", (end) => end.send("a".repeat(1000)), /^still open after \d+ ms, “a{71}…”$/],
];

for (const [what, script, told] of ends) {
  t.test(`Contact tells how it ended when the target ${what}`, async (t) => {
    const contact = await open((await startUpstream(t, { script })).port);
    await contact.over();
    t.match(contact.told(), told);
    contact.close();
  });
}

t.test("Contact cannot be reached when nobody listens", async (t) => {
  const port = await freePort();
  const contact = await open(port);
  t.equal(contact.ending, "unreachable");
  t.equal(contact.told(), `127.0.0.1:${port} cannot be reached`);
});

t.test("Contact gives one reply at a time when they have several lines", async (t) => {
  const script = (end: End) => end.send("220-a\r\n220 b\r\n250 half");
  const contact = await open((await startUpstream(t, { script })).port);
  t.ok(await contact.greeted());
  t.same(contact.replies, ["220 b"]);
  t.equal(await contact.ask("NOOP"), null, "half a line is no reply");
  contact.close();
});

t.test(
  "Contact stops pouring when the target does not read, and hears no more than it has room for",
  async (t) => {
    const script = (end: End) => end.pause();
    const contact = await open((await startUpstream(t, { script })).port);
    const poured = await contact.pour(Buffer.alloc(256 * 1024), 1024 ** 3);
    t.ok(poured < 1024 ** 3, `${poured} bytes`);
    contact.close();
    const talkative = await open(
      (await startUpstream(t, { script: (end) => end.send("a".repeat(10 ** 6)) })).port,
    );
    await talkative.over();
    t.equal(talkative.heard.length, 256 * 1024);
    talkative.close();
  },
);

t.test("Contact leaves when it is told to", async (t) => {
  const upstream = await startUpstream(t);
  const leaving = new AbortController();
  const contact = await open(upstream.port, leaving.signal);
  const over = contact.over(60_000);
  leaving.abort();
  t.ok(await over);
  contact.close();
  const late = await open(upstream.port, AbortSignal.abort());
  t.equal(late.ending, "closed");
  t.notOk(await late.greeted());
  late.close();
});
