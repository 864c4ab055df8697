"""Labels laid out for a reader: how many at each cutoff, and what share of them is positive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, share, sparkline
from foretell.task.model import TaskKind

SHARES = frozenset({TaskKind.BINARY})
NUMBERS = frozenset({TaskKind.REGRESSION, TaskKind.FORECAST})


class CutoffRow(Protocol):
    """One cutoff's labels. `mean` is the share positive, or the mean value; `classes` are counts."""

    @property
    def cutoff(self) -> Instant: ...
    @property
    def rows(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def classes(self) -> Mapping[str, int]: ...


class LabelReport(Protocol):
    """All labels: one row per cutoff, and what was dropped, by reason."""

    @property
    def kind(self) -> TaskKind: ...
    @property
    def cutoffs(self) -> Sequence[CutoffRow]: ...
    @property
    def rows(self) -> int: ...
    @property
    def entities(self) -> int: ...
    @property
    def positives(self) -> int | None: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


def labels_view(report: LabelReport, *, shown: int = 8) -> RenderableType:
    """Totals, a small picture over time, and the last `shown` cutoffs."""
    parts: list[RenderableType] = [heading(f"Labels: {totals(report)}")]
    if not report.cutoffs:
        return parts[0]
    means = [row.mean for row in report.cutoffs]
    if len(means) > 2 and not all(math.isnan(m) for m in means):
        line = Text(f"{measure(report.kind)} at each cutoff: ")
        low, high = (0.0, 1.0) if report.kind in SHARES else (None, None)
        line.append(sparkline(means, low=low, high=high), style="cyan")
        line.append(
            f"  from {_mean(report.kind, min(_known(means)))} to {_mean(report.kind, max(_known(means)))}"
        )
        parts.append(line)
    view = grid("cutoff", "rows:", *_headers(report.kind))
    for row in report.cutoffs[-shown:]:
        view.add_row(format_instant(row.cutoff), f"{row.rows:,}", *_cells(report, row))
    parts.append(view)
    if len(report.cutoffs) > shown:
        parts.append(Text(f"and {plural(len(report.cutoffs) - shown, 'earlier cutoff')}", style="dim"))
    if report.dropped:
        parts.append(
            bullets(f"left out: {plural(n, 'row')}, {why}" for why, n in report.dropped.items() if n)
        )
    return Group(*parts)


def totals(report: LabelReport) -> str:
    """How many rows, over how many entities and cutoffs, and the share positive of all."""
    text = (
        f"{plural(report.rows, 'row')} ({plural(report.entities, 'entity', 'entities')} at"
        f" {plural(len(report.cutoffs), 'cutoff')})"
    )
    if report.kind in SHARES and report.positives is not None and report.rows:
        text += f", {share(report.positives / report.rows)} of them yes"
    return text


def measure(kind: TaskKind) -> str:
    """What the mean of labels is called."""
    return "share of yes" if kind in SHARES else "mean"


def _headers(kind: TaskKind) -> tuple[str, ...]:
    if kind in SHARES:
        return ("yes:",)
    return ("mean:",) if kind in NUMBERS else ("classes",)


def _cells(report: LabelReport, row: CutoffRow) -> tuple[str, ...]:
    if report.kind in SHARES or report.kind in NUMBERS:
        return (_mean(report.kind, row.mean),)
    counted = sorted(row.classes.items(), key=lambda item: (-item[1], item[0]))
    total = sum(row.classes.values()) or 1
    parts = [f"{name} {share(n / total)}" for name, n in counted[:4]]
    return (", ".join(parts) + (f" and {len(counted) - 4} more" if len(counted) > 4 else ""),)


def _mean(kind: TaskKind, value: float) -> str:
    return share(value) if kind in SHARES else amount(value)


def _known(values: Sequence[float]) -> list[float]:
    return [v for v in values if not math.isnan(v)]
