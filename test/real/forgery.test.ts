/** Who tries to be somebody else: by a PROXY header from the wrong place, by XCLIENT, by IMAP's ID. */
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";

const balancer = "127.0.0.2";
const stranger = "127.0.0.3";

const dovecot = await startDovecot(t, { trustId: true });
const postfix = await startPostfix(t, { dovecot, xclient: true });
const fromBalancer = { proxy: { mode: "required", from: [`${balancer}/32`] } };
const gateway = await startGateway(t, {
  listeners: {
    smtp: { ...behindProxy("smtp", "smtp"), ...fromBalancer },
    xclient: { ...behindProxy("smtp", "xclient"), ...fromBalancer },
    imap: { ...behindProxy("imap", "imap"), ...fromBalancer },
  },
  pools: {
    smtp: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    xclient: poolOf(postfix.port("smtp"), "xclient"),
    imap: poolOf(dovecot.port("imap"), "id"),
  },
});

const connect = (test: Test, name: string, header: Uint8Array, from = balancer) =>
  Client.connect(test, { port: gateway.port(name), header, from });

t.test("a header is refused without a byte when its peer is not trusted", async (t) => {
  postfix.log.mark();
  const client = await connect(t, "smtp", proxyHeader("203.0.113.7"), stranger);
  t.equal(await client.rest(), "");
  const line = await gateway.session("smtp");
  t.match(line, { outcome: "refused", reason: "proxy-untrusted", client: null, peer: { ip: stranger } });
  t.same(postfix.log.lines(), [], "Postfix has heard nothing");
});

t.test("the same header is believed when the load balancer sends it", async (t) => {
  const client = await connect(t, "smtp", proxyHeader("203.0.113.7"));
  t.equal(await client.reply(), "220 mail.example.test ESMTP Postfix");
  await client.smtp("QUIT");
  await postfix.log.waitFor(/disconnect from unknown\[203\.0\.113\.7\]/);
});

for (const source of ["127.0.0.1", "::ffff:127.0.0.1", "::1"]) {
  t.test(`a header is refused when it says that the client is ${source}`, async (t) => {
    postfix.log.mark();
    const client = await connect(t, "xclient", proxyHeader(source));
    t.equal(await client.rest(), "");
    const line = await gateway.session("xclient");
    t.match(line, { outcome: "refused", reason: "proxy-source", client: null });
    t.same(postfix.log.lines(), [], "Postfix has heard nothing");
  });
}

t.test("a second header ends the session when the client sends it", async (t) => {
  const client = await connect(t, "smtp", proxyHeader("203.0.113.8"));
  await client.reply();
  client.send(proxyHeader("127.0.0.1"));
  // The signature begins with two empty lines; behind them come a NUL, and a line that says QUIT, which Postfix would obey.
  const syntax = "500 5.5.2 Error: bad syntax\r\n";
  t.equal(
    await client.rest(),
    `${syntax}${syntax}521 5.5.2 gateway.example.test Error: NUL byte received\r\n`,
  );
  client.end();
  const line = await gateway.session("smtp", "203.0.113.8");
  t.match(line, { outcome: "refused", reason: "nul-byte" });
  t.notMatch(await postfix.log.waitFor(/disconnect from unknown\[203\.0\.113\.8\]/), "quit=1");
});

for (const name of ["smtp", "xclient"]) {
  t.test(`XCLIENT is not the client's to use when the listener is ${name}`, async (t) => {
    const ip = name === "smtp" ? "203.0.113.9" : "203.0.113.10";
    const client = await connect(t, name, proxyHeader(ip));
    await client.reply();
    t.notMatch(await client.smtp("EHLO client.example.org"), /XCLIENT|XFORWARD/);
    const refused = "502 5.5.1 Error: command not implemented";
    t.equal(await client.smtp("XCLIENT ADDR=127.0.0.1"), refused);
    t.equal(await client.smtp("XCLIENT LOGIN=alice"), refused);
    t.equal(await client.smtp("MAIL FROM:<carol@example.org>"), "250 2.1.0 Ok");
    t.match(await client.smtp("RCPT TO:<outside@example.org>"), "Relay access denied");
    await postfix.log.waitFor(new RegExp(`reject: RCPT from unknown\\[${ip}\\]`));
  });
}

const forgeries = [
  ["alone", 'ID ("x-originating-ip" "198.51.100.1")'],
  ["among others", 'ID ("name" "client" "X-Originating-IP" "198.51.100.1" "x-session-id" "forged")'],
  ["in a literal", "ID ({16+}\r\nx-originating-ip {12+}\r\n198.51.100.1)"],
] as const;
for (const [index, [how, command]] of forgeries.entries()) {
  t.test(`the client's own x-originating-ip has no effect when it stands ${how}`, async (t) => {
    const ip = `203.0.113.${20 + index}`;
    const client = await connect(t, "imap", proxyHeader(ip));
    await client.line();
    t.match(await client.imap(command), /^a1 OK/m);
    t.match(await client.imap(`LOGIN bob ${password}`), /^a2 OK/m);
    t.match(await client.imap("LOGOUT"), /^a3 OK/m);
    const line = await gateway.session("imap", ip);
    const login = await dovecot.log.waitFor(new RegExp(`Login: user=<bob>, .* rip=${ip}, `));
    t.match(login, `session=<${line.id}>`, "one session has one name in both logs");
  });
}

t.test("no login was ever seen from a forged address", async (t) => {
  t.notMatch(dovecot.log.lines().join("\n"), /198\.51\.100\.1|forged/);
});
