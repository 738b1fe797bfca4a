/** CRC32C against its published check values and against a bit-by-bit reading of the polynomial. */
import fc from "fast-check";
import t from "tap";
import { crc32c } from "../../src/proxy/crc32c.ts";

t.test("crc32c gives the published value when fed the known inputs", async (t) => {
  // The check input of the CRC catalogues, then RFC 3720 B.4.
  t.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  t.equal(crc32c(new Uint8Array(0)), 0);
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e);
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c);
});

t.test("crc32c agrees with polynomial division when the bytes are any", async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => crc32c(bytes) === divided(bytes)));
});

t.test("crc32c gives the same when the bytes come in two parts", async () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), (bytes, cut) => {
      const at = cut % (bytes.length + 1);
      return crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))) === crc32c(bytes);
    }),
  );
});

/** The unreflected polynomial, on bits taken lowest first: no table, and nothing shared with the code that is tested. */
function divided(bytes: Uint8Array): number {
  let remainder = 0xffffffffn;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const out = (remainder >> 31n) ^ BigInt((byte >> bit) & 1);
      remainder = ((remainder << 1n) & 0xffffffffn) ^ (out === 1n ? 0x1edc6f41n : 0n);
    }
  }
  const bits = (remainder ^ 0xffffffffn).toString(2).padStart(32, "0");
  return Number.parseInt([...bits].reverse().join(""), 2);
}
