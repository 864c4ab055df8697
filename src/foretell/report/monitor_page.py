"""What monitoring saw as one HTML page: no scripts, nothing from elsewhere, readable on a phone."""

from __future__ import annotations

from typing import Any

from foretell.core.time import format_instant
from foretell.lifecycle.monitor.finding import Severity
from foretell.lifecycle.monitor.record import Monitoring
from foretell.report.chart import capital
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
from foretell.report.page import Cell, Page, Points, Section, Words, drawings, grid, html, spark
from foretell.report.upkeep_plots import drift_plot, performance_plot

SHOWN = 25
"""Features in the table, those that drift first."""
LOOKS = {Severity.OK: "ok", Severity.DIGEST: "look", Severity.PAGE: "bad"}


def monitor_page(seen: Monitoring) -> str:
    """The page, whole; needs the extra `report`."""
    sections = [_findings(seen), _performance(seen), _drift(seen), _feeds(seen)]
    if seen.notes:
        sections.append(Section("notes", "Notes", (Points(seen.notes),)))
    return html(
        Page(
            title=f"{seen.name}@{seen.version}, watched",
            verdict=seen.verdict,
            level=LOOKS[seen.severity],
            lead=(Words(heading_line(seen), "dim"),),
            sections=tuple(s for s in sections if s is not None),
        )
    )


def _findings(seen: Monitoring) -> Section | None:
    if not seen.findings:
        return None
    rows = [(Cell(WORDS[f.severity], LOOKS[f.severity]), f.area, f.text) for f in seen.findings]
    table = grid("Findings, the gravest first", ("level", "part", "finding"), rows)
    return Section("findings", "What was found", (table,))


def _performance(seen: Monitoring) -> Section | None:
    held = seen.performance
    if held is None:
        return None
    blocks: list[Any] = [Points(tuple(performance_lines(held))), drawings([performance_plot(seen)])]
    if held.batches:
        rows = [
            (moment(format_instant(b.cutoff)), f"{b.rows:,}", f"{b.score:.3f}", signed(b.lift))
            for b in held.batches
        ]
        columns = ("as of", "rows:", f"{metric_name(held)}:", "over the simple rule:")
        blocks.append(grid("Past predictions beside what happened", columns, rows))
    return Section("performance", "Performance", tuple(blocks))


def _drift(seen: Monitoring) -> Section | None:
    if seen.features is None:
        return None
    rows = []
    for f in shown_features(seen, SHOWN):
        told = seen.descriptions.get(f.name, f.name)
        look = "look" if f.drifts else ""
        rows.append((Cell(told, look), *figures(f), spark(f.history, f"KS of {told} over past windows")))
    columns = ("feature", "KS:", "usually:", "PSI:", "missing:", "before:", "KS over time")
    table = grid("What the model says and what it reads, the most unusual first", columns, rows)
    blocks = (Points(tuple(map(capital, drift_lines(seen)))), drawings([drift_plot(seen)]), table)
    return Section("drift", "Predictions and features", blocks)


def _feeds(seen: Monitoring) -> Section | None:
    if not seen.feeds:
        return None
    rows = []
    for f in seen.feeds:
        look = "bad" if f.stopped else "look" if f.odd else ""
        newest = "–" if f.newest is None else moment(format_instant(f.newest).partition(".")[0])
        ages = (days(f.age), days(f.gap), days(f.period))
        rows.append(
            (
                Cell(f.table, look),
                newest,
                *ages,
                f"{f.counts[-1]:,}" if f.counts else "–",
                amount(f.expected),
                spark([float(c) for c in f.counts], f"rows of {f.table} in each period"),
            )
        )
    columns = ("table", "newest row", "age:", "longest gap:", "period:", "rows:", "usually:", "over time")
    table = grid("The tables that the model reads, as their rows come", columns, rows)
    return Section("feeds", "Feeds", (table,))
