/** Which AUTH lines begin a login, and which of the server's answers are a judgement. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { Logins } from "../../src/smtp/login.ts";

const alice = Buffer.from("\0alice\0secret").toString("base64");

t.test("Logins begins none when no mechanism is named", async (t) => {
  for (const line of ["AUTH\r\n", "AUTH  \r\n"]) t.equal(new Logins().begin(bytesOf(line)), false, line);
});

t.test("Logins tells of a login when the server has judged it", async (t) => {
  for (const [code, lines, facts] of [
    [235, [`AUTH PLAIN ${alice}`], ["true PLAIN alice"]],
    [235, ["auth plain", alice], ["true PLAIN alice"]],
    [235, [" auth\tplain  ="], ["true PLAIN null"]],
    [535, [`AUTH PLAIN ${alice}`], ["false PLAIN alice"]],
    [454, [`AUTH PLAIN ${alice}`], []],
    [501, ["AUTH PLAIN", "*"], []],
  ] as const) {
    const logins = new Logins();
    const told: string[] = [];
    const witness = {
      login: (...fact: [boolean, string, string | null]) =>
        void told.push(fact.join(" ").replace(/ $/, " null")),
    };
    const [first, ...responses] = lines;
    t.equal(logins.begin(bytesOf(`${first}\r\n`)), true);
    for (const response of responses) logins.respond(bytesOf(`${response}\r\n`));
    logins.settle(code, witness);
    logins.settle(code, witness);
    t.strictSame(told, facts, `${code} ${lines.join()}`);
    t.equal(logins.succeeded, code === 235);
  }
});
