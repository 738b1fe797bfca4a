/** The watch on whole sessions: what passes, what postern says itself, and what it tells. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { anyCuts, singly } from "../cuts.ts";
import {
  type Allowances,
  Followed,
  helloReply,
  opening,
  openingHeard,
  openingSaid,
  type Script,
} from "./follow.ts";

const mail = "MAIL FROM:<carol@example.org>\r\n";
const rcpt = "RCPT TO:<alice@example.test>\r\n";
const ok = "250 2.1.0 Ok\r\n";
const goAhead = "354 End data with <CR><LF>.<CR><LF>\r\n";
const away = "421 4.3.2 mx.example.test Service not available, try again later\r\n";
const tooMuch = "450 4.7.1 Error: too much mail from 203.0.113.7\r\n";
const tooMany = "450 4.7.1 Error: too many recipients from 203.0.113.7\r\n";
const notImplemented = "502 5.5.1 Error: command not implemented\r\n";
const plain = Buffer.from("\0alice\0secret").toString("base64");
const asked = { mail: "message-rate", rcpt: "recipient-rate", auth: "auth-rate" } as const;

interface Case {
  /** Behind the opening. */
  readonly script: Script;
  readonly allowances?: Allowances;
  /** What the server hears; all that the client says, when it is left out. */
  readonly heard?: string;
  /** What the client is told; all that the server says, when it is left out. */
  readonly told?: string;
  readonly asked?: readonly string[];
  readonly facts?: readonly string[];
  /** `following`, when it is left out. */
  readonly end?: string;
}

