/** Who logs in, as far as a mechanism's lines show it. */
import t from "tap";
import { bytesOf } from "../src/lines.ts";
import { SaslLogin, userOf } from "../src/sasl.ts";

const base64 = (text: string, encoding: BufferEncoding = "utf8") =>
  Buffer.from(text, encoding).toString("base64");

t.test("SaslLogin knows mechanism and user when the lines tell them", async (t) => {
  for (const [mechanism, initial, lines, user] of [
    ["PLAIN", base64("\0alice\0secret"), [], "alice"],
    ["plain", base64("boss\0alice\0secret"), [], "alice"],
    ["PLAIN", null, [base64("\0älice\0secret")], "älice"],
    ["PLAIN", null, [base64("\0\xe4lice\0secret", "latin1")], "älice"],
    ["PLAIN", "=", [base64("\0alice\0")], "alice"],
    ["LOGIN", null, [base64("alice"), base64("secret")], "alice"],
    ["LOGIN", base64("alice"), [base64("secret")], "alice"],
    ["LOGIN", "=", [base64("alice"), base64("secret")], "alice"],
  ] as const) {
    const login = begun(mechanism, initial, lines);
    t.equal(login.mechanism, mechanism.toUpperCase());
    t.equal(login.user, user, lines.join());
    t.equal(login.cancelled, false);
  }
});

t.test("SaslLogin tells no user when the lines do not, and never a password", async (t) => {
  for (const [mechanism, initial, lines] of [
    ["PLAIN", base64("alice\0secret"), []],
    ["PLAIN", base64("secret"), [base64("\0alice\0secret")]],
    ["PLAIN", base64("\0\0secret"), []],
    ["PLAIN", base64(`\0${"a".repeat(256)}\0secret`), []],
    ["PLAIN", null, ["not base64!"]],
    ["LOGIN", null, ["", base64("secret")]],
    ["LOGIN", "=", ["", base64("secret")]],
    ["LOGIN", null, ["not base64!", base64("secret")]],
    ["LOGIN", "not-base64!", [base64("secret")]],
    ["XOAUTH2", base64("user=alice\x01auth=Bearer secret"), []],
  ] as const) {
    const login = begun(mechanism, initial, lines);
    t.equal(login.mechanism, mechanism);
    t.equal(login.user, null, lines.join());
  }
});

t.test("SaslLogin does not repeat a mechanism when it is no possible name", async (t) => {
  for (const name of [`<${"x".repeat(30)}>`, "A".repeat(21), "a b", ""])
    t.equal(new SaslLogin(name, base64("\0alice\0secret")).mechanism, "unknown", name);
});

t.test("SaslLogin is cancelled when the client says so", async (t) => {
  const login = begun("LOGIN", null, [base64("alice"), "*"]);
  t.equal(login.cancelled, true);
  t.equal(login.user, "alice");
});

t.test("userOf is null when the bytes can be no name", async (t) => {
  for (const [bytes, user] of [
    [Buffer.alloc(0), null],
    [Buffer.alloc(255, "a"), "a".repeat(255)],
    [Buffer.alloc(256, "a"), null],
  ] as const)
    t.equal(userOf(bytes), user);
});

function begun(mechanism: string, initial: string | null, lines: readonly string[]): SaslLogin {
  const login = new SaslLogin(mechanism, initial);
  for (const line of lines) login.respond(bytesOf(`${line}\r\n`));
  return login;
}
