/** That IMAP's dialogue is put together from the right parts. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { imapDialogue } from "../../src/imap/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";

t.test("imapDialogue offers every part when it is asked", async (t) => {
  const dialogue = imapDialogue({
    hostname: "mail.example.test",
    startTls: "passed",
    loginNeedsTls: false,
  });
  const endpoint = { address: Address.v4(0xcb007107), port: 4 };
  const introduction = { client: endpoint, destination: endpoint, sessionId: "s", tls: null };
  const introducer = dialogue.introduce(introduction, { startsTls: false, names: true });
  const step = introducer.feed(bytesOf("* OK hi\r\n"));
  t.equal(step.kind === "more" && textOf(step.send), "postern1 CAPABILITY\r\n");
  t.match(textOf(dialogue.refusal("max-connections", null)), /^\* BYE /);
  t.match(textOf(dialogue.monitor(true).greeting), /^\* OK .*mail\.example\.test/);
  const chunk = bytesOf('a ID ("x-a" "b")\r\n');
  const witness = {
    allows: () => true,
    maySecure: () => "allowed" as const,
    mayLogIn: () => true,
    message: () => {},
    login: () => {},
  };
  const watch = dialogue.watch(endpoint.address, witness);
  t.equal(textOf(watch.client(chunk)), "a ID NIL\r\n");
  t.equal(watch.server(chunk), chunk);
  t.equal(watch.due().length, 0);
});
