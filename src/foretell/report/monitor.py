"""What monitoring saw, laid out for a terminal: the verdict, then each part with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import format_instant
from foretell.lifecycle.monitor.drift import Drift, FeatureDrift
from foretell.lifecycle.monitor.feeds import Feed
from foretell.lifecycle.monitor.finding import Finding, Severity
from foretell.lifecycle.monitor.record import Monitoring, Performance
from foretell.report.answer import stack
from foretell.report.backtest import READ
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, moment, share, signed, sparkline

STYLES = {Severity.OK: "bold green", Severity.DIGEST: "bold yellow", Severity.PAGE: "bold red"}
WORDS = {Severity.OK: "ok", Severity.DIGEST: "look", Severity.PAGE: "harm"}
SHOWN = 10
"""Features in the table, those that drift first."""
LATELY = 14
"""Periods and windows in a little picture."""


def monitor_view(seen: Monitoring) -> RenderableType:
    """The verdict, the findings, and what they rest on."""
    head = Group(Text(f"{seen.verdict}", style=STYLES[seen.severity]), Text(heading_line(seen), style="dim"))
    return stack(
        [
            head,
            _findings(seen.findings),
            _feeds(seen.feeds),
            None if seen.performance is None else _performance(seen.performance),
            None if seen.features is None else _drift(seen),
            bullets(seen.notes) if seen.notes else None,
        ]
    )


def heading_line(seen: Monitoring) -> str:
    """Which model was looked at, when, and what it is asked."""
    at = moment(format_instant(seen.at))
    until = "" if seen.cutoff is None else f", its data up to {moment(format_instant(seen.cutoff))}"
    return f"{seen.name}@{seen.version} at {at}{until}. {seen.question}"


def _findings(findings: Sequence[Finding]) -> RenderableType | None:
    if not findings:
        return None
    view = grid("", "part", "what was found", stretch="what was found")
    for f in findings:
        view.add_row(Text(WORDS[f.severity], style=STYLES[f.severity]), Text(f.area), Text(f.text))
    return view


def _feeds(feeds: Sequence[Feed]) -> RenderableType | None:
    if not feeds:
        return None
    view = grid("table", "newest row", "age:", "longest gap:", "rows lately:", "usually:", "over time")
    for f in feeds:
        newest = "–" if f.newest is None else moment(format_instant(f.newest).partition(".")[0])
        style = "red" if f.stopped else "yellow" if f.odd else ""
        view.add_row(
            Text(f.table, style=style),
            newest,
            days(f.age),
            days(f.gap),
            f"{f.counts[-1]:,}" if f.counts else "–",
            amount(f.expected),
            sparkline([float(c) for c in f.counts[-LATELY:]], low=0),
        )
    periods = sorted({f.period for f in feeds if not math.isnan(f.period)})
    told = "rows lately: of the last " + " or ".join(days(p) for p in periods) + ", by table"
    return Group(heading("Feeds"), view, *([Text(told, style="dim")] if len(periods) > 0 else []))


def days(value: float) -> str:
    """A number of days, or of hours where it is less than two days.

    >>> days(0.5), days(7.0), days(float("nan"))
    ('12 h', '7 d', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{value:,.0f} d" if value >= 2 else f"{24 * value:,.0f} h"


def _performance(seen: Performance) -> RenderableType:
    name = metric_name(seen)
    parts: list[RenderableType] = [heading("Performance"), bullets(performance_lines(seen))]
    if seen.batches:
        view = grid("as of", "rows:", f"{name}:", "over the simple rule:")
        for b in seen.batches[-SHOWN:]:
            view.add_row(moment(format_instant(b.cutoff)), f"{b.rows:,}", f"{b.score:.3f}", signed(b.lift))
        parts.insert(1, view)
    return Group(*parts)


def metric_name(seen: Performance) -> str:
    """What the metric is called."""
    metric = seen.metric or "score"
    return READ.get(metric, (metric, ""))[0]


def performance_lines(seen: Performance) -> list[str]:
    """What the figures are of, what was promised, and what is estimated."""
    name, found = metric_name(seen), []
    if not seen.batches:
        found.append("no past prediction's outcome is known yet")
    elif seen.realised:
        found.append("realised: predictions that were written, beside what happened")
    else:
        found.append("what the model would have said at cutoffs that it had not seen, beside what happened")
    if seen.promise is not None:
        p = seen.promise
        found.append(f"the backtest promised {name} {p.score:.3f} ({p.low:.3f} to {p.high:.3f})")
    if seen.estimate is not None:
        e = seen.estimate
        if e.hidden is not None:
            found.append(f"no estimate without labels: {e.hidden}")
        else:
            found.append(
                f"estimated without labels, for the latest predictions: {name} {e.value:.3f}, "
                f"off by {e.error:.3f} on {plural(e.windows, 'past window')}"
            )
    return found


def _drift(seen: Monitoring) -> RenderableType:
    assert seen.features is not None
    view = grid(
        "feature", "KS:", "usually:", "PSI:", "missing:", "before:", "KS over time", stretch="feature"
    )
    for f in shown_features(seen, SHOWN):
        told = seen.descriptions.get(f.name, f.name)
        view.add_row(
            Text(told, style="yellow" if f.drifts else ""),
            *figures(f),
            sparkline(f.history[-LATELY:], low=0),
        )
    return Group(heading("Predictions and features"), view, bullets(drift_lines(seen)))


def shown_features(seen: Monitoring, most: int) -> list[FeatureDrift]:
    """The predictions, then the features by how unusual they are, without those that only tell the time."""
    assert seen.features is not None
    told = [f for f in seen.features.features if f.drifts or not f.tells_time]
    ordered = sorted(told, key=lambda f: (not f.drifts, 1.0 if math.isnan(f.p) else f.p))
    said = () if seen.predictions is None else seen.predictions.features
    return [*said, *ordered[:most]]


def figures(f: FeatureDrift) -> tuple[str, str, str, str, str]:
    """KS, what it usually is, PSI, and the missing shares now and before."""
    ks, usual, psi = (("–" if math.isnan(v) else f"{v:.3f}") for v in (f.ks, f.usual, f.psi))
    return ks, usual, psi, share(f.missing), share(f.missing_before)


def drift_lines(seen: Monitoring) -> list[str]:
    """What was compared with what, and what all features say together."""
    assert seen.features is not None
    held: Drift = seen.features
    found = [
        f"{plural(held.rows, 'entity', 'entities')} now, beside {plural(held.windows - 1, 'past window')}; "
        f"{len(held.drifting):,} of {plural(len(held.features), 'feature')} drift"
    ]
    time = sum(f.tells_time and not f.drifts for f in held.features)
    if time:
        found.append(f"{plural(time, 'feature')} not shown: in every window they are new, as the time is")
    if seen.adversary is not None:
        a = seen.adversary
        usual = "unusual" if a.p < 0.05 else "as usual"
        found.append(
            f"trees tell rows of now from earlier ones with AUROC {a.auroc:.2f}; "
            f"for past windows it was {a.usual:.2f}: {usual}"
        )
    return found
