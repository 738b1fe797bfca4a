/** Requests to a LAPI that does as it is told; deadlines are short here, and only for those who never answer. */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Lapi, type LapiOptions, type Timeouts } from "../../src/crowdsec/lapi.ts";
import { makeCertificate } from "../servers/certificate.ts";
import * as fake from "../servers/lapi.ts";
import { makeDirectory, until } from "../servers/process.ts";

const KEY = "s3cr3t-key";

/** What a test waits for as long as its machine needs, unless it says otherwise. */
const patience: Timeouts = { connectMs: 20_000, firstByteMs: 20_000, silenceMs: 20_000, answerMs: 20_000 };

function connect(t: Test, url: string, others: Partial<LapiOptions> = {}, waits: Partial<Timeouts> = {}) {
  const credentials = { kind: "key", apiKey: KEY } as const;
  const lapi = new Lapi({ url, credentials, ca: null, ...others }, "1.2.3", { ...patience, ...waits });
  t.teardown(() => lapi.close());
  return lapi;
}

/** What came of one GET of a stream, and the body as far as it came. */
async function read(lapi: Lapi, path = "/v1/decisions/stream?startup=true") {
  const parts: Uint8Array[] = [];
  const fault = await lapi.stream(path, (chunk) => parts.push(chunk) > 0);
  return { fault, body: Buffer.concat(parts).toString() };
}

t.test("Lapi says who it is when it asks with a key", async (t) => {
  const server = await fake.startLapi(t);
  const lapi = connect(t, server.url);
  t.strictSame(await read(lapi), { fault: null, body: '{"deleted":null,"new":null}' });
  const [asked] = server.asked;
  t.match(asked, { method: "GET", path: "/v1/decisions/stream?startup=true", body: "" });
  t.match(asked?.headers, { "x-api-key": KEY, "user-agent": "crowdsec-postern-bouncer/v1.2.3" });
});

t.test("Lapi keeps its connection when an answer was whole", async (t) => {
  const server = await fake.startLapi(t);
  const ports = new Set<number | undefined>();
  server.answer = (response, asked) => {
    ports.add(response.socket?.remotePort);
    fake.json(fake.unchanged)(response, asked);
  };
  const lapi = connect(t, server.url);
  for (let round = 0; round < 3; round++) t.equal((await read(lapi)).fault, null);
  t.equal(ports.size, 1);
});

t.test("Lapi gives status and body when it posts or gets", async (t) => {
  const server = await fake.startLapi(t);
  server.next(fake.json({ code: 200 }, 201), fake.text("gone", 404), fake.text("", 401));
  const lapi = connect(t, server.url);
  const headers = { authorization: "Bearer x", "content-type": "application/json" };
  t.strictSame(await lapi.post("/v1/alerts", '["ä"]', headers), { status: 201, body: '{"code":200}' });
  t.match(server.asked[0], { method: "POST", path: "/v1/alerts", body: '["ä"]' });
  t.match(server.asked[0]?.headers, { ...headers, "content-length": "6" });
  t.strictSame(await lapi.post("/v1/usage-metrics", "{}", {}), { status: 404, body: "gone" });
  t.strictSame(await lapi.get("/v1/heartbeat", headers), { status: 401, body: "" });
});

t.test("Lapi names what is wrong when no answer is had", async (t) => {
  const server = await fake.startLapi(t);
  const lapi = connect(t, server.url);
  const body = fake.changes([fake.decision(1, "192.0.2.1")]);
  const cases: readonly (readonly [fake.Answer, string, string])[] = [
    [fake.forbidden, "forbidden", "403"],
    [fake.text("", 401), "forbidden", "401"],
    [fake.text("oops", 500), "status", "500"],
    [fake.text("", 204), "status", "204"],
    [fake.text("", 302), "status", "302"],
    [fake.truncated(body, 0), "truncated", "ECONNRESET"],
    [fake.truncated(body, 20), "truncated", "ECONNRESET"],
    [fake.hungUp, "truncated", "ECONNRESET"],
    [fake.garbage, "malformed", "HPE_INVALID_CONSTANT"],
  ];
  for (const [answer, failed, detail] of cases) {
    server.next(answer);
    t.strictSame((await read(lapi)).fault, { failed, detail });
    t.equal((await read(lapi)).fault, null, "and all is well with the next");
  }
});

t.test("Lapi ends an answer when it makes no sense", async (t) => {
  const server = await fake.startLapi(t);
  server.answer = fake.stalled("x".repeat(100), 50);
  const lapi = connect(t, server.url);
  t.strictSame(await lapi.stream("/", () => false), { failed: "malformed", detail: "body" });
});

