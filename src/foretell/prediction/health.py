"""What the data said when a model was made: its labels, its folds, and what a reader should know of both."""

from __future__ import annotations

from typing import Any

from foretell.core.time import format_instant
from foretell.engines.base import Labels
from foretell.evaluation.labels import report, warnings
from foretell.features.model import FeatureSet
from foretell.task.cutoffs import Folds
from foretell.task.model import TaskKind


def health_of(
    kind: TaskKind, labels: Labels, folds: Folds, features: FeatureSet, notes: tuple[str, ...]
) -> dict[str, Any]:
    """JSON-ready: `labels` over time, `folds` with their spans, `warnings` of both, and the data's `notes`."""
    rows = labels.rows
    told = report(kind, labels.values, rows.cutoffs, rows.entities, labels.dropped)
    spans = {}
    for name, mask in (("train", folds.train), ("valid", folds.valid), ("test", folds.test)):
        held = rows.cutoffs[mask]
        if len(held):
            first, last = format_instant(int(held.min())), format_instant(int(held.max()))
            spans[name] = {"rows": len(held), "first": first, "last": last}
    remarks = (*warnings(told), *features.remarks, *((folds.note,) if folds.note else ()))
    return {
        "labels": told.to_dict(),
        "folds": spans,
        "warnings": list(dict.fromkeys(remarks)),
        "notes": list(notes),
    }
