/** ID against a server that speaks as Dovecot does: our own first, the client's without what names a client. */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const hello = "* OK [CAPABILITY IMAP4rev1 ID STARTTLS LOGINDISABLED] upstream ready.\r\n";
const unavailable = "* BYE [UNAVAILABLE] Service not available, try again later\r\n";

function start(t: Test, upstream: Upstream): Promise<Gateway> {
  return startGateway(t, {
    listeners: { imap: behindProxy("imap", "dovecot") },
    pools: { dovecot: poolOf(upstream.port, "id") },
  });
}

/** Our ID of a client, less the session's id, which nobody knows beforehand. */
function idOf(source: string, destination: string): RegExp {
  const fields = `"x-originating-ip" "${source}" "x-originating-port" "40123" "x-connected-ip" "${destination}" "x-connected-port" "25"`;
  return new RegExp(
    `^(\\S+) ID \\(${fields.replaceAll(".", "\\.")} "x-session-id" "[\\w-]+" "x-client-transport" "insecure" "x-proxy-ttl" "4"\\)\r\n$`,
  );
}

/** Answers our ID, and gives its tag. */
async function believe(server: End, pattern: RegExp): Promise<void> {
  const tag = pattern.exec(await server.line())?.[1];
  if (tag === undefined) throw new Error(`not ${pattern}`);
  server.send(`* ID ("name" "Dovecot")\r\n${tag} OK ID completed.\r\n`);
}

t.test("ID names the client first, and the client then sees the greeting", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  for (const [source, destination] of [
    ["203.0.113.7", "192.0.2.25"],
    ["2001:db8::7", "2001:db8:ffff::25"],
  ] as const) {
    const early = "a1 CAPABILITY\r\n";
    const client = await End.connect(
      t,
      { port: gateway.port("imap") },
      Buffer.concat([proxyHeader(source), Buffer.from(early)]),
    );
    const server = await upstream.next();
    server.send(hello);
    await believe(server, idOf(source, destination));
    t.equal(await client.line(), hello, "nothing of our own conversation reaches the client");
    t.equal(await server.line(), early);
    client.send('a2 ID ("name" "mutt" "x-originating-ip" "198.51.100.1" "X-Session-Id" "mine")\r\n');
    t.equal(await server.line(), 'a2 ID ("name" "mutt")\r\n', "a client does not name itself");
    server.send("a1 OK done\r\na2 OK done\r\n");
    t.equal(await client.through("a2 OK done\r\n"), "a1 OK done\r\na2 OK done\r\n");
  }
});

t.test("ID takes a greeting in pieces, and asks for capabilities that it does not list", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  const client = await End.connect(t, { port: gateway.port("imap") }, proxyHeader("203.0.113.7"));
  const server = await upstream.next();
  for (const piece of ["* O", "K upstr", "eam\r", "\n"]) server.send(piece);
  const [tag] = (await server.through(" CAPABILITY\r\n")).split(" ");
  server.send(`* CAPABILITY IMAP4rev1 ID\r\n${tag} OK done\r\n`);
  await believe(server, idOf("203.0.113.7", "192.0.2.25"));
  t.equal(await client.line(), "* OK upstream\r\n");
});

t.test("no client gets past an upstream that does not take ID", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  const cases = [
    {
      name: "ID is not offered",
      turns: ["* OK a\r\n", "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"],
      client: unavailable,
      reason: "identity-refused",
    },
    {
      name: "ID is refused",
      turns: [hello, "TAG BAD what\r\n"],
      client: unavailable,
      reason: "identity-refused",
    },
    {
      name: "the greeting is no IMAP",
      turns: ["220 hello\r\n"],
      client: unavailable,
      reason: "identity-refused",
    },
    {
      name: "everybody is logged in",
      turns: ["* PREAUTH welcome\r\n"],
      client: unavailable,
      reason: "identity-refused",
    },
    {
      name: "the greeting is BYE",
      turns: ["* BYE not you\r\n"],
      client: "* BYE not you\r\n",
      reason: "upstream-unavailable",
    },
    {
      name: "it closes before its greeting",
      turns: [null],
      client: unavailable,
      reason: "upstream-unavailable",
    },
    {
      name: "it closes instead of its OK",
      turns: [hello, null],
      client: unavailable,
      reason: "upstream-unavailable",
    },
  ];
  for (const [index, { name, turns, client: words, reason }] of cases.entries()) {
    const source = `203.0.113.${index + 10}`;
    const client = await End.connect(t, { port: gateway.port("imap") }, proxyHeader(source));
    const server = await upstream.next();
    let tag = "";
    for (const [turn, said] of turns.entries()) {
      if (turn > 0) tag = (await server.line()).split(" ")[0] ?? "";
      if (said === null) server.end();
      else server.send(said.replace("TAG", tag));
    }
    t.equal(await client.rest(), words, name);
    client.end();
    t.match(await gateway.session("imap", source), { outcome: "failed", reason }, name);
  }
});

t.test("a client whose commands cannot be followed is let go, with the reason", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  const client = await End.connect(t, { port: gateway.port("imap") }, proxyHeader("203.0.113.7"));
  const server = await upstream.next();
  server.send(hello);
  await believe(server, idOf("203.0.113.7", "192.0.2.25"));
  await client.line();
  client.send('a1 ID {3}\r\n("x-originating-ip" "198.51.100.1")\r\n');
  t.match(await client.rest(), /^\* BYE /);
  t.equal(await server.rest(), "", "and the upstream has not seen them");
  client.end();
  t.match(await gateway.session("imap"), { outcome: "refused", reason: "protocol-violation" });
});
