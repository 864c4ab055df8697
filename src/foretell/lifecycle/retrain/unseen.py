"""Rows to judge two models on: matured ones that neither has learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError
from foretell.core.random import generator
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.engines.base import Labels, Rows
from foretell.lifecycle.grading.outcomes import learned_until, seen_until
from foretell.lifecycle.version import Version
from foretell.prediction import learn
from foretell.prediction.database import OpenDatabase, counted_tables
from foretell.prediction.labels import computed_labels
from foretell.task.cutoffs import closed_before, learning_cutoffs
from foretell.task.model import Task, TaskKind

FEWEST_ROWS, FEWEST_ENTITIES, FEWEST_OF_A_CLASS = 200, 8, 10
MOST_ROWS = 50_000
MOST_CUTOFFS = 60


@dataclass(frozen=True)
class Unseen:
    """`judged` are rows that both models are judged on; `training` the labels whose windows had closed before
    the first of them, which a challenger may learn from.
    """

    training: Labels
    judged: Labels

    @property
    def first(self) -> Instant:
        return int(self.judged.rows.cutoffs.min())

    @property
    def last(self) -> Instant:
        return int(self.judged.rows.cutoffs.max())


@dataclass(frozen=True)
class Missing:
    """Why two models cannot be told apart yet: `rows` are there of the `needed`; `when` more will be."""

    why: str
    rows: int
    needed: int
    when: Instant | None

    def __str__(self) -> str:
        when = "" if self.when is None else f"; look again from about {format_instant(self.when)[:10]} on"
        return f"{self.why}{when}"


def new_labels(database: OpenDatabase, task: Task, since: Instant) -> Labels:
    """The matured labels of cutoffs at or after `since`: none where no window has closed yet."""
    if task.is_static:
        labels = computed_labels(database, task, learn.learning_moments(database, task))
        return taken(labels, labels.rows.cutoffs >= since)
    assert task.horizon is not None and task.step is not None
    end = database.end_of_data(counted_tables(task), earliest=True)
    if task.as_of is not None:
        end = min(end, task.as_of)
    try:
        moments = learning_cutoffs(
            (-task.horizon).after(since),
            end,
            task.horizon,
            task.step,
            limit=MOST_CUTOFFS,
            every=task.query.every is not None,
        )
    except DataError:  # no window is closed
        moments = ()
    moments = tuple(m for m in moments if m >= since)
    if not moments:
        return Labels(Rows(np.empty(0, np.int64), np.empty(0, np.int64)), np.empty(0), {})
    return computed_labels(database, task, moments)


def unseen(database: OpenDatabase, task: Task, champion: Version, *, seed: int = 0) -> Unseen | Missing:
    """Split what has matured since the champion learned: the later half judges, what closed before teaches.

    A challenger that learned no label more than the champion is no challenger, so rows are missing too where
    none is new.
    """
    since = seen_until(champion, task)
    fresh = new_labels(database, task, since)
    moments = np.unique(fresh.rows.cutoffs)
    if not len(moments):
        return _missing(database, task, since, 0, "no window has closed since the champion was trained")
    every = computed_labels(database, task, learn.learning_moments(database, task))
    counts = np.searchsorted(np.sort(fresh.rows.cutoffs), moments)  # rows before each moment
    halfway = int(np.searchsorted(counts, len(fresh.rows) / 2))
    learned = learned_until(champion)
    for first in moments[min(halfway, len(moments) - 1) :].tolist():
        training = taken(every, closed_before(every.rows.cutoffs, task.horizon, first))
        if not (training.rows.cutoffs > learned).any():
            continue
        judged = taken(fresh, fresh.rows.cutoffs >= first)
        short = _short(judged, task)
        if short is not None:
            return _missing(database, task, since, len(judged.rows), short)
        return Unseen(training, _thinned(judged, seed))
    return _missing(
        database, task, since, len(fresh.rows), "no label that is new to the champion closed before new rows"
    )


def taken(labels: Labels, mask: npt.NDArray[np.bool_]) -> Labels:
    """Those of the labels."""
    return Labels(labels.rows.take(mask), labels.values[mask], labels.dropped)


def _short(judged: Labels, task: Task) -> str | None:
    """What is missing to judge by these rows; None where they will do."""
    rows, entities = len(judged.rows), len(np.unique(judged.rows.entities))
    if rows < FEWEST_ROWS:
        return f"{plural(rows, 'row')} that neither model has seen, and {FEWEST_ROWS} are needed"
    if entities < FEWEST_ENTITIES:
        many = plural(entities, "entity", "entities")
        return f"{many} that neither model has seen, and {FEWEST_ENTITIES} are needed"
    if task.kind is TaskKind.BINARY:
        yes = int(judged.values.sum())
        if min(yes, rows - yes) < FEWEST_OF_A_CLASS:
            return (
                f"{yes:,} yes among {rows:,} unseen rows, and {FEWEST_OF_A_CLASS} of either kind are needed"
            )
    return None


def _missing(database: OpenDatabase, task: Task, since: Instant, rows: int, why: str) -> Missing:
    """When enough rows will be there, if they go on coming as they do."""
    if task.horizon is None or task.step is None:
        return Missing(why, rows, FEWEST_ROWS, None)
    end = database.end_of_data(counted_tables(task), earliest=True)
    if rows < 1:
        return Missing(why, rows, FEWEST_ROWS, task.horizon.after(task.step.after(since)))
    times = max(2.0, FEWEST_ROWS / rows)
    span = max(end - since, round(task.step.microseconds))
    return Missing(
        why, rows, FEWEST_ROWS, max(since + round(times * span), end + round(task.step.microseconds))
    )


def _thinned(labels: Labels, seed: int) -> Labels:
    if len(labels.rows) <= MOST_ROWS:
        return labels
    chosen = generator(seed, "judged").choice(len(labels.rows), size=MOST_ROWS, replace=False)
    mask = np.zeros(len(labels.rows), dtype=np.bool_)
    mask[chosen] = True
    return taken(labels, mask)
