/** Sessions that are held. */
import t from "tap";
import { startUpstream } from "../../../live/upstream.ts";
import { faultsOf, loaded, planOf } from "../plans.ts";
import { startSmtp } from "../server.ts";

t.test("idle holds its sessions as long as it is asked to when the target lets it", async (t) => {
  const server = await startSmtp(t);
  const pace = { kind: "closed", concurrency: 5, rampMs: 0 } as const;
  const asked = { scenario: "idle", pace, sessionsMax: 5, idleMs: 200, timeoutMs: 5000 } as const;
  const tally = await loaded(planOf(server.port, asked));
  t.match(tally.counts, { begun: 5, done: 5 });
  t.ok(tally.latencies.idle!.minUs > 198_000);
  for (const { commands } of server.sessions) {
    t.equal(commands.length, 2);
    t.equal(commands[1], "QUIT");
  }
});

t.test("idle counts whom the target ends while they are held", async (t) => {
  const upstream = await startUpstream(t, {
    script: async (end) => {
      end.send("220 mx\r\n");
      await end.line();
      end.send("250 mx\r\n");
      setTimeout(() => {
        end.send("421 4.4.2 timeout\r\n");
        end.end();
      }, 20);
    },
  });
  const tally = await loaded(planOf(upstream.port, { scenario: "idle", idleMs: 60_000 }));
  t.match(tally.counts, { done: 0, failed: 10 });
  t.strictSame(faultsOf(tally), ["idle closed × 10"]);
});
