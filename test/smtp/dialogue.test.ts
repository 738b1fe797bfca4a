/** That SMTP's dialogue is put together from the right parts. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { smtpDialogue } from "../../src/smtp/dialogue.ts";

t.test("smtpDialogue speaks under its host name when it is asked to speak", async (t) => {
  const dialogue = smtpDialogue({
    hostname: "mx.example.test",
    earlyTalk: "pass",
    bareNewline: "reject",
    startTls: "passed",
    loginNeedsTls: false,
    banText: null,
  });
  const endpoint = { address: Address.v4(0xcb007107), port: 4 };
  const introduction = { client: endpoint, destination: endpoint, sessionId: "s", tls: null };
  const introducer = dialogue.introduce(introduction, { startsTls: true, names: false });
  const step = introducer.feed(bytesOf("220 hi\r\n"));
  t.equal(step.kind === "more" && textOf(step.send), "EHLO mx.example.test\r\n");
  t.match(textOf(dialogue.refusal("max-connections", null)), /^421 4\.3\.2 mx\.example\.test /);
  t.match(textOf(dialogue.monitor(true).greeting), /^220 mx\.example\.test /);
  const witness = {
    allows: () => false,
    maySecure: () => "allowed" as const,
    mayLogIn: () => true,
    message: () => {},
    login: () => {},
  };
  const watch = dialogue.watch(endpoint.address, witness);
  watch.server(bytesOf("220 hi\r\n"));
  watch.client(bytesOf("AUTH PLAIN\r\n"));
  t.equal(textOf(watch.due()), "450 4.7.1 Error: too many AUTH commands from 203.0.113.7\r\n");
});