const cases: Readonly<Record<string, Case>> = {
  "a message by DATA": {
    script: [
      ["C", mail],
      ["S", ok],
      ["C", rcpt],
      ["S", ok],
      ["C", "DATA\r\n"],
      ["S", goAhead],
      ["C", "Subject: x\r\n\r\n..\r\n.a\r\n.\r\n"],
      ["S", "250 2.0.0 Ok: queued as A\r\n"],
      ["C", "QUIT\r\n"],
      ["S", "221 2.0.0 Bye\r\n"],
    ],
    asked: [asked.mail, asked.rcpt],
    facts: ["message + 1"],
  },
  "an empty message": {
    script: [
      ["C", `${mail + rcpt}DATA\r\n`],
      ["S", ok + ok + goAhead],
      ["C", ".\r\n"],
      ["S", "250 Ok\r\n"],
    ],
    asked: [asked.mail, asked.rcpt],
    facts: ["message + 1"],
  },
  "pipelined messages, one refused at its end": {
    script: [
      ["C", `${mail}${rcpt}${rcpt}DATA\r\n`],
      ["S", `${ok}${ok}550 5.1.1 no\r\n${goAhead}`],
      ["C", `a\r\n.\r\n${mail}${rcpt}DATA\r\n`],
      ["S", `550 5.7.1 spam\r\n${ok}${ok}${goAhead}`],
      ["C", "b\r\n.\r\nQUIT\r\n"],
      ["S", `${ok}221 Bye\r\n`],
    ],
    asked: [asked.mail, asked.rcpt, asked.rcpt, asked.mail, asked.rcpt],
    facts: ["message - 1", "message + 1"],
  },
  "messages one after the other": {
    script: [
      ["C", `${mail}${rcpt}RSET\r\n${mail}${rcpt}DATA\r\n`],
      ["S", `${ok.repeat(5)}${goAhead}`],
      ["C", "\r\n.\r\n"],
      ["S", "550 5.7.1 spam\r\n"],
      ["C", mail],
    ],
    allowances: { "message-rate": 2 },
    heard: `${mail}${rcpt}RSET\r\n${mail}${rcpt}DATA\r\n\r\n.\r\n`,
    told: `${ok.repeat(5)}${goAhead}550 5.7.1 spam\r\n${tooMuch}`,
    asked: [asked.mail, asked.rcpt, asked.mail, asked.rcpt, asked.mail],
    facts: ["message - 1"],
  },
  "messages by BDAT": {
    script: [
      ["C", `${mail}${rcpt}BDAT 8\r\nDATA\r\n.\nBDAT 3 LAST\r\nx\r\n${mail}${rcpt}bdat 0 last\r\n`],
      ["S", `${ok}${ok}250 2.0.0 Ok: 8 bytes\r\n250 2.0.0 queued\r\n${ok}${ok}`],
      ["S", "451 4.3.0 no\r\n"],
    ],
    asked: [asked.mail, asked.rcpt, asked.mail, asked.rcpt],
    facts: ["message + 1", "message - 1"],
  },
  "a refused chunk": {
    script: [
      ["C", `BDAT 6\r\nXCLIEN`],
      ["S", "503 5.5.1 Error: need RCPT command\r\n"],
      ["C", `BDAT 6 LAST\r\nRSET\r\n${mail}`],
      ["S", `551 5.0.0 Discarded 6 bytes\r\n${ok}`],
    ],
    asked: [asked.mail],
    facts: ["message - 0"],
  },
  "recipients after a chunk": {
    script: [
      ["C", `${mail}${rcpt}BDAT 1\r\nx${rcpt}`],
      ["S", `${ok}${ok}${ok}503 5.5.1 Error: RCPT after BDAT\r\n`],
      ["C", rcpt],
    ],
    asked: [asked.mail, asked.rcpt],
  },
  "MAIL in a wrong place or form": {
    script: [
      ["C", mail],
      ["S", ok],
      ["C", mail],
      ["S", "503 5.5.1 Error: nested MAIL command\r\n"],
      ["C", "RSET\r\n"],
      ["S", ok],
      [
        "C",
        "MAIL\r\nMAIL FROM:\r\nMAIL FROM: \r\nMAIL TO:<a>\r\nMAIL FROM <a>\r\nMAIL FROM :<a>\r\nMAILS FROM:<a>\r\n",
      ],
      ["S", "501 no\r\n".repeat(7)],
      ["C", " mail\tFrom: <a"],
      ["C", "\r\n"],
      ["S", "501 5.1.7 Bad sender address syntax\r\n"],
    ],
    asked: [asked.mail, asked.mail],
  },
  "pipelined nested MAIL": {
    script: [
      ["C", `${mail}${mail}RSET\r\n${mail}`],
      ["S", `${ok}503 nested\r\n${ok}${ok}`],
    ],
    asked: [asked.mail, asked.mail],
  },
  "MAIL behind a MAIL that fails": {
    script: [
      ["C", mail + mail + rcpt],
      ["S", `550 no\r\n${ok}${ok}`],
    ],
    asked: [asked.mail, asked.rcpt, asked.mail],
  },
  "RCPT in a wrong place or form": {
    script: [
      ["C", rcpt],
      ["S", "503 no\r\n"],
      ["C", `${mail}RCPT TO:\r\nRCPT <a>\r\nrcpt  to:\t<a>\r\n`],
      ["S", `${ok}501 no\r\n501 no\r\n${ok}`],
    ],
    asked: [asked.mail, asked.rcpt],
  },
  "the transaction's ends": {
    script: [
      ["C", `${mail}RSET\r\n${mail}EHLO x\r\n${mail}HELO x\r\n${mail}DATA\r\n`],
      ["S", `${ok}${ok}${ok}${helloReply}${ok}250 x\r\n${ok}554 5.5.1 Error: no valid recipients\r\n`],
      ["C", "EHLO\r\n"],
      ["S", "501 Syntax\r\n"],
      ["C", "RSET foo\r\n"],
      ["S", "501 Syntax\r\n"],
      ["C", mail],
      ["S", "503 nested\r\n"],
    ],
    told: `${ok}${ok}${ok}${helloReply.replace(/250-X.*\r\n/, "")}${ok}250 x\r\n${ok}554 5.5.1 Error: no valid recipients\r\n501 Syntax\r\n501 Syntax\r\n503 nested\r\n`,
    asked: [asked.mail, asked.mail, asked.mail, asked.mail],
  },
  "a message refused at DATA": {
    script: [
      ["C", `${mail}${rcpt}DATA\r\n`],
      ["S", `${ok}${ok}451 4.7.1 later\r\n`],
      ["C", "NOOP\r\n"],
      ["S", ok],
    ],
    asked: [asked.mail, asked.rcpt],
    facts: ["message - 1"],
  },
  "too much mail": {
    script: [
      ["C", `NOOP\r\n${mail}${rcpt}DATA\r\n`],
      ["S", `${ok}503 5.5.1 Error: need MAIL command\r\n503 need RCPT\r\n`],
      ["C", mail],
    ],
    allowances: { "message-rate": 0 },
    heard: `NOOP\r\n${rcpt}DATA\r\n`,
    told: `${ok}${tooMuch}503 5.5.1 Error: need MAIL command\r\n503 need RCPT\r\n${tooMuch}`,
    asked: [asked.mail, asked.mail],
  },
  "too many recipients": {
    script: [
      ["C", `${mail + rcpt + rcpt + rcpt}DATA\r\n`],
      ["S", ok],
      ["S", ok + goAhead],
      ["C", "\r\n.\r\n"],
      ["S", ok],
    ],
    allowances: { "recipient-rate": 1 },
    heard: `${mail}${rcpt}DATA\r\n\r\n.\r\n`,
    told: `${ok}${ok}${tooMany}${tooMany}${goAhead}${ok}`,
    asked: [asked.mail, asked.rcpt, asked.rcpt, asked.rcpt],
    facts: ["message + 1"],
  },
  "too many AUTH commands": {
    script: [
      ["C", "AUTH\r\n"],
      ["S", "501 5.5.4 Syntax: AUTH mechanism\r\n"],
      ["C", `AUTH PLAIN ${plain}\r\nNOOP\r\n`],
      ["S", ok],
    ],
    allowances: { "auth-rate": 1 },
    heard: "AUTH\r\nNOOP\r\n",
    told: `501 5.5.4 Syntax: AUTH mechanism\r\n450 4.7.1 Error: too many AUTH commands from 203.0.113.7\r\n${ok}`,
    asked: [asked.auth, asked.auth],
  },
  "a recipient that the server takes against all odds, one too many": {
    script: [
      ["C", `${mail}RSET foo\r\n${rcpt}NOOP\r\n`],
      ["S", `${ok}501 Syntax\r\n${ok}${ok}`],
      ["C", "QUIT\r\n"],
    ],
    allowances: { "recipient-rate": 0 },
    heard: `${mail}RSET foo\r\n${rcpt}NOOP\r\n`,
    told: `${ok}501 Syntax\r\n${tooMany}${away}`,
    asked: [asked.mail, asked.rcpt],
    end: "refused recipient-rate",
  },
  logins: {
    script: [
      ["C", `AUTH PLAIN ${plain}\r\n`],
      ["S", "535 5.7.8 no\r\n"],
      ["C", "auth plain\r\n"],
      ["S", "334 \r\n"],
      ["C", `${plain}\r\n`],
      ["S", "454 4.7.0 later\r\n"],
      ["C", "AUTH LOGIN =\r\n"],
      ["S", "334 VXNlcm5hbWU6\r\n"],
      ["C", "Ym9i\r\n"],
      ["S", "334 UGFzc3dvcmQ6\r\n"],
      ["C", "XCLIENT\r\n"],
      ["S", "535 no\r\n"],
      ["C", "AUTH LOGIN Ym9i\r\n"],
      ["S", "334 UGFzc3dvcmQ6\r\n"],
      ["C", "*\r\n"],
      ["S", "501 5.7.0 Authentication aborted\r\n"],
      ["C", `AUTH PLAIN ${plain}\r\nAUTH PLAIN ${plain}\r\n`],
      ["S", "503 5.5.1 Error: authentication not enabled\r\n"],
      ["S", "530 5.7.0 Must issue a STARTTLS command first\r\n"],
      ["C", "AUTH CRAM-MD5\r\n"],
      ["S", "334 PDE+\r\n"],
      ["C", "Ym9iIDEyMw==\r\n"],
      ["S", "235 2.7.0 in\r\n"],
      ["C", mail],
      ["S", ok],
    ],
    asked: [...Array(7).fill(asked.auth), asked.mail],
    facts: ["login - PLAIN alice", "login - LOGIN bob", "login + CRAM-MD5 null"],
  },
  "the servers' own commands": {
    script: [
      ["C", "NOOP\r\nXCLIENT ADDR=192.0.2.1\r\n \vxforward\tNAME=x\r\nxclient\r\nXCLIENTS\r\n"],
      ["S", `${ok}502 5.5.2 Error: command not recognized\r\n`],
    ],
    heard: "NOOP\r\nXCLIENTS\r\n",
    told: `${ok}${notImplemented.repeat(3)}502 5.5.2 Error: command not recognized\r\n`,
  },
  "BDAT that is not offered": {
    script: [
      ["C", "HELO x\r\nBDAT 6\r\nRSET\r\nNOOP\r\n"],
      ["S", "250 x\r\n250 y\r\n"],
      ["C", "BDAT 0 LAST\r\nNOOP\r\nBDAT 9 LAST\r\nMAIL FROM"],
      ["S", "250 z\r\n"],
    ],
    heard: "HELO x\r\nNOOP\r\nNOOP\r\n",
    told: `250 x\r\n${notImplemented}250 y\r\n${notImplemented}250 z\r\n${notImplemented}`,
  },
  "BDAT that may not be offered any more": {
    script: [
      ["C", "EHLO x\r\nHELO x\r\n"],
      ["S", "250-x\r\n250 CHUNKING\r\n"],
      ["C", "BDAT 6\r\nRSET\r\nNOOP\r\n"],
      ["S", "250 x\r\n250 y\r\n"],
    ],
    heard: "EHLO x\r\nHELO x\r\nNOOP\r\n",
    told: `250-x\r\n250 CHUNKING\r\n250 x\r\n${notImplemented}250 y\r\n`,
  },
  STARTTLS: {
    script: [
      ["C", "STARTTLS\r\n"],
      ["S", "454 4.7.0 later\r\n"],
      ["C", "NOOP\r\nSTARTTLS\r\n"],
      ["S", `${ok}220 2.0.0 Ready\r\n`],
      ["C", "\x16\x03\n\r\0"],
      ["S", "\x16\x03"],
    ],
    end: "opaque",
  },
  "all other commands": {
    script: [
      ["C", "VRFY a\r\nETRN a\r\nHELP\r\nEXPN\r\n\r\nGETS / HTTP/1.1\r\nQUIT\r\n"],
      ["S", "252 a\r\n250 b\r\n214-a\r\n214 b\r\n502 c\r\n500 d\r\n500 e\r\n221\r\n"],
    ],
  },
  "a server that goes away": {
    script: [
      ["C", "HELP\r\nNOOP\r\n"],
      ["S", "214-a\r\n421 4.3.2 bye\r\n"],
      ["S", ok],
      ["S", "421-4.4.2 timeout\r\n421 exceeded\r\n"],
    ],
  },
  "a bare LF": {
    script: [
      ["C", `${mail + rcpt}DATA\r\n`],
      ["S", ok + ok + goAhead],
      ["C", "a\r\nb\n.\r\nc\r\n"],
      ["C", ".\r\nQUIT\r\n"],
      ["C", "NOOP\r\n"],
    ],
    heard: `${mail}${rcpt}DATA\r\n`,
    told: `${ok}${ok}${goAhead}550 5.5.2 mx.example.test Error: bare <LF> received\r\n${away}`,
    asked: [asked.mail, asked.rcpt],
    facts: ["message - 1"],
    end: "refused bare-newline",
  },
  "a bare CR, and no end of the message": {
    script: [
      ["C", `${mail + rcpt}DATA\r\n`],
      ["S", ok + ok + goAhead],
      ["C", "\ra"],
      ["C", "\r\n.\n\r\n..\r\n"],
    ],
    heard: `${mail}${rcpt}DATA\r\n`,
    asked: [asked.mail, asked.rcpt],
    facts: ["message - 1"],
    end: "severed",
  },
};

