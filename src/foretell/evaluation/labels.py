"""The labels at a glance: per cutoff how many rows and how many positives, what was dropped, and what
warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.task.model import TaskKind

FEW_POSITIVES = 50


@dataclass(frozen=True)
class CutoffRow:
    """The labels of one cutoff. `mean` is the share of positives or the mean value (nan for classes and
    lists).
    """

    cutoff: Instant
    rows: int
    mean: float


@dataclass(frozen=True)
class LabelReport:
    """All labels of a task. `positives` is for conditions, `classes` for classes; `dropped` counts by
    reason.
    """

    kind: TaskKind
    cutoffs: tuple[CutoffRow, ...]
    rows: int
    entities: int
    mean: float
    positives: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "rows": self.rows,
            "entities": self.entities,
            "mean": None if np.isnan(self.mean) else self.mean,
            "positives": self.positives,
            "classes": dict(self.classes),
            "dropped": dict(self.dropped),
            "cutoffs": [
                {
                    "cutoff": format_instant(c.cutoff),
                    "rows": c.rows,
                    "mean": None if np.isnan(c.mean) else c.mean,
                }
                for c in self.cutoffs
            ],
        }


def report(
    kind: TaskKind,
    values: npt.NDArray[Any],
    cutoffs: npt.NDArray[np.int64],
    entities: npt.NDArray[np.int64],
    dropped: Mapping[str, int],
    *,
    most_rows: int = 60,
) -> LabelReport:
    """Sum up labels. Rows that each have a cutoff of their own are summed over equal stretches of time."""
    numeric = kind in (TaskKind.BINARY, TaskKind.REGRESSION) and values.dtype != object
    moments, place = np.unique(cutoffs, return_inverse=True)
    if len(moments) > most_rows:
        edges = np.linspace(moments[0], moments[-1], most_rows // 5 + 1).astype(np.int64)[1:]
        place = np.searchsorted(edges, cutoffs)
        moments = edges
    rows = []
    for i, moment in enumerate(moments):
        here = place == i
        if here.any():
            mean = float(np.mean(values[here])) if numeric else float("nan")
            rows.append(CutoffRow(int(moment), int(here.sum()), mean))
    classes: dict[str, int] = {}
    if kind is TaskKind.MULTICLASS:
        names, counts = np.unique(np.array([str(v) for v in values], dtype=object), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        classes = {str(names[i]): int(counts[i]) for i in order}
    return LabelReport(
        kind=kind,
        cutoffs=tuple(rows),
        rows=len(values),
        entities=len(np.unique(entities)),
        mean=float(np.mean(values)) if numeric and len(values) else float("nan"),
        positives=int(values.sum()) if kind is TaskKind.BINARY and numeric else None,
        classes=classes,
        dropped=dict(dropped),
    )


def warnings(report: LabelReport) -> tuple[str, ...]:
    """What a person should know before trusting a model on these labels."""
    found = []
    if report.positives is not None and 0 < report.positives < FEW_POSITIVES:
        found.append(
            f"only {plural(report.positives, 'positive')} among {plural(report.rows, 'label')}: "
            "expect wide intervals"
        )
    rare = [name for name, count in report.classes.items() if count < 10]
    if rare:
        found.append(
            f"{plural(len(rare), 'class', 'classes')} of {len(report.classes)} with fewer than 10 labels"
        )
    means = [c.mean for c in report.cutoffs if c.rows >= 30 and not np.isnan(c.mean)]
    if report.kind is TaskKind.BINARY and len(means) >= 4 and max(means) - min(means) > 0.3:
        found.append(
            f"the share of positives moves between {min(means):.0%} and {max(means):.0%} over the cutoffs: "
            "the past may not resemble the future"
        )
    return tuple(found)
