/** Who logs in, as far as the lines show it. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { Login } from "../../src/smtp/login.ts";

const base64 = (text: string, encoding: BufferEncoding = "utf8") =>
  Buffer.from(text, encoding).toString("base64");

t.test("Login knows mechanism and user when the lines tell them", async (t) => {
  for (const [lines, mechanism, user] of [
    [[`AUTH PLAIN ${base64("\0alice\0secret")}`], "PLAIN", "alice"],
    [[`auth plain ${base64("boss\0alice\0secret")}`], "PLAIN", "alice"],
    [["AUTH PLAIN", base64("\0älice\0secret")], "PLAIN", "älice"],
    [["AUTH PLAIN", base64("\0\xe4lice\0secret", "latin1")], "PLAIN", "älice"],
    [["AUTH PLAIN =", base64("\0alice\0")], "PLAIN", "alice"],
    [["AUTH LOGIN", base64("alice"), base64("secret")], "LOGIN", "alice"],
    [[`AUTH LOGIN ${base64("alice")}`, base64("secret")], "LOGIN", "alice"],
    [["AUTH LOGIN =", base64("alice"), base64("secret")], "LOGIN", "alice"],
  ] as const) {
    const login = begun(lines);
    t.equal(login?.mechanism, mechanism, lines.join());
    t.equal(login?.user, user, lines.join());
    t.equal(login?.cancelled, false);
  }
});

t.test("Login tells no user when the lines do not, and never a password", async (t) => {
  for (const [lines, mechanism] of [
    [[`AUTH PLAIN ${base64("alice\0secret")}`], "PLAIN"],
    [[`AUTH PLAIN ${base64("secret")}`, base64("\0alice\0secret")], "PLAIN"],
    [[`AUTH PLAIN ${base64("\0\0secret")}`], "PLAIN"],
    [[`AUTH PLAIN ${base64(`\0${"a".repeat(256)}\0secret`)}`], "PLAIN"],
    [["AUTH PLAIN", "not base64!"], "PLAIN"],
    [["AUTH LOGIN", "", base64("secret")], "LOGIN"],
    [["AUTH LOGIN =", "", base64("secret")], "LOGIN"],
    [["AUTH LOGIN", "not base64!", base64("secret")], "LOGIN"],
    [["AUTH LOGIN not-base64!", base64("secret")], "LOGIN"],
    [["AUTH XOAUTH2", base64("user=alice\x01auth=Bearer secret")], "XOAUTH2"],
    [[`AUTH <${"x".repeat(30)}> ${base64("\0alice\0secret")}`], "unknown"],
  ] as const) {
    const login = begun(lines);
    t.equal(login?.mechanism, mechanism);
    t.equal(login?.user, null, lines.join());
  }
});

t.test("Login is none when no mechanism is named, and cancelled when the client says so", async (t) => {
  t.equal(Login.begin(bytesOf("AUTH\r\n")), null);
  t.equal(Login.begin(bytesOf("AUTH  \r\n")), null);
  t.equal(begun(["AUTH LOGIN", base64("alice"), "*"])?.cancelled, true);
});

function begun([first, ...others]: readonly string[]): Login | null {
  const login = Login.begin(bytesOf(`${first}\r\n`));
  for (const line of others) login?.respond(bytesOf(`${line}\r\n`));
  return login;
}
