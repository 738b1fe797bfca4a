/**
 * A report as one page that stands for itself: no script, no picture, no font, nothing that is fetched, and a policy that
 * forbids all of it (CSP). The plots are SVG, each with its table; what a target said is text wherever it stands. Pure.
 */
import { createHash } from "node:crypto";
import type { Machine } from "../harness/machine.ts";
import type { Result } from "../load/result.ts";
import { concurrencyCard, groupCards, tableHtml, undrawnText } from "./cards.ts";
import type { Case, Comparison, Figure } from "./comparison.ts";
import { Html, html, nothing } from "./html.ts";
import { planRows, planTitle, scenarioText } from "./plantext.ts";
import { type Group, groupsOf, headLatency, type Series } from "./series.ts";
import { style } from "./style.ts";
import { type Row, row, STOPPED, table, tablesOf, warningsOf } from "./tables.ts";
import { countText, dateText, figureText, latencyText, ratioText, shareText } from "./units.ts";

/** Below that two peers are even: rounds on one machine differ by as much. */
const EVEN = 0.02;

/** Only the style sheet below may be used, known by its digest; nothing is loaded, run, sent or framed. */
const digest = createHash("sha256").update(style).digest("base64");
const policy = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`;

/** Of single results, of a comparison, or of both; `machine` where there is no comparison that names it. */
export function page(
  results: readonly Result[],
  comparison: Comparison | null = null,
  machine: Machine | null = comparison?.machine ?? null,
): string {
  const groups = groupsOf(results, comparison);
  const series = groups.flatMap((group) => group.series);
  const title =
    comparison === null
      ? titleOf(results)
      : `${comparison.peers.map(({ name }) => name).join(", ")}: side by side`;
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body><main>
<header><h1>${title}</h1>
<p class="when">${aboutText(results, comparison, machine)}</p>
${comparison === null ? nothing : comparisonTiles(comparison)}${results.length === 1 ? resultTiles(results[0]!) : nothing}
${notes(series, comparison)}</header>
${comparison === null && series.length > 1 ? overview(series) : nothing}
${groups.map((group, at) => section(group, comparison?.reference ?? "", `g${at}`))}
${acrossRuns(results, comparison)}
<section><h2>${series.length === 1 ? "In full" : "Every run"}</h2><p>What was asked, and all that was counted.</p>
${series.map((each) => details(each, series.length === 1))}</section>
${comparison === null ? nothing : peersSection(comparison)}
<footer>Made by postern-bench. This page loads nothing and runs nothing.</footer>
</main></body></html>
`;
  return document.toString();
}

function titleOf(results: readonly Result[]): string {
  return results.length === 1 ? planTitle(results[0]!.plan) : `${countText(results.length)} runs`;
}

function aboutText(
  results: readonly Result[],
  comparison: Comparison | null,
  machine: Machine | null,
): string {
  const startedAt = comparison?.startedAt ?? results[0]?.startedAt;
  const seconds = comparison?.seconds ?? results.reduce((sum, result) => sum + result.seconds, 0);
  const parts = [
    ...(startedAt === undefined ? [] : [dateText(startedAt), `${figureText(seconds)} s`]),
    ...(machine === null
      ? []
      : [`${machine.cpus} × ${machine.model}`, machine.kernel, `Node ${machine.node}`]),
  ];
  return parts.join(" · ");
}

function tile(figure: string, what: string, text: string, tone = "plain"): Html {
  return html`<div class="card tile"><b class="${tone}">${figure}</b><span>${what}</span><span class="soft">${text}</span></div>
`;
}

function resultTiles(result: Result): Html {
  const { plan, counts, seconds, target, findings } = result;
  if (plan.scenario === "attack") return attackTiles(findings);
  const latency = headLatency(result);
  const perSecond = figureText(seconds > 0 ? counts.done / seconds : Number.NaN);
  const share = (count: number) => (counts.begun > 0 ? `${shareText(count / counts.begun)} of all` : "");
  return html`<div class="tiles">${tile(`${perSecond}/s`, "sessions done", `${countText(counts.done)} of ${countText(counts.begun)} begun`)}
${latency === null ? nothing : [tile(latencyText(latency.p50Us), "p50", "half took no longer"), tile(latencyText(latency.p99Us), "p99", "99 of 100 took no longer")]}
${tile(countText(counts.failed), "failed", share(counts.failed), counts.failed > 0 ? "bad" : "plain")}
${counts.turnedAway > 0 ? tile(countText(counts.turnedAway), "turned away", share(counts.turnedAway)) : nothing}
${target === null || target.cpuUsPerSession === null ? nothing : tile(latencyText(target.cpuUsPerSession), "CPU per session", "of the target")}</div>`;
}

