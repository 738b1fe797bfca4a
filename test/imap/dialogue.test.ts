/** That IMAP's dialogue is put together from the right parts. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { imapDialogue } from "../../src/imap/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";

const options = {
  hostname: "mail.example.test",
  startTls: "offered",
  loginNeedsTls: true,
  banText: null,
} as const;

t.test("imapDialogue offers every part when it is asked", async (t) => {
  const dialogue = imapDialogue(options);
  const endpoint = { address: Address.v4(0xcb007107), port: 4 };
  const introduction = { client: endpoint, destination: endpoint, sessionId: "s", tls: null };
  const introducer = dialogue.introduce(introduction, { startsTls: true, names: false });
  const step = introducer.feed(bytesOf("* OK hi\r\n"));
  t.equal(step.kind === "more" && textOf(step.send), "postern0 STARTTLS\r\n");
  t.match(textOf(dialogue.refusal("max-connections", null)), /^\* BYE /);
  t.match(textOf(dialogue.monitor(true).greeting), /^\* OK .*mail\.example\.test/);
  const witness = {
    allows: () => false,
    maySecure: () => "allowed" as const,
    mayLogIn: () => true,
    message: () => {},
    login: () => {},
  };
  const watch = dialogue.watch(endpoint.address, witness);
  const shown = watch.server(bytesOf("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n"));
  t.equal(textOf(shown), "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n");
  watch.client(bytesOf("a LOGIN joe x\r\n"));
  t.equal(textOf(watch.due()), "a NO [LIMIT] Too many login attempts, try again later\r\n");
});

t.test("imapDialogue turns a banned client away in the listener's own text where it has one", async (t) => {
  const said = (banText: string | null) =>
    textOf(imapDialogue({ ...options, banText }).refusal("banned", Address.parse("203.0.113.7")));
  t.equal(said(null), "* BYE [NOPERM] Access denied\r\n");
  t.equal(said("See https://example.test/ban"), "* BYE [NOPERM] See https://example.test/ban\r\n");
});
