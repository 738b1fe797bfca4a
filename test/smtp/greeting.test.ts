/** What a server's first bytes are taken for, in any cuts. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { greetingOf } from "../../src/smtp/greeting.ts";

t.test("greetingOf decides by the first bytes, and no sooner than they say it", async (t) => {
  for (const [text, expected, decidedAt] of [
    ["220 mx\r\n", "welcome", 1],
    ["220-mx\r\n", "welcome", 1],
    ["421 4.3.2 busy\r\n", "unwilling", 3],
    ["450\r\n", "unwilling", 3],
    ["521-no\r\n", "averse", 3],
    ["554 no\r\n", "averse", 3],
    // Not a server's words at all: the watch will say so.
    ["4x1 what\r\n", "welcome", 2],
    ["* OK hi\r\n", "welcome", 1],
    ["\0", "welcome", 1],
  ] as const) {
    for (let length = 1; length <= text.length; length++) {
      const wanted = length < decidedAt ? "unknown" : expected;
      t.equal(greetingOf(bytesOf(text.slice(0, length))), wanted, text.slice(0, length));
    }
  }
});
