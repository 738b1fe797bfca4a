/** Mails of the size that was asked for. */
import t from "tap";
import { piecesOf } from "../../../bench/load/message.ts";

t.test("piecesOf has exactly the bytes that are asked for when they are any number", async (t) => {
  const sizes = [
    2, 3, 36, 37, 38, 39, 77, 78, 79, 115, 116, 1000, 262_000, 262_079, 262_080, 262_200, 1_000_000,
  ];
  for (const size of sizes) {
    const message = Buffer.concat(piecesOf("a@example.org", size, ["", ".\r\n"]));
    t.equal(message.length, size + 3, `${size}`);
    const lines = message.toString("latin1").split("\r\n");
    t.strictSame(lines.slice(-2), [".", ""], "a dot and nothing behind it");
    t.notOk(lines.slice(0, -2).some((line) => line.startsWith(".")));
    t.ok(lines.every((line) => line.length <= 100 && !/[\r\n]/.test(line)));
  }
  t.equal(Buffer.concat(piecesOf("a@example.org", 0, ["", ""])).length, 2, "no less than a line");
});

t.test(
  "piecesOf is one write when the mail is small, and of pieces that are the same memory when it is not",
  async (t) => {
    t.equal(piecesOf("a@example.org", 5000, ["BDAT 5000 LAST\r\n", ""]).length, 1);
    const pieces = piecesOf("a@example.org", 10_000_000, ["", ".\r\n"]);
    t.equal(pieces.length, 40);
    t.equal(pieces[1], pieces[20]);
  },
);
