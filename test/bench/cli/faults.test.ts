/** Whole runs against targets that are not as they should be: none makes one hang, or fail itself. */
import type { Socket } from "node:net";
import t from "tap";
import type { FaultCount } from "../../../bench/load/result.ts";
import { freePort, listen, ran } from "./bench.ts";

t.test("a scenario counts faults by kind, and ends with 1, when nothing gets through", async (t) => {
  const table: readonly [string, string, ((socket: Socket) => void) | null][] = [
    ["is down", "refused", null],
    ["says nothing", "timeout", () => {}],
    ["speaks HTTP", "protocol", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["speaks for ever", "protocol", (socket) => socket.write("x".repeat(1 << 20))],
    ["resets at once", "reset", (socket) => socket.resetAndDestroy()],
    ["closes midway", "closed", (socket) => socket.end("220 mx.example.test ESMTP\r\n")],
  ];
  for (const [what, kind, serve] of table) {
    const port = serve === null ? await freePort() : await listen(t, serve);
    const words = `churn --target 127.0.0.1:${port} --sessions 5 --duration 1s --timeout 200ms --json`;
    const { code, stdout, stderr } = await ran(t, words);
    t.equal(code, 1, what);
    t.notMatch(stderr, /^ +at /m, "no stack trace");
    const [result] = JSON.parse(stdout).results;
    t.match(result, { counts: { begun: 5, failed: 5 } }, what);
    t.strictSame([...new Set(result.faults.map((fault: FaultCount) => fault.kind))], [kind], what);
  }
});

t.test(
  "a scenario ends with 1, and says where its sessions hang, when a silent target has more time than the run",
  async (t) => {
    const port = await listen(t, () => {});
    const words = `churn --target 127.0.0.1:${port} --concurrency 3 --duration 300ms --timeout 20s`;
    const { code, stdout } = await ran(t, words);
    t.equal(code, 1);
    t.match(stdout, /\ngreeting +open at the end +3\n/);
  },
);

t.test("a scenario ends with 0 when a target is slow, and not too slow", async (t) => {
  const port = await listen(t, (socket) => {
    setTimeout(() => socket.write("220 mx.example.test ESMTP\r\n"), 50);
    socket.on("data", (bytes) => {
      if (bytes.includes("QUIT")) socket.end("221 bye\r\n");
    });
  });
  const { code, stdout } = await ran(t, `churn --target 127.0.0.1:${port} --proxy off --sessions 5 --json`);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { results: [{ counts: { done: 5 } }] });
});
