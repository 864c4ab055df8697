"""The labels of a query at a glance while it is written: the latest cutoffs first, as many as time allows."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from foretell.core.progress import QUIET
from foretell.core.text import plural
from foretell.engines.base import Labels, Rows
from foretell.evaluation.labels import report, warnings
from foretell.prediction.batch import check_ids
from foretell.prediction.labels import computed_labels
from foretell.prediction.learn import learning_moments
from foretell.query.parser import parse
from foretell.server.faults import ConflictError
from foretell.server.holding import Holding
from foretell.task.bind import bind
from foretell.task.model import Task, TaskKind

SECONDS = 1.5
"""After so long no further cutoff is begun."""
PATIENCE = 0.5  # seconds that a preview waits for the database
MOST_ROWS = 2_000_000
MOST_CUTOFFS = 24
SAMPLE = 10  # rows


class Previews:
    """Previews one after the other; one that waits gives way to one that came later."""

    def __init__(self) -> None:
        self._latest = 0
        self._lock = threading.Lock()

    def of(self, holding: Holding, query: str) -> dict[str, Any]:
        """Label statistics, a few rows, and how much of the history they are of."""
        task = bind(parse(query), holding.schema)
        with self._lock:
            self._latest += 1
            mine = self._latest

        def superseded() -> bool:
            return self._latest != mine

        with holding.use(QUIET, patience=PATIENCE) as database:
            if superseded():
                raise ConflictError("a later preview was asked for")
            opened = database.opened
            check_ids(opened, task)
            moments = learning_moments(opened, task)
            made, seen, began = [], 0, time.monotonic()
            for moment in reversed(moments[-MOST_CUTOFFS:]):
                made.append(computed_labels(opened, task, [moment]))
                seen += len(made[-1].rows)
                if superseded():
                    raise ConflictError("a later preview was asked for")
                if time.monotonic() - began > SECONDS or seen > MOST_ROWS:
                    break
            labels = _joined(made[::-1])
            keys = opened.engine.keys(task.entity.name, task.entity_key, labels.rows.entities[-SAMPLE:])
        return _told(task, labels, keys, looked_at=len(made), of=len(moments))


def _joined(parts: list[Labels]) -> Labels:
    dropped: dict[str, int] = {}
    for part in parts:
        for why, count in part.dropped.items():
            dropped[why] = dropped.get(why, 0) + count
    rows = Rows(
        np.concatenate([p.rows.entities for p in parts]), np.concatenate([p.rows.cutoffs for p in parts])
    )
    return Labels(rows, np.concatenate([p.values for p in parts]), dropped)


def _told(task: Task, labels: Labels, keys: Any, *, looked_at: int, of: int) -> dict[str, Any]:
    rows = labels.rows
    found = report(task.kind, labels.values, rows.cutoffs, rows.entities, labels.dropped)
    part = f"of the latest {plural(looked_at, 'cutoff')} of {of:,}" if looked_at < of else "of every cutoff"
    columns = {name: _listed(values) for name, values in keys.items()}
    shown = [
        {"keys": {n: v[i] for n, v in columns.items()}, "cutoff": cutoff, "label": _label(task, value)}
        for i, (cutoff, value) in enumerate(zip(_times(rows.cutoffs[-SAMPLE:]), labels.values[-SAMPLE:]))
    ]
    return {
        "labels": found.to_dict(),
        "sample": shown,
        "warnings": list(warnings(found)) if found.rows else ["there is no label to learn from"],
        "part": part,
        "cutoffs_looked_at": looked_at,
        "cutoffs": of,
    }


def _listed(values: Any) -> list[Any]:
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values)


def _times(moments: Any) -> list[str]:
    from foretell.core.time import format_instant

    return [format_instant(int(m)) for m in moments]


def _label(task: Task, value: Any) -> Any:
    return bool(value) if task.kind is TaskKind.BINARY and value == value else value
