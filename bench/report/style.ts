/**
 * How a page looks. Lines differ in lightness and in their dashes as well as in hue, so that neither a colour-blind eye
 * nor a grey printer loses one; texts are ink on paper, of a contrast of 4.5 and more (WCAG 2.2, 1.4.3).
 */

/** So many lines can be told apart; further ones are in the tables only. */
export const STYLES = 8;

const light = ["#0a5fc0", "#27303b", "#cc6d00", "#8e2473", "#0d9276", "#9a3412", "#3b8fd4", "#6b7280"];
const dark = ["#4c9dfa", "#eceef1", "#ffb93f", "#bd5fac", "#2ec4a0", "#e8805c", "#a9d4f7", "#98a2ae"];
const dashes = ["none", "7 4", "2 3", "9 3 2 3", "12 4", "4 3", "1 4", "9 3 2 3 2 3"];

const variables = (colours: readonly string[]) => colours.map((colour, at) => `--s${at}:${colour}`).join(";");

export const style = `
:root{color-scheme:light dark;--page:#f6f7f8;--card:#fff;--ink:#171b20;--soft:#59626d;--rule:#e2e5e9;--edge:#aab2bc;
--well:#0b7a4b;--warning:#96600a;--bad:#b3261e;--accent:#0a5fc0;${variables(light)}}
@media (prefers-color-scheme:dark){:root{--page:#111418;--card:#191d22;--ink:#e9ebee;--soft:#a0a9b4;--rule:#2b3138;
--edge:#59626d;--well:#4cc38a;--warning:#f0b44c;--bad:#ff8178;--accent:#5ea9ff;${variables(dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif;
-webkit-text-size-adjust:100%;text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:40px 24px 64px}
h1,h2,h3,p,ul,figure{margin:0}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:21px;line-height:1.3;letter-spacing:-.01em}
h3{font-size:15px;line-height:1.4}
p,.when{color:var(--soft)}
.when{margin-top:6px}
section{margin-top:48px}
section>p{margin-top:2px}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px;margin-top:16px}
.grid>*{min-width:0}
h2+.card{margin-top:16px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px}
.card p{font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:16px;margin-top:28px}
.tile b{display:block;font-size:27px;line-height:1.3;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:14px}
.tile .soft{color:var(--soft)}
.notes{list-style:none;padding:0;margin-top:20px}
.notes li{border-left:4px solid currentColor;background:var(--card);padding:8px 14px;border-radius:4px;margin-top:8px}
.well{color:var(--well)}.warning{color:var(--warning)}.bad{color:var(--bad)}
.plot{display:block;width:100%;height:auto;margin-top:14px;overflow:visible;font-size:12px}
.narrow{display:none}
.plot text{fill:var(--ink);font-variant-numeric:tabular-nums}
.plot .tick,.plot .unit{fill:var(--soft)}
.end{text-anchor:end}.middle{text-anchor:middle}
.plot .ratio{font-weight:700}
.grid-line{stroke:var(--rule)}
.axis,.leader{stroke:var(--edge);fill:none}
.leader{opacity:.6}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.range,.halo{fill:none;stroke:var(--ink);stroke-width:1.4}
.halo{stroke:var(--card);stroke-width:4}
.spot{fill:transparent;stroke:none}
${light.map((_, at) => `.line.s${at}{stroke:var(--s${at});stroke-dasharray:${dashes[at]}}.bar.s${at},.spot.s${at}:hover{fill:var(--s${at})}`).join("\n")}
details{margin-top:12px}
summary{cursor:pointer;font-size:14px;color:var(--accent)}
.card details{border-top:1px solid var(--rule);padding-top:10px}
.run{margin-top:0;padding:10px 0;border-bottom:1px solid var(--rule)}
.run>summary{font-size:16px;color:inherit;font-weight:600}
.scroll{overflow-x:auto;margin-top:10px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 12px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);overflow-wrap:break-word}
td:last-child:not(.right){overflow-wrap:anywhere;min-width:11em}
th{font-weight:600;color:var(--soft);white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
td.right,th.right{text-align:right;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
tr.bad td,tr.warning td,tr.well td{color:inherit}
footer{margin-top:48px;font-size:14px;color:var(--soft)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media (max-width:860px){.grid{grid-template-columns:minmax(0,1fr)}}
@media (max-width:520px){main{padding:24px 14px 48px}h1{font-size:25px}.card{padding:14px}.wide{display:none}
.narrow{display:block}.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}.tile b{font-size:24px}}
@media print{:root{color-scheme:light}body{background:#fff;font-size:11pt}main{max-width:none;padding:0}
.card,tr,.notes li{break-inside:avoid}section{margin-top:24px}h2,h3,summary{break-after:avoid}
details::details-content{content-visibility:visible;block-size:auto;display:block}summary{list-style:none}
.grid{grid-template-columns:repeat(2,minmax(0,1fr))}.wide{display:none}.narrow{display:block}table{font-size:8pt}th,td{padding-right:7px}}
`;
