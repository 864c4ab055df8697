"""What monitoring saw as one HTML page: no scripts, nothing from elsewhere, readable on a phone.

Names come from a database and are hostile text: all of it is escaped, and the page's own policy lets nothing
in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from foretell.core.time import format_instant
from foretell.lifecycle.monitor.finding import Severity
from foretell.lifecycle.monitor.record import Monitoring
from foretell.models.criteria import METRICS
from foretell.report.grading_plot import Point, scores_svg
from foretell.report.monitor import (
    WORDS,
    days,
    drift_lines,
    figures,
    heading_line,
    metric_name,
    performance_lines,
    shown_features,
)
from foretell.report.numbers import amount, moment, signed

SHOWN = 25
"""Features in the table, those that drift first."""
WIDTH, HEIGHT = 120, 24
STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --dim: #595959; --line: #d4d4d4; --paper: #ffffff;
  --ok: #1b6e36; --digest: #8a5300; --page: #b3261e; --mark: #0b62a4; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --dim: #b0b0b0; --line: #444444;
  --paper: #161616; --ok: #6fcf8d; --digest: #f2b45a; --page: #ff8a80; --mark: #7cbcf0; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: .5rem 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, ul { margin: .5rem 0; } ul { padding-left: 1.2rem; }
.dim { color: var(--dim); }
.ok { color: var(--ok); } .digest { color: var(--digest); } .page { color: var(--page); }
.banner { border-left: .4rem solid currentColor; padding-left: .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
thead th { color: var(--dim); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; } tbody th:not(.s) { min-width: 9rem; }
th.s, td.s { white-space: nowrap; overflow-wrap: normal; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { max-width: 100%; height: auto; } svg.spark { width: 7.5rem; height: 1.5rem; }
svg.spark polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; }
svg.spark circle { fill: var(--mark); }
.plot { background: #ffffff; }
@media (max-width: 40rem) { thead th, thead th.n { white-space: normal; }
  th, td { padding-right: .5rem; } tbody th:not(.s) { min-width: 7rem; } }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def monitor_page(seen: Monitoring) -> str:
    """The page, whole."""
    level = seen.severity.value
    parts = [
        f'<h1 class="banner {level}">{escape(seen.verdict)}</h1>',
        f'<p class="dim">{escape(heading_line(seen))}</p>',
        *_findings(seen),
        *_performance(seen),
        *_drift(seen),
        *_feeds(seen),
    ]
    if seen.notes:
        parts += ["<h2>Notes</h2>", _list(seen.notes)]
    title = escape(f"{seen.name}@{seen.version}: {seen.verdict}")
    return PAGE.format(title=title, style=STYLE, body="\n".join(parts))


def _findings(seen: Monitoring) -> list[str]:
    if not seen.findings:
        return []
    rows = [[_short(WORDS[f.severity], f.severity), _short(f.area), _cell(f.text)] for f in seen.findings]
    return ["<h2>What was found</h2>", _table("Findings, the gravest first", ["", "part", "finding"], rows)]


def _performance(seen: Monitoring) -> list[str]:
    held = seen.performance
    if held is None:
        return []
    parts = ["<h2>Performance</h2>", _list(performance_lines(held))]
    sign = 1 if held.metric is None or METRICS[held.metric].higher_is_better else -1
    points = [
        Point(
            b.cutoff,
            b.score,
            b.score - 1.96 * b.score_error,
            b.score + 1.96 * b.score_error,
            b.score - sign * b.lift,
        )
        for b in held.batches
    ]
    if len(points) > 1:
        title = f"{seen.name}: {metric_name(held)} over time"
        parts.append(f'<div class="plot">{scores_svg(points, title)}</div>')
    if held.batches:
        rows = [
            [
                _short(moment(format_instant(b.cutoff))),
                _number(f"{b.rows:,}"),
                _number(f"{b.score:.3f}"),
                _number(signed(b.lift)),
            ]
            for b in held.batches
        ]
        names = ["as of", "rows:", f"{metric_name(held)}:", "over the simple rule:"]
        parts.append(_table("Past predictions beside what happened", names, rows))
    return parts


def _drift(seen: Monitoring) -> list[str]:
    if seen.features is None:
        return []
    rows = []
    for f in shown_features(seen, SHOWN):
        told = seen.descriptions.get(f.name, f.name)
        rows.append(
            [
                _cell(told, Severity.DIGEST if f.drifts else None),
                *(_number(v) for v in figures(f)),
                f"<td>{_spark(f.history, f'KS of {told} over past windows')}</td>",
            ]
        )
    names = ["feature", "KS:", "usually:", "PSI:", "missing:", "before:", "KS over time"]
    caption = "What the model says and what it reads, the most unusual first"
    return ["<h2>Predictions and features</h2>", _list(drift_lines(seen)), _table(caption, names, rows)]


def _feeds(seen: Monitoring) -> list[str]:
    rows = []
    for f in seen.feeds:
        level = Severity.PAGE if f.stopped else Severity.DIGEST if f.odd else None
        newest = "–" if f.newest is None else moment(format_instant(f.newest).partition(".")[0])
        counts = [float(c) for c in f.counts]
        rows.append(
            [
                _cell(f.table, level),
                _short(newest),
                _number(days(f.age)),
                _number(days(f.gap)),
                _number(days(f.period)),
                _number(f"{f.counts[-1]:,}" if f.counts else "–"),
                _number(amount(f.expected)),
                f"<td>{_spark(counts, f'rows of {f.table} in each period')}</td>",
            ]
        )
    names = ["table", "newest row", "age:", "longest gap:", "period:", "rows:", "usually:", "over time"]
    if not rows:
        return []
    return ["<h2>Feeds</h2>", _table("The tables that the model reads, as their rows come", names, rows)]


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(i)}</li>" for i in items) + "</ul>"


def _cell(text: str, level: Severity | None = None) -> str:
    style = "" if level is None else f' class="{level.value}"'
    return f"<td{style}>{escape(text)}</td>"


def _short(text: str, level: Severity | None = None) -> str:
    """A word that is not broken."""
    style = "s" if level is None else f"s {level.value}"
    return f'<td class="{style}">{escape(text)}</td>'


def _number(text: str) -> str:
    return f'<td class="n">{escape(text)}</td>'


def _table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose rows begin with what they are about; columns whose name ends in ':' hold numbers."""

    def head(name: str) -> str:
        style = ' class="n"' if name.endswith(":") else ""
        return f'<th scope="col"{style}>{escape(name.rstrip(":"))}</th>'

    body = []
    for first, *rest in rows:
        row_head = first.replace("<td", '<th scope="row"', 1).removesuffix("</td>") + "</th>"
        body.append(f"<tr>{row_head}{''.join(rest)}</tr>")
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{''.join(head(n) for n in names)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _spark(values: Sequence[float], label: str) -> str:
    """A little line from 0 to the highest value, the last one marked, and what it shows in words."""
    known = [v for v in values if math.isfinite(v)]
    if len(known) < 2:
        return '<span class="dim">–</span>'
    top = max(known) or 1.0

    def at(i: int, value: float) -> tuple[float, float]:
        return 2 + (WIDTH - 6) * i / (len(known) - 1), HEIGHT - 3 - (HEIGHT - 6) * max(value, 0.0) / top

    points = " ".join("{:.1f},{:.1f}".format(*at(i, v)) for i, v in enumerate(known))
    x, y = at(len(known) - 1, known[-1])
    said = escape(f"{label}: from {amount(known[0])} to {amount(known[-1])}, at most {amount(top)}")
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        f'<polyline points="{points}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    )
