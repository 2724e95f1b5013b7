"""How a report looks, on a screen and on paper (A4 or Letter): dark on white, calm, nothing cut in two."""

from __future__ import annotations

STYLE = """
:root { --ink: #17202a; --soft: #5d6771; --line: #d9dee3; --faint: #eef1f4; --note: #fdf6e3; --link: #17527a;
  --mark: #ffd84a; }
body { font: 15px/1.5 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif; }
main { max-width: 64rem; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.7rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; padding: 0; border: 0; }
h3 { font-size: 1rem; margin: 0 0 .15rem; }
p { max-width: none; }
.research { color: #7a5200; font-weight: 600; font-size: .87rem; margin: .2rem 0 1.1rem; }
.about { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .55rem 1.5rem; margin: 0;
  padding: .8rem 0; border-top: 1px solid var(--ink); border-bottom: 1px solid var(--line); }
p.about { display: block; color: var(--soft); }
.about div { min-width: 0; }
.about dt { color: var(--soft); font-size: .75rem; }
.about dd { margin: 0; overflow-wrap: anywhere; }
.images { color: var(--soft); font-size: .84rem; overflow-wrap: anywhere; margin: .5rem 0 0; }
.result { font-size: 1.08rem; line-height: 1.6; margin: 1.2rem 0; max-width: 54rem; }
.warnings { background: var(--note); border-left: 3px solid #c99a2e; padding: .5rem 1rem; margin: 1rem 0; }
.warnings h2 { font-size: .95rem; margin: 0; }
.warnings ul { margin: .2rem 0; padding-left: 1.1rem; }
.fine { color: var(--soft); font-size: .8rem; max-width: 54rem; }
table { width: 100%; font-size: .84rem; }
caption { caption-side: bottom; padding: .5rem 0 0; color: var(--soft); font-size: .8rem; text-align: left; }
th { color: var(--soft); font-size: .76rem; font-weight: 600; line-height: 1.25; padding-right: .9rem; }
th.number, td.number { padding-right: 1.3rem; }
td { padding: .36rem .9rem .36rem 0; border: 0; }
th:last-child, td:last-child { padding-right: 0; }
.findings tbody { border-bottom: 1px solid var(--line); }
.findings tbody.total td { border: 0; font-weight: 600; }
.findings td.centre { white-space: nowrap; }
.findings .remark td { padding-top: 0; color: var(--soft); }
.findings tbody.rejected { color: var(--soft); }
.findings a { font-weight: 600; text-decoration: none; }
.text { white-space: pre-line; overflow-wrap: anywhere; unicode-bidi: isolate; }
.finding { margin: 1.6rem 0 2.2rem; }
.finding h3 span { display: inline-block; min-width: 1.6rem; }
.finding p { margin: .1rem 0; font-size: .87rem; }
.finding .why { color: var(--soft); }
.finding .key { color: var(--ink); font-weight: 600; }
.tiles { display: grid; gap: 4px; margin-top: .5rem; }
figure { margin: 0; }
.tile, .overview { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.tile { position: relative; background: #000; }
.tile img, .overview img { display: block; width: 100%; height: auto; }
.tile svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.overview { background: #000; max-width: none; }
.finding path, .finding rect { fill: none; vector-effect: non-scaling-stroke; }
path.finding { stroke: var(--mark); stroke-width: 1.4px; stroke-linecap: square; }
path.others { stroke: #fff; stroke-width: 1px; stroke-opacity: .55; stroke-linecap: square; }
rect.box { stroke: #fff; stroke-width: 1px; stroke-opacity: .75; stroke-dasharray: 3 3; }
path.bar { stroke: #fff; stroke-width: 2px; }
text.letter { fill: #fff; font: 19px Arial, "Liberation Sans", sans-serif; paint-order: stroke; stroke: #000;
  stroke-width: 2px; stroke-opacity: .7; stroke-linejoin: round; }
.switch { font-size: .84rem; color: var(--soft); margin: 0 0 .4rem; }
.switch input { margin: 0 .35rem 0 0; vertical-align: -1px; accent-color: var(--link); }
main:has(#bare:checked) path.finding, main:has(#bare:checked) path.others { visibility: hidden; }
.tile:hover path.finding, .tile:hover path.others { visibility: hidden; }
.provenance { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1.2rem; margin: 0;
  font-size: .84rem; }
.provenance dt { color: var(--soft); }
.provenance dd { margin: 0; overflow-wrap: anywhere; }
.limits { margin: .3rem 0; padding-left: 1.1rem; font-size: .87rem; max-width: 54rem; }
.running { display: none; }
@media (max-width: 45rem) { main { padding: 1.2rem 1rem; } .tiles { grid-template-columns: 1fr; } }
@page { margin: 13mm 14mm 11mm; @bottom-right { content: counter(page) " / " counter(pages);
  font: 7.5pt Helvetica, Arial, "Liberation Sans", sans-serif; color: #5d6771; vertical-align: top; } }
@media print {
  html { font-size: 11.2px; }
  body { display: table; width: 100%; font-size: 1rem; }
  main { display: table-row-group; padding: 0; }
  .running { display: table-footer-group; break-inside: avoid; font-size: 7.5pt; color: #5d6771; }
  .running p { margin: 0; padding-top: 3mm; }
  a { color: inherit; }
  h2 { margin-top: 1.7rem; }
  h2, h3 { break-after: avoid; }
  .finding { margin: 1rem 0 1.3rem; }
  .result, .fine, .limits { max-width: none; }
  .findings caption { break-before: avoid; }
  thead { display: table-header-group; }
  .finding, .tile, .overview, .warnings, .about, .result, tbody, .limits li { break-inside: avoid; }
  .switch { display: none; }
  .lead { break-after: avoid; }
  .wide { overflow: visible; }
}
/* Letter is lower than A4: so three findings fit there, too. */
@media print and (min-aspect-ratio: 18/25) { .tiles { width: 88%; } }
"""
"""Without the columns of the pictures, which depend on the shape of the head."""
