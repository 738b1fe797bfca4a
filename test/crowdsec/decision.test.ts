/** What is taken for a decision, in LAPI's own words, and why everything else is not. */
import fc from "fast-check";
import t from "tap";
import { type Decision, ID_MAX, readDecision, readKey, type Unfit } from "../../src/crowdsec/decision.ts";

const terms = { nowSeconds: 1000, otherTypes: "ignore" } as const;

/** As LAPI 1.4.6 writes one. */
const sample = {
  duration: "3h59m59.233310838s",
  id: 1,
  origin: "cscli",
  scenario: "manual 'ban' from 'm'",
  scope: "Ip",
  type: "ban",
  value: "203.0.113.7",
};

t.test("readDecision reads a decision when it is as LAPI writes it", async (t) => {
  const { network, ...rest } = read({ ...sample, uuid: "of later releases" });
  t.strictSame(rest, {
    id: 1,
    scope: "ip",
    type: "ban",
    origin: "cscli",
    scenario: "manual 'ban' from 'm'",
    tarpits: false,
    endsSeconds: 1000 + 4 * 3600,
  });
  t.equal(`${network.address.text}/${network.length}`, "203.0.113.7/32");
});

t.test("readDecision gives the canonical network when the value is written otherwise", async (t) => {
  const values = [
    ["Ip", "203.0.113.7/32", "203.0.113.7/32"],
    ["ip", "2001:DB8::7/128", "2001:db8::7/128"],
    ["IP", "::ffff:203.0.113.7", "203.0.113.7/32"],
    ["Ip", "::ffff:203.0.113.7/128", "203.0.113.7/32"],
    ["Range", "203.0.113.7/24", "203.0.113.0/24"],
    ["range", "2001:db8::7/32", "2001:db8::/32"],
    ["RANGE", "::ffff:203.0.113.7/120", "203.0.113.0/24"],
    ["Range", "0.0.0.0/0", "0.0.0.0/0"],
    ["Range", "::/0", "::/0"],
    ["Range", "203.0.113.7/32", "203.0.113.7/32"],
    ["Range", "203.0.113.7", "203.0.113.7/32"],
  ];
  for (const [scope, value, canonical] of values) {
    const { network, scope: kind } = read({ ...sample, scope, value });
    t.equal(`${network.address.text}/${network.length}`, canonical);
    t.equal(kind, scope?.toLowerCase());
  }
});

t.test("readDecision says why when something is no decision to be obeyed", async (t) => {
  const values = [
    "300.1.2.3",
    "",
    " ",
    "203.0.113.0/24",
    "203.0.113.7 ",
    "1.2.3",
    "fe80::1%eth0",
    "::/129",
    "a",
  ];
  for (const value of values)
    t.equal(readDecision({ ...sample, value }, terms), "value", JSON.stringify(value));
  for (const value of ["::/129", "10.0.0.0/33", "/8", ""]) {
    t.equal(readDecision({ ...sample, scope: "Range", value }, terms), "value", value);
  }
  const cases: [object, Unfit][] = [
    [{ scope: "AS", value: "64500" }, "scope-as"],
    [{ scope: "as", value: "64500" }, "scope-as"],
    [{ scope: "Country", value: "AQ" }, "scope-country"],
    [{ scope: "username", value: "u" }, "scope-other"],
    [{ scope: "" }, "scope-other"],
    [{ type: "captcha" }, "other-type"],
    [{ type: "" }, "malformed"],
    [{ origin: "" }, "malformed"],
    [{ duration: "soon" }, "duration"],
    [{ duration: "" }, "duration"],
    [{ duration: "-1s" }, "expired"],
    [{ duration: "0" }, "expired"],
    [{ id: "1" }, "malformed"],
    [{ id: -1 }, "malformed"],
    [{ id: 1.5 }, "malformed"],
    [{ id: ID_MAX + 1 }, "malformed"],
  ];
  for (const [change, why] of cases) {
    t.equal(readDecision({ ...sample, ...change }, terms), why, JSON.stringify(change));
  }
  for (const field of Object.keys(sample)) {
    for (const wrong of [undefined, null, {}, [], true]) {
      t.equal(readDecision({ ...sample, [field]: wrong }, terms), "malformed", field);
    }
  }
});

t.test("readDecision never throws when it is given anything", async () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), (raw) => {
      readDecision(raw, terms);
      readKey(raw);
    }),
  );
});

t.test("readDecision takes other types when the terms say what for", async (t) => {
  const raw = { ...sample, type: "Captcha" };
  t.match(readDecision(raw, { ...terms, otherTypes: "ban" }), { type: "captcha", tarpits: false });
  t.match(readDecision(raw, { ...terms, otherTypes: "tarpit" }), { type: "captcha", tarpits: true });
  for (const otherTypes of ["ignore", "ban", "tarpit"] as const) {
    t.match(readDecision({ ...sample, type: "Ban" }, { ...terms, otherTypes }), {
      type: "ban",
      tarpits: false,
    });
  }
});

t.test("readDecision names the blocklist when the origin is lists", async (t) => {
  t.equal(
    read({ ...sample, origin: "lists", scenario: "firehol_greensnow" }).origin,
    "lists:firehol_greensnow",
  );
  t.equal(read({ ...sample, origin: "CAPI", scenario: "firehol" }).origin, "CAPI");
});

t.test("readDecision cuts texts when they are longer than 255 characters", async (t) => {
  const long = "x".repeat(256);
  const decision = read({ ...sample, origin: "lists", scenario: long });
  t.equal(decision.scenario.length, 255);
  t.equal(decision.origin.length, 255);
  t.equal(read({ ...sample, scenario: long.slice(1) }).scenario.length, 255);
  const key = readKey({ ...sample, type: long });
  t.match(key, { type: long.slice(1) });
});

t.test("readDecision rounds up when the duration is no whole number of seconds", async (t) => {
  t.equal(read({ ...sample, duration: "1ns" }).endsSeconds, 1001);
  t.equal(read({ ...sample, duration: "2s" }).endsSeconds, 1002);
  t.equal(read({ ...sample, duration: "2.001s" }).endsSeconds, 1003);
});

t.test("readKey reads what a decision is known by when it is taken back", async (t) => {
  const { network, ...rest } = key({ ...sample, duration: "-14.420506ms", type: "captcha", origin: null });
  t.strictSame(rest, { scope: "ip", type: "captcha", id: 1 });
  t.equal(network.address.text, "203.0.113.7");
  t.equal(readKey({ ...sample, scope: "AS" }), "scope-as");
  t.equal(readKey({ ...sample, value: "300.1.2.3" }), "value");
});

function read(raw: object): Decision {
  const decision = readDecision(raw, terms);
  if (typeof decision === "string") throw new Error(decision);
  return decision;
}

function key(raw: object) {
  const key = readKey(raw);
  if (typeof key === "string") throw new Error(key);
  return key;
}
