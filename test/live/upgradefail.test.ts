/** A place that cannot be taken, or not as it should be: nobody's clients suffer for it, and it is said why. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createListener } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { type Child, makeDirectory, startChild, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { readiness } from "./look.ts";
import { hello } from "./pair.ts";
import { startStream } from "./stream.ts";
import { events, makeFile } from "./upgrading.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const header = proxyHeader("203.0.113.7");

function serve(t: Test, file: object, environment: Readonly<Record<string, string>> = {}): Child {
  const path = join(makeDirectory(t, "upgrade"), "postern.yaml");
  writeFileSync(path, JSON.stringify({ threads: 2, ...file }));
  return startChild(t, [process.execPath, main, "serve", "-c", path], environment);
}

/** Ends with this as the last word. */
async function fails(t: Test, child: Child, says: RegExp): Promise<void> {
  t.equal(await child.ended, 1);
  t.match(child.stderr(), says);
  t.notMatch(child.stdout(), '"event":"ready"');
}

async function greets(t: Test, port: number): Promise<void> {
  const client = await End.connect(t, { port }, header);
  t.equal(await client.line(), hello);
  client.reset();
}

t.test("serve leaves the running gateway alone when it cannot start itself", async (t) => {
  const { file, ports } = await makeFile(t);
  const old = await startGateway(t, file);
  const stream = startStream(t, ports.smtp, header);
  const taken = createListener().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => taken.close());
  const bound = taken.address();
  const port = typeof bound === "object" ? bound?.port : null;
  const listeners = { ...file.listeners, more: { ...file.listeners.smtp, listen: `127.0.0.1:${port}` } };
  // By then it has the running one's sockets.
  await fails(t, serve(t, { ...file, listeners }), /listeners\.more\.listen: .*EADDRINUSE\n$/);
  const certificate = join(makeDirectory(t, "bad"), "cert.pem");
  writeFileSync(certificate, "no certificate");
  const tls = { certificates: [{ cert: certificate, key: certificate }] };
  const child = serve(t, { ...file, listeners: { smtp: { ...file.listeners.smtp, tls: "starttls" } }, tls });
  t.not(await child.ended, 0);
  t.equal(await readiness(old), "200 ready");
  await stream.stop();
  t.strictSame(stream.failures, []);
  t.strictSame(events(old, "draining"), []);
});

t.test("serve says that the address is taken when its token is not the running gateway's", async (t) => {
  const { file, ports } = await makeFile(t);
  const tokenFile = (token: string) => {
    const path = join(makeDirectory(t, "token"), "token");
    writeFileSync(path, `${token}\n`);
    return path;
  };
  const withToken = (token: string) => ({
    ...file,
    admin: { listen: `0.0.0.0:${ports.admin}`, tokenFile: tokenFile(token) },
  });
  const old = await startGateway(t, withToken("one-token-that-is-long-enough"));
  const wrong = serve(t, withToken("another-token-that-is-long-enough"));
  await fails(t, wrong, /admin\.listen: cannot listen on 0\.0\.0\.0:\d+: EADDRINUSE\n$/);
  t.strictSame(events(old, "draining"), []);
  const next = await startGateway(t, withToken("one-token-that-is-long-enough"));
  t.match(events(next, "took-over"), [{ pid: old.pid }]);
});

t.test("serve says that the address is taken when it is another program's", async (t) => {
  const { file } = await makeFile(t);
  for (const answer of ["{}", '{"postern":{}}', "ok", ""]) {
    const asked: string[] = [];
    const other = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end(answer);
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const bound = other.address();
    const listen = `127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`;
    await fails(t, serve(t, { ...file, admin: { listen } }), /admin\.listen: .*EADDRINUSE\n$/);
    t.strictSame(asked, ["GET /api/process"]);
    other.closeAllConnections();
    other.close();
  }
});

t.test("serve goes on, and says so, when the running gateway hangs", async (t) => {
  const { file, ports } = await makeFile(t);
  const old = await startGateway(t, file);
  const child = serve(t, file);
  await until("its taking over", () => child.stdout().includes('"event":"taking-over"'));
  process.kill(old.pid, "SIGSTOP");
  await until("its complaint", () => child.stdout().includes('"event":"take-over-failed"'));
  await until("its ready line", () => child.stdout().includes('"event":"ready"'));
  t.match(child.stdout(), new RegExp(`"event":"take-over-failed","pid":${old.pid},"reason":"[^"]+"`));
  await greets(t, ports.smtp);
  process.kill(old.pid, "SIGKILL");
  await until("the admin address", () => child.stdout().includes('"event":"admin-opened"'));
  t.equal(await readiness({ adminUrl: `http://127.0.0.1:${ports.admin}` }), "200 ready");
  await greets(t, ports.smtp);
});

t.test("serve binds beside the running gateway when that cannot give its sockets", async (t) => {
  const { file, ports } = await makeFile(t);
  const old = serve(t, file, { TMPDIR: "/nowhere" });
  await until("its ready line", () => old.stdout().includes('"event":"ready"'));
  const next = await startGateway(t, file);
  t.match(events(next, "took-over"), [{ pid: old.pid, sockets: 0 }]);
  t.equal(await old.ended, 0);
  await greets(t, ports.smtp);
});
