/** The page as text: whole, escaped, and closed to everything outside; how it looks is test/pages's question. */
import { createHash } from "node:crypto";
import t from "tap";
import { html } from "../../../bench/report/html.ts";
import { page } from "../../../bench/report/page.ts";
import {
  attacked,
  comparison,
  full,
  hostile,
  nothingBegun,
  onlyFaults,
  resultOf,
  samplesOf,
  sweep,
} from "./fixtures.ts";

const pages: Readonly<Record<string, string>> = {
  "one run": page([full], null, comparison.machine),
  "a comparison": page([], comparison),
  "a comparison and runs": page(sweep, comparison),
  "many runs": page(sweep),
  "nothing begun": page([nothingBegun]),
  "only faults": page([onlyFaults]),
  "an attack": page([attacked]),
  "a comparison that was stopped": page([], { ...comparison, wasStopped: true, cases: [], runs: [] }),
  "hostile words": page([hostile]),
  "no run at all": page([]),
};

/** Elements that have no end (HTML, 13.1.2), as far as the page has them. */
const empty = ["meta"];

/** What is wrong with the tags of `text`: whatever does not end where it should, or has an attribute out of place. */
function markupFaults(text: string): readonly string[] {
  const open: string[] = [];
  const faults: string[] = [];
  const body = text.replace(/^<!doctype html>/, "").replace(/<style>[^<]*<\/style>/, "");
  for (const [tag, end, name = "", attributes = ""] of body.matchAll(/<(\/?)([a-z0-9]*)([^<>]*)>/g)) {
    if (name === "" || !/^(?: [a-zA-Z-]+(?:="[^"<>]*")?)*\/?$/.test(attributes)) faults.push(`odd: ${tag}`);
    if (/ (?:style|on\w+|src|href)=/.test(attributes)) faults.push(`forbidden: ${tag}`);
    if (end === "/") {
      const last = open.pop();
      if (last !== name) faults.push(`</${name}> ends <${last}>`);
    } else if (!attributes.endsWith("/") && !empty.includes(name)) open.push(name);
  }
  if (/<(?![/a-z])|&(?!#\d+;)/.test(body)) faults.push("a bare < or &");
  return [...faults, ...open.map((name) => `<${name}> does not end`)];
}

for (const [name, text] of Object.entries(pages)) {
  t.test(`page is whole and closed when it is of: ${name}`, async (t) => {
    t.strictSame(markupFaults(text), []);
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    t.equal(new Set(ids).size, ids.length, "each id once");
    for (const [, named = ""] of text.matchAll(/aria-labelledby="([^"]+)"/g)) {
      for (const id of named.split(" ")) if (!ids.includes(id)) t.fail(`${id} is nowhere`);
    }
    t.notMatch(text, /NaN|Infinity|undefined|null|\[object/);
    t.notMatch(text, /https?:|url\(|@import|<script|secret/);
    t.notOk(/\p{C}/u.test(text.replaceAll("\n", "")), "no control character");
  });
}

t.test("markupFaults finds what is not well-formed when there is some", async (t) => {
  for (const text of [
    "<p>",
    "</p>",
    "<p><b></p></b>",
    "<p a=b></p>",
    "1 < 2",
    "a & b",
    '<p style="a"></p>',
  ]) {
    t.not(markupFaults(text).length, 0, text);
  }
  t.strictSame(markupFaults('<p a="b" hidden>&#38;<path d="M0 0"/><meta></p>'), []);
});

t.test("page allows its own style sheet and nothing else when it is read by its policy", async (t) => {
  const text = pages["one run"]!;
  const sheet = /<style>([^<]*)<\/style>/.exec(text)?.[1] ?? "";
  const digest = createHash("sha256").update(sheet).digest("base64");
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(text)?.[1] ?? "";
  const said = policy.replaceAll("&#39;", "'");
  t.equal(said, `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`);
  t.ok(text.indexOf("Content-Security-Policy") < text.indexOf("<style"), "before anything that it is about");
});

t.test("page shows what a target said as text when that is markup", async (t) => {
  const text = pages["hostile words"]!;
  t.match(text, "&#60;script&#62;alert(1)&#60;/script&#62;");
  t.match(text, "&#60;img src=x onerror=alert(1)&#62;");
});

t.test("html escapes what is put in when it is no markup of its own", async (t) => {
  const inner = html`<b>${"&"}</b>`;
  t.equal(
    html`<p a="${'"'}">${inner}${[1, "<", [inner]]}</p>`.toString(),
    `<p a="&#34;"><b>&#38;</b>1&#60;<b>&#38;</b></p>`,
  );
  t.equal(html`${"a\x1b\x00\u202eb"}`.toString(), "a\ufffd\ufffd\ufffdb", "nor what turns text around");
});

t.test("page has headline figures, plots and tables when a run gives them", async (t) => {
  const text = pages["one run"]!;
  for (const tile of ["494/s", "1.42 ms", "6.79 ms", "868 µs"]) t.match(text, `>${tile}</b>`);
  for (const plot of ["Latency of sessions", "Throughput over time", "Refusals over time"]) {
    t.match(text, new RegExp(`<figure class="card"><figcaption><h3>${plot}`));
  }
  for (const title of ["Latency by phase", "Replies", "Faults", "Findings", "Counted on both sides"]) {
    t.match(text, `<h3>${title}</h3>`);
  }
  t.match(text, /<tr class="bad"><td>messages/, "a mismatch");
  t.match(text, "2 × Neoverse-N1");
});

t.test("page leaves out a plot when it would show nothing", async (t) => {
  const samples = samplesOf(20, 500).map((sample) => ({
    ...sample,
    turnedAway: 0,
    failed: 0,
    targetCpu: null,
  }));
  const text = page([resultOf({ samples })]);
  t.match(text, "Throughput over time");
  t.notMatch(text, /Refusals over time|CPU over time|against open sessions|against concurrency/);
  t.notMatch(pages["nothing begun"]!, /<svg/);
});

t.test("page draws throughput against concurrency when targets were asked at several", async (t) => {
  t.match(pages["many runs"]!, "Throughput against concurrency");
  t.match(
    pages["many runs"]!,
    /concurrency-wide-text">:2525 from 520 to 5,023, at most 5,023 sessions\/s; :2526 from/,
  );
  t.notMatch(page(sweep.slice(0, 1)), /against concurrency/);
});

t.test("page gives ratios to the reference when peers are compared", async (t) => {
  const text = pages["a comparison"]!;
  t.match(text, /<b class="well">0\.93×<\/b><span>churn, opaque<\/span>/);
  t.match(text, /churn, opaque<\/h2>/);
  t.match(text, "Memory against open sessions");
  t.match(text, "not there: not asked for");
  t.match(text, "<td>haraka</td><td>3.0.5</td><td>is told by PROXY v1</td>");
  t.notMatch(text, "Stopped early");
  t.match(pages["a comparison that was stopped"]!, /<li class="warning">Stopped early/);
  const dear = { ...comparison, reference: "nginx" };
  t.match(page([], dear), /Ratios are to nginx/);
});

t.test("page says which runs have no line when there are more than lines", async (t) => {
  const ports = Array.from({ length: 10 }, (_, index) => 3001 + index);
  const few = ports.slice(0, 8);
  const runs = (ports: readonly number[]) =>
    ports.flatMap((port) =>
      [1, 4].map((concurrency) =>
        resultOf(
          {},
          { target: { host: "127.0.0.1", port }, pace: { kind: "closed", concurrency, rampMs: 0 } },
        ),
      ),
    );
  const text = page(runs(ports));
  t.match(text, "Lines are drawn for the first 8 of 20: without :3005, ×1, :3005, ×4, ");
  t.match(text, "under way at a time. Lines are drawn for the first 8 of 10: without :3009, :3010.");
  t.equal([...text.matchAll(/Lines are drawn/g)].length, 2);
  t.notMatch(page(runs(few.slice(0, 4))), "Lines are drawn");
});

t.test("page breaks a bar when it is far longer than most", async (t) => {
  const text = pages["a comparison"]!;
  t.equal([...text.matchAll(/A bar with a gap/g)].length, 1, "only where Haraka takes part");
  const section = text.slice(text.indexOf("<h2>churn, SMTP</h2>"));
  const bars = [...section.matchAll(/class="bar s\d" d="M([\d.]+) [\d.]+H([\d.]+)/g)].slice(0, 4);
  const [postern = 0, haproxy = 0, nginx = 0, haraka = 0] = bars.map(
    ([, from, to]) => Number(to) - Number(from),
  );
  t.ok(postern < haproxy && nginx < postern, "in the order of their figures");
  t.ok(haproxy > haraka / 2 && haproxy < haraka, "and the longest of them is the longest drawn");
});

t.test("page counts findings when it is of an attack", async (t) => {
  const text = pages["an attack"]!;
  for (const what of ["well", "not well", "for people to judge"]) t.match(text, `1</b><span>${what}</span>`);
  t.notMatch(text, /sessions done|No session|<h3>Sessions<\/h3>/);
});

t.test("page names the runs that a warning is about when there are several", async (t) => {
  const harness = { ...full.harness, isBottleneck: true };
  const text = page([resultOf({ harness, agreements: [] }), ...sweep]);
  t.match(
    text,
    /<li class="warning">The harness is the bottleneck[^<]*<span>\(smtp to 127\.0\.0\.1:2525, 500 sessions\/s\)/,
  );
});