function attackTiles(findings: Result["findings"]): Html {
  const count = (wanted: boolean | null) => findings.filter(({ isWell }) => isWell === wanted).length;
  const [well, bad] = [count(true), count(false)];
  return html`<div class="tiles">${tile(countText(well), "well", "tricks that brought nothing")}
${tile(countText(bad), "not well", "tricks that the target fell for", bad > 0 ? "bad" : "plain")}
${tile(countText(count(null)), "for people to judge", "neither good nor bad by itself")}</div>`;
}

/** Of each case the first peer that is not the reference: the one that is asked about. */
function comparisonTiles({ cases, reference }: Comparison): Html {
  const tiles = cases.flatMap((each) => {
    const subject = each.figures.find(({ peer }) => peer !== reference);
    const other = each.figures.find(({ peer }) => peer === reference);
    if (subject === undefined || other === undefined || subject.ratio === null) return [];
    const text = `${subject.peer} to ${reference}: ${figureText(subject.median)} against ${figureText(other.median)} ${each.unit}`;
    return [tile(ratioText(subject.ratio), each.name, text, standing(each, subject))];
  });
  return html`<div class="tiles">${tiles}</div>`;
}

function standing({ better }: Case, { ratio }: Figure): "plain" | "well" | "warning" {
  if (ratio === null || Math.abs(ratio - 1) <= EVEN) return "plain";
  return ratio < 1 === (better === "less") ? "well" : "warning";
}

/** What puts figures in doubt stands above them, with the runs that it is about. */
function notes(series: readonly Series[], comparison: Comparison | null): Html {
  const stopped = comparison?.wasStopped === true ? html`<li class="warning">${STOPPED}</li>` : nothing;
  const said = series.flatMap(({ title, result }) => warningsOf(result).map((each) => ({ ...each, title })));
  const kinds = [...Map.groupBy(said, ({ cells }) => cells[0]!)];
  if (kinds.length === 0 && stopped === nothing) return nothing;
  const about = (runs: typeof said) =>
    series.length > 1 ? html` <span>(${runs.map(({ title }) => title).join("; ")})</span>` : nothing;
  return html`<ul class="notes">${stopped}${kinds.map(([text, runs]) => html`<li class="${runs[0]!.tone}">${text}${about(runs)}</li>`)}</ul>`;
}

function overview(series: readonly Series[]): Html {
  const rows = series.map(({ name, result }): Row => {
    const { counts, seconds, target } = result;
    const latency = headLatency(result);
    const cpuUs = target?.cpuUsPerSession ?? Number.NaN;
    return row([
      scenarioText(result.plan),
      name,
      figureText(seconds > 0 ? counts.done / seconds : Number.NaN),
      latencyText(latency?.p50Us ?? Number.NaN),
      latencyText(latency?.p99Us ?? Number.NaN),
      countText(counts.turnedAway),
      countText(counts.failed),
      latencyText(cpuUs),
    ]);
  });
  const titles = ["scenario", "run", "sessions/s", "p50", "p99", "turned away", "failed", "CPU/session"];
  return html`<section><h2>The runs</h2><div class="card">${tableHtml(table("The runs", titles, 2, rows))}</div></section>`;
}

function section(group: Group, reference: string, id: string): Html {
  const cards = groupCards(group, reference, id);
  if (cards.length === 0) return nothing;
  return html`<section><h2>${group.title}</h2><p>${group.question} ${undrawnText(group.series)}</p><div class="grid">${cards}</div></section>
`;
}

function acrossRuns(results: readonly Result[], comparison: Comparison | null): Html {
  const card = concurrencyCard(results, comparison);
  return card === nothing
    ? nothing
    : html`<section><h2>Across runs</h2><div class="grid">${card}</div></section>`;
}

/** Everything of one run; open where it is the only one. */
function details({ title, result }: Series, isAlone: boolean): Html {
  const asked = table(
    "What was asked",
    ["", ""],
    2,
    planRows(result.plan).map((cells) => row(cells)),
  );
  const tables = [...tablesOf(result), asked].map(
    (each) => html`<div class="card"><h3>${each.title}</h3>${tableHtml(each)}</div>
`,
  );
  return html`<details class="run"${isAlone ? html` open` : nothing}><summary>${title}</summary><div class="grid">${tables}</div></details>
`;
}

function peersSection({ peers, absentees, reference }: Comparison): Html {
  const rows = [
    ...peers.map(({ name, version, differs = "" }) => row([name, version, differs])),
    ...absentees.map(({ name, reason }) => row([name, "", `not there: ${reason}`])),
  ];
  return html`<section><h2>How it was measured</h2>
<p>Peers took turns in each round. A ratio is the median of the rounds' ratios to ${reference}. The plots show each peer's middle round.</p>
<div class="card">${tableHtml(table("Peers", ["peer", "version", "differs"], 3, rows))}</div></section>`;
}
