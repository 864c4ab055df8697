"""What the data said when a model was made: its labels, its folds, and what a reader should know of both."""

from __future__ import annotations

from typing import Any

from foretell.core.time import format_instant
from foretell.engines.base import Labels
from foretell.evaluation.labels import report, warnings
from foretell.features.model import FeatureSet
from foretell.task.cutoffs import Folds
from foretell.task.model import Task


def health_of(
    task: Task, labels: Labels, folds: Folds, features: FeatureSet, notes: tuple[str, ...]
) -> dict[str, Any]:
    """JSON-ready: `tables` with their numbers of rows, `labels` over time, `folds` with their spans,
    `warnings`, and `notes` on features and data.
    """
    rows = labels.rows
    told = report(task.kind, labels.values, rows.cutoffs, rows.entities, labels.dropped)
    spans = {}
    for name, mask in (("train", folds.train), ("valid", folds.valid), ("test", folds.test)):
        held = rows.cutoffs[mask]
        if len(held):
            first, last = format_instant(int(held.min())), format_instant(int(held.max()))
            spans[name] = {"rows": len(held), "first": first, "last": last}
    return {
        "tables": {t.name: t.rows for t in task.schema.tables if not t.ignored},
        "labels": told.to_dict(),
        "folds": spans,
        "warnings": [*warnings(told), *((folds.note,) if folds.note else ())],
        "notes": list(dict.fromkeys((*features.remarks, *notes))),
    }
