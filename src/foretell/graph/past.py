"""The entity's own labels at earlier cutoffs, for each row those whose window had closed at its cutoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.errors import LeakError
from foretell.core.time import DAY, Instant
from foretell.features.lower import PAST_STEPS, feature_plan
from foretell.features.matrix import Instants
from foretell.features.model import Feature, FeatureSet, Kind, OwnLabels
from foretell.plan import nodes
from foretell.plan.lattice import looking_back
from foretell.plan.proof import prove
from foretell.task.model import Task, TaskKind

Places = npt.NDArray[np.int64]
Selection: TypeAlias = npt.NDArray[np.intp] | npt.NDArray[np.bool_]

KINDS = (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS)


class RowsOf(Protocol):
    """Rows of (entity, cutoff), as engines have them: an entity is the rank of its row in its table."""

    @property
    def entities(self) -> Places: ...

    @property
    def cutoffs(self) -> Instants: ...


class Labelled(Protocol):
    """What was true of rows, ordered by cutoff and then by entity."""

    @property
    def rows(self) -> RowsOf: ...

    @property
    def values(self) -> npt.NDArray[Any]: ...


class Labeller(Protocol):
    """The part of an engine that makes labels."""

    def labels(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Labelled: ...

    def span(self, table: str) -> tuple[Instant, Instant] | None: ...


@dataclass(frozen=True)
class PastLabels:
    """Each row's last known labels, latest first.

    `values` are numbers, or for classes their texts; NaN and None stand for none. `ages` are the days since
    each was known, NaN for none.
    """

    values: npt.NDArray[Any]  # (rows, steps): float64 or object
    ages: npt.NDArray[np.float64]  # (rows, steps)

    def __len__(self) -> int:
        return len(self.ages)

    def take(self, index: Selection) -> PastLabels:
        return PastLabels(self.values[index], self.ages[index])

    def join(self, other: PastLabels) -> PastLabels:
        """These, then the other's."""
        values = np.concatenate([self.values, other.values])
        return PastLabels(values, np.concatenate([self.ages, other.ages]))


def none_known(rows: int) -> PastLabels:
    """The past labels of rows of a task that has none."""
    return PastLabels(np.empty((rows, 0)), np.empty((rows, 0)))


def past_plan(task: Task) -> nodes.PastLabels | None:
    """The plan of a task's past labels, proven; None where it has none that are known in time."""
    if task.step is None or task.kind not in KINDS:
        return None
    kind = Kind.CATEGORICAL if task.kind is TaskKind.MULTICLASS else Kind.NUMERIC
    measure = "last_category" if task.kind is TaskKind.MULTICLASS else "last"
    last = Feature("label", kind, OwnLabels(measure, None), "the last known label", "past labels")
    plan = feature_plan(task, FeatureSet((last,)))
    try:
        prove(plan, task.schema)
    except LeakError:
        return None
    (block,) = plan.blocks
    assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.PastLabels)
    return block.events


def past_labels(engine: Labeller, task: Task, rows: RowsOf, *, steps: int = PAST_STEPS) -> PastLabels:
    """Each row's own last `steps` labels, looking back from its own cutoff in whole steps.

    A label is known from the close of its window, as in the features that are made of past labels.
    """
    count = len(rows.cutoffs)
    past = past_plan(task)
    if past is None or not count:
        return none_known(count)
    spans = [engine.span(a.events.table) for a in past.target.aggregates if a.window.is_future]
    begins = [found[0] for found in spans if found is not None]
    start = max(begins) if begins and len(begins) == len(spans) else None
    lattice = looking_back(past, np.unique(rows.cutoffs).tolist(), start)
    classes = task.kind is TaskKind.MULTICLASS
    values = np.full((count, steps), None if classes else np.nan, dtype=object if classes else np.float64)
    ages = np.full((count, steps), np.nan)
    if not lattice.earlier:
        return PastLabels(values, ages)
    made = engine.labels(past.target, sorted({at for at, _, _ in lattice.earlier}))
    at, known, phase = (np.array(column, dtype=np.int64) for column in zip(*lattice.earlier))
    own = np.array([lattice.phases[int(c)] for c in rows.cutoffs])  # (rows,)
    texts = _texts(made.values) if classes else made.values.astype(np.float64)
    find = _finder(made)
    for place in np.unique(own):
        mine = np.flatnonzero(own == place)
        in_phase = np.flatnonzero(phase == place)  # ascending by cutoff, and so by when they are known
        filled = np.zeros(len(mine), dtype=np.int64)
        for step in in_phase[::-1]:
            open_ = (known[step] <= rows.cutoffs[mine]) & (filled < steps)
            chosen = mine[open_]
            label = find(rows.entities[chosen], int(at[step]))
            there = label >= 0
            row, slot = chosen[there], filled[open_][there]
            values[row, slot] = texts[label[there]]
            ages[row, slot] = (rows.cutoffs[row] - known[step]) / DAY
            filled[np.flatnonzero(open_)[there]] += 1
    return PastLabels(values, ages)


def _finder(made: Labelled) -> Callable[[Places, int], Places]:
    """Finds labels by their entities and cutoff: positions, -1 for none."""
    cutoffs, entities = made.rows.cutoffs, made.rows.entities

    def find(wanted: Places, cutoff: int) -> Places:
        first, end = np.searchsorted(cutoffs, [cutoff, cutoff + 1])
        if first == end:
            return np.full(len(wanted), -1, dtype=np.int64)
        place = first + np.searchsorted(entities[first:end], wanted)
        place = np.minimum(place, end - 1)
        return np.where(entities[place] == wanted, place, -1)

    return find


def _texts(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array([None if v is None else _text(v) for v in values], dtype=object)


def _text(value: Any) -> str:
    """A class as text: whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
