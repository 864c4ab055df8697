"""Patterns laid out for a reader: each headline as a card, the rest in short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import Instant
from foretell.patterns.finding import Curve, Finding, Oddity, Patterns, Status
from foretell.report.layout import bullets, heading, indented
from foretell.report.numbers import amount, share, sparkline

WIDTH = 48  # characters of a picture
SHORT = 6  # of the appendix, and of what ended or was not confirmed
NOTICE = "These are associations, not causes: two things may go together because of a third."
KINDS = {
    Status.APPENDIX: "Confirmed among others, of which a tenth may be chance",
    Status.ENDED: "Strong in the early part, and surely over",
    Status.UNCONFIRMED: "Not confirmed: the later part does not tell",
}


def patterns_view(told: Patterns, *, top: int = 20) -> RenderableType:
    """All of it; `top` headlines are shown whole."""
    parts: list[RenderableType] = [heading(f"Patterns in {_shown(told.title)}"), Text(looked_at(told))]
    if told.spans:
        parts.append(bullets(_shown(f"{name}: {span}") for name, span in told.spans.items()))
    heads = told.headlines
    if heads:
        parts += [Text(), heading(f"Confirmed in the later part ({len(heads)})"), Text(NOTICE, style="dim")]
        for number, found in enumerate(heads[:top], 1):
            parts += [Text(), card(found, number, told.splits.get(found.sheet))]
        if len(heads) > top:
            parts.append(Text(f"and {len(heads) - top} more: --top {len(heads)}", style="dim"))
    else:
        parts += [Text(), Text("Nothing was confirmed in the later part.")]
    for status, title in KINDS.items():
        parts += _listed(told.of(status), title)
    parts += _odd(told.oddities)
    for curve in told.curves:
        parts += [Text(), heading(_shown(curve.title)), indented(curve_view(curve))]
    if told.notes:
        parts += [Text(), heading("To know"), bullets(map(_shown, told.notes))]
    return Group(*parts)


def looked_at(told: Patterns) -> str:
    """How much was looked at, and how much of it was tested.

    >>> looked_at(Patterns("shop", (), searched=12345, frozen=60))
    'Looked at 12,345 statements in the early part, took 60 to confirmation in the later one.'
    """
    return (
        f"Looked at {plural(told.searched, 'statement')} in the early part, "
        f"took {told.frozen:,} to confirmation in the later one."
    )


def card(found: Finding, number: int, split: Instant | None) -> RenderableType:
    """A headline: its sentence, its figure over time, and how sure it is."""
    lines: list[RenderableType] = [Text(f"{number}. {_shown(found.sentence)}")]
    picture = history(found.series, split)
    if picture:
        lines.append(indented(Text(picture), 3))
    lines.append(indented(Text(sure(found), style="dim"), 3))
    if found.also:
        stands = plural(len(found.also), "other statement")
        lines.append(indented(Text(f"stands for {stands} of nearly the same rows", style="dim"), 3))
    return Group(*lines)


def history(series: Sequence[tuple[Instant, float]], split: Instant | None) -> str:
    """The figure per period as bars, with a mark where the later part begins.

    >>> history([(0, 1.0), (1, 2.0), (2, 3.0), (3, 3.0)], 2)
    '▁▅┃██'
    """
    known = [(at, v) for at, v in series]
    values = np.array([v for _, v in known], dtype=np.float64)
    finite = values[np.isfinite(values)]
    if len(finite) < 3:
        return ""
    low, high = np.quantile(finite, [0.02, 0.98]) if len(finite) > 20 else (finite.min(), finite.max())
    groups = np.array_split(np.arange(len(values)), min(WIDTH, len(values)))
    bars = []
    marked = split is None
    for group in groups:
        held = values[group]
        held = held[np.isfinite(held)]
        if not marked and split is not None and known[int(group[0])][0] >= split:
            marked = True
            bars.append("┃")
        mean = float(held.mean()) if len(held) else float("nan")
        bars.append(sparkline([min(max(mean, low), high)], low=float(low), high=float(high)))
    return "".join(bars)


def sure(found: Finding) -> str:
    """How far the later part bears a statement out, in one line."""
    m = found.measured
    steady = "" if np.isnan(m.stability) else f", on this side in {share(m.stability)} of periods"
    chance = "p < 0.0001" if m.adjusted < 0.0001 else f"p = {m.adjusted:.2g}"
    return (
        f"{found.kind.value}: later {amount(m.value)} ({amount(m.low)} to {amount(m.high)}), "
        f"early {amount(m.early)}; {m.support:,} of {m.population:,} rows{steady}; {chance} by Holm"
    )


def curve_view(curve: Curve) -> RenderableType:
    """By each day the share for which it has happened, a line for each group."""
    names = list(curve.groups)
    width = min(24, max((len(n) for n in names), default=0))
    days = np.asarray(curve.days)
    chosen = np.unique(np.linspace(0, len(days) - 1, min(WIDTH - 12, len(days))).astype(int))
    lines = []
    for name in names:
        values = [curve.groups[name][i] for i in chosen]
        if not values:
            continue
        count = curve.counts.get(name, 0)
        shown = _shown(name if len(name) <= width else name[: width - 1] + "…")
        lines.append(
            f"{shown:<{width}} {sparkline(values, low=0.0, high=1.0)} "
            f"{share(values[-1])} by day {amount(float(days[-1]))} ({count:,})"
        )
    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")


def headline_sql(told: Patterns, *, top: int = 20) -> str:
    """The statements that give each headline's figure again, one after another."""
    parts = ["-- Run each in DuckDB, with the database attached and in use; the figure is its last result."]
    for number, found in enumerate(told.headlines[:top], 1):
        m = found.measured
        figure = f"-- value {m.value!r}, support {m.support}"
        parts.append(f"-- {number}. {_shown(found.sentence)}\n{figure}\n{found.sql.strip()}")
    return "\n\n".join(parts) + "\n"


def _shown(text: str) -> str:
    """A text without characters that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _listed(found: Sequence[Finding], title: str) -> Iterator[RenderableType]:
    if not found:
        return
    yield Text()
    yield heading(f"{title} ({len(found)})")
    yield bullets(_shown(f.sentence) for f in found[:SHORT])
    if len(found) > SHORT:
        yield Text(f"and {len(found) - SHORT} more: --format json", style="dim")


def _odd(found: Sequence[Oddity]) -> Iterator[RenderableType]:
    if not found:
        return
    yield Text()
    yield heading("Odd, and worth a look (ranked, not tested)")
    yield bullets(_shown(o.sentence) for o in found)
