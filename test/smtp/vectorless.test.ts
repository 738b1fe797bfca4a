/** The end of a message where there are no vectors to skip with: all the same. */
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { anyMessage, checkEnd } from "./ends.ts";

Reflect.deleteProperty(globalThis, "WebAssembly");
const { MessageEnd } = await import("../../src/smtp/data.ts");
const { BLOCK_BYTES, hold, skip } = await import("../../src/smtp/skip.ts");

t.test("MessageEnd finds the end and what stands alone when there are no vectors", async (t) => {
  hold(bytesOf("plain"));
  t.equal(skip(1, 5), 1, "nothing is skipped");
  fc.assert(
    fc.property(anyMessage(BLOCK_BYTES), ([text, cuts]) => checkEnd(new MessageEnd(), text, cuts)),
    { numRuns: 200 },
  );
});
