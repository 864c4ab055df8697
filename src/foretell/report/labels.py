"""Labels laid out for a reader: how many at each cutoff, and what share of them is positive."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import format_instant
from foretell.evaluation.labels import LabelReport
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, moment, share, sparkline
from foretell.task.model import TaskKind

SHARES = frozenset({TaskKind.BINARY})
NUMBERS = frozenset({TaskKind.REGRESSION, TaskKind.FORECAST})


def labels_view(report: LabelReport, *, shown: int = 8) -> RenderableType:
    """Totals, a small picture over time, and the last `shown` cutoffs."""
    parts: list[RenderableType] = [heading(f"Labels: {totals(report)}")]
    if not report.cutoffs:
        return parts[0]
    means = [row.mean for row in report.cutoffs]
    if len(means) > 2 and not all(math.isnan(m) for m in means):
        line = Text(f"{'share of yes' if report.kind in SHARES else 'mean'} at each cutoff: ")
        low, high = (0.0, 1.0) if report.kind in SHARES else (None, None)
        line.append(sparkline(means, low=low, high=high), style="cyan")
        line.append(
            f"  from {_mean(report.kind, min(_known(means)))} to {_mean(report.kind, max(_known(means)))}"
        )
        parts.append(line)
    measured = report.kind in SHARES or report.kind in NUMBERS
    view = grid("cutoff", "rows:", *([measure(report.kind) + ":"] if measured else []))
    for row in report.cutoffs[-shown:]:
        cells = [_mean(report.kind, row.mean)] if measured else []
        view.add_row(moment(format_instant(row.cutoff)), f"{row.rows:,}", *cells)
    parts.append(view)
    if len(report.cutoffs) > shown:
        parts.append(Text(f"and {plural(len(report.cutoffs) - shown, 'earlier cutoff')}", style="dim"))
    if report.classes:
        parts.append(Text(f"classes: {classes(report)}"))
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
    return "yes" if kind in SHARES else "mean"


def classes(report: LabelReport, *, shown: int = 6) -> str:
    """The commonest classes with their shares."""
    names = list(report.classes)
    total = sum(report.classes.values()) or 1
    parts = [f"{name} {share(report.classes[name] / total)}" for name in names[:shown]]
    return ", ".join(parts) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _mean(kind: TaskKind, value: float) -> str:
    return share(value) if kind in SHARES else amount(value)


def _known(values: Sequence[float]) -> list[float]:
    return [v for v in values if not math.isnan(v)]
