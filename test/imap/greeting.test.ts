/** What a server's first bytes are taken for, in any cuts. */
import t from "tap";
import { greetingOf } from "../../src/imap/greeting.ts";
import { bytesOf } from "../../src/lines.ts";

t.test("greetingOf decides by the first bytes, and no sooner than they say it", async (t) => {
  for (const [text, expected, decidedAt] of [
    ["* OK hi\r\n", "welcome", 3],
    ["* PREAUTH hi\r\n", "welcome", 3],
    ["* BYE full\r\n", "unwilling", 5],
    ["* bye\r\n", "unwilling", 5],
    ["* BAD\r\n", "welcome", 4],
    // Not a server's words at all: the watch will say so.
    ["220 hi\r\n", "welcome", 1],
    ["\0", "welcome", 1],
  ] as const) {
    for (let length = 1; length <= text.length; length++) {
      const wanted = length < decidedAt ? "unknown" : expected;
      t.equal(greetingOf(bytesOf(text.slice(0, length))), wanted, text.slice(0, length));
    }
  }
});