t.test("Lapi says unreachable when nobody listens", async (t) => {
  const server = await fake.startLapi(t);
  await server.stop();
  const lapi = connect(t, server.url);
  t.strictSame((await read(lapi)).fault, { failed: "unreachable", detail: "ECONNREFUSED" });
  t.match(await lapi.post("/", "", {}), { failed: "unreachable" });
});

t.test("Lapi gives up when there is silence, before an answer and within", async (t) => {
  const server = await fake.startLapi(t);
  const body = fake.changes([]);
  server.answer = fake.silent;
  const early = connect(t, server.url, {}, { firstByteMs: 50 });
  t.strictSame((await read(early)).fault, { failed: "timeout", detail: "first byte" });
  server.answer = fake.stalled(body, 5);
  const late = connect(t, server.url, {}, { silenceMs: 50 });
  t.strictSame(await read(late), { fault: { failed: "timeout", detail: "silence" }, body: body.slice(0, 5) });
});

t.test("Lapi gives up when TLS does not come about", async (t) => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const lapi = connect(t, `https://127.0.0.1:${address.port}`, {}, { connectMs: 50 });
  t.strictSame((await read(lapi)).fault, { failed: "timeout", detail: "connect" });
});

t.test("Lapi gives up when an answer trickles beyond all bounds", async (t) => {
  const server = await fake.startLapi(t);
  server.answer = (response) => {
    const timer = setInterval(() => response.write("x"), 5);
    response.once("close", () => clearInterval(timer));
  };
  const lapi = connect(t, server.url, {}, { answerMs: 100 });
  t.strictSame((await read(lapi)).fault, { failed: "timeout", detail: "answer" });
});

t.test("Lapi says too-large when a reply has more than 64 KiB", async (t) => {
  const server = await fake.startLapi(t);
  server.next(fake.text("x".repeat(65_536)), fake.chunked("x".repeat(65_537), 10_000));
  const lapi = connect(t, server.url);
  t.match(await lapi.get("/", {}), { status: 200 });
  t.strictSame(await lapi.get("/", {}), { failed: "too-large", detail: "65537 bytes" });
});

t.test("Lapi gives up at once when it is closed", async (t) => {
  const server = await fake.startLapi(t);
  server.answer = fake.silent;
  const lapi = connect(t, server.url);
  const reading = read(lapi);
  await until("the request", () => server.asked.length === 1);
  lapi.close();
  t.match(await reading, { fault: { failed: "unreachable", detail: "closed" } });
  t.match(await read(lapi), { fault: { failed: "unreachable", detail: "closed" } });
});

t.test("Lapi tells nothing of its key when that cannot be sent", async (t) => {
  const lapi = connect(t, "http://127.0.0.1:1", { credentials: { kind: "key", apiKey: `${KEY}\n` } });
  t.strictSame((await read(lapi)).fault, { failed: "unreachable", detail: "ERR_INVALID_CHAR" });
});

t.test("Lapi shows its certificate and believes its authority when the URL is https", async (t) => {
  const server = makeCertificate(makeDirectory(t, "lapi-server"), "lapi.test", "IP:127.0.0.1");
  const directory = makeDirectory(t, "lapi-client");
  const first = makeCertificate(directory, "postern.test");
  const tls = {
    cert: readFileSync(server.certFile),
    key: readFileSync(server.keyFile),
    requestCert: true,
    rejectUnauthorized: false,
  };
  const lapiServer = await fake.startLapi(t, null, tls);
  const files = { cert: first.certFile, key: first.keyFile };
  const credentials = { kind: "certificate", files } as const;
  const lapi = connect(t, lapiServer.url, { credentials, ca: server.certFile });
  t.equal((await read(lapi)).fault, null);
  t.equal(lapiServer.asked[0]?.headers["x-api-key"], undefined);

  const second = makeCertificate(directory, "postern.test");
  t.equal((await read(lapi)).fault, null);
  const shown = lapiServer.asked.map(({ certificate }) => certificate);
  t.strictSame(shown, [first.fingerprint256, second.fingerprint256], "a new certificate is taken up");

  const doubting = connect(t, lapiServer.url, { credentials });
  t.match((await read(doubting)).fault, { failed: "unreachable", detail: "DEPTH_ZERO_SELF_SIGNED_CERT" });

  writeFileSync(join(directory, "cert.pem"), "none");
  const broken = await read(lapi);
  t.match(broken.fault, { failed: "unreachable", detail: "cert: the file holds no certificate (PEM)" });
});
