/** Large mails, and what there is of them on the other side. */
import t from "tap";
import { startUpstream } from "../../../live/upstream.ts";
import { loaded, planOf } from "../plans.ts";
import { startSmtp } from "../server.ts";

const { mail } = planOf(1);

t.test("bulk hands in every byte of a large mail when the target takes it", async (t) => {
  const sizeBytes = 3_000_001;
  for (const chunking of [false, true]) {
    const server = await startSmtp(t, { extensions: ["CHUNKING"] });
    const asked = { scenario: "bulk", sessionsMax: 2, mail: { ...mail, sizeBytes, chunking } } as const;
    const tally = await loaded(planOf(server.port, asked));
    t.match(tally.counts, { done: 2, messages: 2 });
    for (const { messages } of server.sessions) {
      t.equal(messages[0]!.length, sizeBytes);
      t.match(
        messages[0]!.toString("latin1"),
        /^From: <a@example\.org>\r\nSubject: x*\r\n\r\n(?:[A-Za-z0-9]{76}\r\n)+$/,
      );
    }
    t.ok(tally.counts.bytesOut > 2 * sizeBytes && tally.counts.bytesOut < 2 * sizeBytes + 1000);
  }
});

t.test("bulk fetches every byte of a large mail when the target speaks IMAP", async (t) => {
  const literal = `${"x".repeat(76)}\r\n`.repeat(40_000);
  const upstream = await startUpstream(t, {
    script: async (end) => {
      end.send("* OK ready\r\n");
      t.equal(await end.line(), 'a LOGIN "u" "p\\"q"\r\n');
      end.send("a OK in\r\n");
      t.equal(await end.line(), "a SELECT INBOX\r\n");
      end.send("* 1 EXISTS\r\na OK selected\r\n");
      for (let fetches = 0; fetches < 2; fetches++) {
        t.equal(await end.line(), "a FETCH 1 BODY.PEEK[]\r\n");
        end.send(`* 1 FETCH (BODY[] {${literal.length}}\r\n${literal} FLAGS ())\r\na OK fetched\r\n`);
      }
      t.equal(await end.line(), "a LOGOUT\r\n");
      end.send("* BYE\r\na OK out\r\n");
      end.end();
    },
  });
  const login = { user: "u", password: 'p"q' };
  const asked = {
    scenario: "bulk",
    protocol: "imap",
    sessionsMax: 2,
    login,
    mail: { ...mail, messages: 2 },
  } as const;
  const tally = await loaded(planOf(upstream.port, asked));
  t.match(tally.counts, { done: 2, messages: 4 });
  t.equal(tally.latencies.fetch!.count, 4);
  t.ok(tally.counts.bytesIn > 4 * literal.length);
});
