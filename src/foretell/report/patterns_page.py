"""Patterns as a section of a page: headlines with their figures, plots and SQL, then what else was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from foretell.core.text import plural
from foretell.patterns.finding import Finding, Patterns, Status
from foretell.report.chart import number
from foretell.report.numbers import share
from foretell.report.page import Code, Fold, Grid, Part, Points, Section, Words, drawings, grid
from foretell.report.pattern_plots import curve_plot, finding_plot

HEADLINES, REST, ODDITIES = 12, 25, 15


def patterns_section(told: Patterns | None) -> Section | None:
    """What was mined in the early part of history and held in the later one."""
    if told is None:
        return None
    blocks: list[Any] = [
        Words(
            f"{plural(told.searched, 'statement')} were looked at in the early part of history, "
            f"{told.frozen:,} of them tested in the later part, "
            f"{plural(len(told.headlines), 'headline')} confirmed. They are associations, not causes."
        ),
        Points(tuple(f"{sheet}: {span}" for sheet, span in told.spans.items()), "dim"),
    ]
    for i, found in enumerate(told.headlines[:HEADLINES]):
        blocks.append(Part(found.sentence, _headline(found, i)))
    for status, summary in (
        (Status.APPENDIX, "Confirmed among others, of which a tenth may be chance"),
        (Status.ENDED, "Strong before, and surely not so any more"),
        (Status.UNCONFIRMED, "Not confirmed"),
    ):
        held = told.of(status)
        if held:
            blocks.append(Fold(f"{summary}: {len(held):,}", (_table(summary, held[:REST]),)))
    if told.curves:
        blocks.append(Part("How soon", (drawings(curve_plot(c, i) for i, c in enumerate(told.curves)),)))
    if told.oddities:
        said = tuple(o.sentence for o in told.oddities[:ODDITIES])
        blocks.append(Fold("Unlike the others (ranked, not tested)", (Points(said),)))
    if told.notes:
        blocks.append(Points(told.notes, "dim"))
    return Section("patterns", "Patterns", tuple(blocks))


def _headline(found: Finding, place: int) -> tuple[Any, ...]:
    m = found.measured
    figures = grid(
        "The later part of history alone",
        ("figure:", "95% interval", "if nothing:", "rows:", "of:", "adjusted p:", "periods that agree:"),
        [(number(m.value), f"{number(m.low)} to {number(m.high)}", number(m.null), f"{m.support:,}",
          f"{m.population:,}", f"{m.adjusted:.2g}", share(m.stability))],
    )  # fmt: skip
    stands = f"Stands for {plural(len(found.also), 'other statement')} of nearly the same rows."
    also = (Words(stands),) if found.also else ()
    return (
        figures,
        drawings([replace(finding_plot(found, place), title="The figure over time")]),
        *also,
        Fold("The SQL that gives the figure again", (Code(found.sql),), printed=False),
    )


def _table(caption: str, held: Sequence[Finding]) -> Grid:
    rows = [
        (f.sentence, number(f.measured.value), f"{number(f.measured.low)} to {number(f.measured.high)}",
         f"{f.measured.support:,}")
        for f in held
    ]  # fmt: skip
    return grid(caption, ("statement", "figure:", "95% interval", "rows:"), rows)
