"""The labels at a glance: per cutoff how many rows and how many positives, what was dropped, and what
warns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.text import plural
from foretell.core.time import DAY, Instant, format_instant
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
    """All labels of a task. `positives` is for conditions, `classes` for classes and the items of lists;
    `dropped` counts by reason.
    """

    kind: TaskKind
    cutoffs: tuple[CutoffRow, ...]
    rows: int
    entities: int
    mean: float
    positives: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    constant: bool = False  # every number is the same

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
    if kind is TaskKind.FORECAST:
        values = np.array([np.nanmean(v) for v in values], dtype=np.float64)
    numeric = kind in _MEASURED and values.dtype != object
    moments, place = np.unique(cutoffs, return_inverse=True)
    if len(moments) > most_rows:
        edges = np.linspace(moments[0], moments[-1], most_rows // 5 + 1).astype(np.int64)[1:]
        if moments[-1] - moments[0] > most_rows * DAY:
            edges += -edges % DAY  # whole days
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
        classes = _counted(values)
    elif kind in (TaskKind.RANKING, TaskKind.MULTILABEL):
        classes = _counted([item for items in values for item in items])
    return LabelReport(
        kind=kind,
        cutoffs=tuple(rows),
        rows=len(values),
        entities=len(np.unique(entities)),
        mean=float(np.mean(values)) if numeric and len(values) else float("nan"),
        positives=int(values.sum()) if kind is TaskKind.BINARY and numeric else None,
        classes=classes,
        dropped=dict(dropped),
        constant=kind is TaskKind.REGRESSION and numeric and len(values) > 1 and bool(np.ptp(values) == 0),
    )


_MEASURED = (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.FORECAST)


def _counted(values: Iterable[Any]) -> dict[str, int]:
    """How often each class occurs, the most frequent first."""
    names, counts = np.unique(np.array([class_name(v) for v in values], dtype=object), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(names[i]): int(counts[i]) for i in order}


def class_name(value: Any) -> str:
    """A class as text: whole numbers without a decimal point.

    >>> class_name(7.0), class_name("late")
    ('7', 'late')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def warnings(report: LabelReport) -> tuple[str, ...]:
    """What a person should know before trusting a model on these labels."""
    found = []
    if report.rows and report.positives in (0, report.rows):
        found.append(
            f"all {plural(report.rows, 'label')} are {'true' if report.positives else 'false'} (base rate "
            f"{report.mean:.0%}): no model can be learned from them"
        )
    if len(report.classes) == 1 and report.kind is TaskKind.MULTICLASS:
        found.append(f"all labels are {next(iter(report.classes))}: no model can be learned from them")
    if report.constant:
        found.append(f"all labels are {report.mean:g}: no model can be learned from them")
    if report.positives is not None and 0 < report.positives < FEW_POSITIVES:
        found.append(
            f"only {plural(report.positives, 'positive')} among {plural(report.rows, 'label')}: "
            "expect wide intervals"
        )
    classes = report.classes if report.kind is TaskKind.MULTICLASS else {}
    rare = [name for name, count in classes.items() if count < 10]
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
