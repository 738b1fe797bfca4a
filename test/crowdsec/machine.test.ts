/** A machine's token: had by a login, kept until shortly before its end, had anew when LAPI does not take it. */
import t from "tap";
import type { Answer } from "../../src/crowdsec/lapi.ts";
import { Machine } from "../../src/crowdsec/machine.ts";
import { Asked, isoAt, madeTime, type Request } from "./push.ts";

const options = { machineId: "edge", password: "geheim" };

/** Tokens of an hour, numbered; `taken` says which of them is taken for one. */
function make() {
  const time = madeTime();
  let logins = 0;
  const taken = { token: "" };
  const asked = new Asked(({ path, headers }): Answer => {
    if (path === "/v1/watchers/login") {
      taken.token = `token-${++logins}`;
      const expire = isoAt(time.seconds() + 3600);
      return { status: 200, body: JSON.stringify({ code: 200, expire, token: taken.token }) };
    }
    const isKnown = headers.authorization === `Bearer ${taken.token}`;
    return isKnown ? { status: 201, body: '["7"]' } : { status: 401, body: "" };
  });
  const machine = new Machine({
    options,
    scenarios: ["a/b", "c/d"],
    lapi: asked,
    clock: time,
    wallMs: time.wallMs,
  });
  return { time, taken, asked, machine };
}

const brief = ({ method, path, headers }: Request) => `${method} ${path} ${headers.authorization ?? "-"}`;

t.test("Machine logs in when it asks for the first time", async (t) => {
  const { asked, machine } = make();
  t.same(await machine.post("/v1/alerts", "[]"), { status: 201, body: '["7"]' });
  const [login, alerts] = asked.requests;
  t.equal(login!.method, "POST");
  t.strictSame(JSON.parse(login!.body), {
    machine_id: "edge",
    password: "geheim",
    scenarios: ["a/b", "c/d"],
  });
  t.same(login!.headers, { "content-type": "application/json" });
  t.equal(alerts!.body, "[]");
  t.same(alerts!.headers, { "content-type": "application/json", authorization: "Bearer token-1" });
  await machine.get("/v1/heartbeat");
  t.equal(brief(asked.requests[2]!), "GET /v1/heartbeat Bearer token-1");
});

t.test("Machine logs in again when its token ends in a minute", async (t) => {
  const { time, asked, machine } = make();
  await machine.get("/v1/heartbeat");
  time.pass(3539);
  await machine.get("/v1/heartbeat");
  t.equal(asked.requests.length, 3);
  time.pass(1);
  await machine.get("/v1/heartbeat");
  t.same(asked.requests.slice(3).map(brief), [
    "POST /v1/watchers/login -",
    "GET /v1/heartbeat Bearer token-2",
  ]);
});

t.test("Machine logs in again, and asks again, when LAPI has forgotten the token", async (t) => {
  const { taken, asked, machine } = make();
  await machine.get("/v1/heartbeat");
  asked.forget();
  taken.token = "another";
  t.same(await machine.get("/v1/heartbeat"), { status: 201, body: '["7"]' });
  t.same(asked.requests.map(brief), [
    "GET /v1/heartbeat Bearer token-1",
    "POST /v1/watchers/login -",
    "GET /v1/heartbeat Bearer token-2",
  ]);
});

t.test("Machine gives up for this time when even a new token is not taken", async (t) => {
  const { asked, machine } = make();
  const { answer } = asked;
  asked.answer = (request) =>
    request.path === "/v1/watchers/login" ? answer(request) : { status: 401, body: "" };
  t.same(await machine.get("/v1/heartbeat"), { status: 401, body: "" });
  t.equal(asked.requests.length, 2);
});

t.test("Machine asks nothing when it cannot log in", async (t) => {
  const rows: readonly [Answer, Answer][] = [
    [
      { status: 500, body: '{"token":"t","expire":"2027-01-01T00:00:00Z"}' },
      { status: 500, body: '{"token":"t","expire":"2027-01-01T00:00:00Z"}' },
    ],
    [
      { status: 401, body: "no" },
      { status: 401, body: "no" },
    ],
    [
      { failed: "unreachable", detail: "ECONNREFUSED" },
      { failed: "unreachable", detail: "ECONNREFUSED" },
    ],
    [
      { status: 200, body: "garbage" },
      { failed: "malformed", detail: "token" },
    ],
    [
      { status: 200, body: "null" },
      { failed: "malformed", detail: "token" },
    ],
    [
      { status: 200, body: '{"expire":"2026-11-22T11:00:00Z"}' },
      { failed: "malformed", detail: "token" },
    ],
    [
      { status: 200, body: '{"token":7}' },
      { failed: "malformed", detail: "token" },
    ],
    [
      { status: 200, body: '{"token":"a\\r\\nX-Evil: b"}' },
      { failed: "malformed", detail: "token" },
    ],
    [
      { status: 200, body: '{"token":""}' },
      { failed: "malformed", detail: "token" },
    ],
  ];
  for (const [said, expected] of rows) {
    const { asked, machine } = make();
    asked.answer = () => said;
    t.same(await machine.get("/v1/heartbeat"), expected);
    t.same(asked.paths, ["/v1/watchers/login"]);
  }
});

t.test("Machine uses a token once when its end cannot be read", async (t) => {
  for (const expire of ['"soon"', "7", '{"toString":1}']) {
    const { asked, machine } = make();
    asked.answer = ({ path }) =>
      path === "/v1/watchers/login"
        ? { status: 200, body: `{"token":"t","expire":${expire}}` }
        : { status: 200, body: "" };
    t.same(await machine.get("/v1/heartbeat"), { status: 200, body: "" });
    await machine.get("/v1/heartbeat");
    t.equal(asked.requests.length, 4);
  }
});