for (const [name, one] of Object.entries(cases)) {
  t.test(`SmtpWatch follows ${name} when it is cut anywhere`, async (t) => {
    const wholly = played(one);
    t.equal(wholly.toServer, openingHeard + (one.heard ?? said(one, "C")), "heard");
    t.equal(wholly.toClient, openingSaid + (one.told ?? said(one, "S")), "told");
    t.same(wholly.asked, one.asked ?? []);
    t.same(wholly.facts, one.facts ?? []);
    t.equal(wholly.end, one.end ?? "following");
    assert.deepEqual(comparable(played(one, singly)), comparable(wholly));
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        assert.deepEqual(comparable(played(one, () => cuts)), comparable(wholly));
      }),
      { numRuns: 50 },
    );
  });
}

type Outcome = Followed["outcome"];

function played({ script, allowances }: Case, cutsOf?: (bytes: Uint8Array) => readonly number[]): Outcome {
  return new Followed(allowances).play([...opening, ...script], cutsOf).outcome;
}

function said({ script }: Case, side: "C" | "S"): string {
  return script.map(([who, text]) => (who === side ? text : "")).join("");
}

/** How much of a message has passed before it is cut off depends on the cuts. */
function comparable(outcome: Outcome): Partial<Outcome> {
  const { toServer, ...rest } = outcome;
  return /severed|bare-newline/.test(outcome.end) ? rest : { toServer, ...rest };
}
