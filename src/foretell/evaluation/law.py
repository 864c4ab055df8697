"""The law of the field, as a comparison: what is known at a cutoff must not move by a bit with its future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.time import Instant
from foretell.engines.base import Engine, Rows
from foretell.engines.choose import make_engine
from foretell.evaluation.futures import Frames
from foretell.features.matrix import Matrix, Numeric, Values
from foretell.plan import nodes
from foretell.schema.model import Schema
from foretell.sources.frames import FramesSource
from foretell.store.working import Store


@dataclass(frozen=True)
class Difference:
    """Something that moved with the future: `what` is 'population' or a feature, `how` the kind of future."""

    what: str
    how: str
    rows: int

    def __str__(self) -> str:
        return f"{self.what!r} changes when the future does ({self.how}; {self.rows:,} rows)"


def answer(
    frames: Frames,
    schema: Schema,
    target: nodes.Target,
    plan: nodes.FeaturePlan,
    cutoff: Instant,
    *,
    threads: int = 2,
) -> tuple[Rows, Matrix]:
    """The rows at a cutoff with their features. A static target's rows are those up to the cutoff."""
    with Store.load(FramesSource(dict(frames)).snapshot()) as store:
        return asked(make_engine(store, schema, threads=threads), target, plan, cutoff)


def asked(
    engine: Engine, target: nodes.Target, plan: nodes.FeaturePlan, cutoff: Instant
) -> tuple[Rows, Matrix]:
    """The rows at a cutoff with their features, on an engine that is there already."""
    rows = engine.population(target, [cutoff])
    if target.horizon is None:
        labelled = engine.labels(target, [cutoff]).rows
        rows = Rows(
            np.concatenate([rows.entities, labelled.entities]),
            np.concatenate([rows.cutoffs, labelled.cutoffs]),
        )
    return rows, engine.features(plan, rows)


def differences(first: tuple[Rows, Matrix], other: tuple[Rows, Matrix], how: str) -> tuple[Difference, ...]:
    """What differs, bit for bit (missing equals missing)."""
    (rows, matrix), (rows_, matrix_) = first, other
    same = np.array_equal(rows.entities, rows_.entities) and np.array_equal(rows.cutoffs, rows_.cutoffs)
    if not same:
        return (Difference("population", how, max(len(rows), len(rows_))),)
    found = []
    for name in matrix.names:
        count = int((~_equal(matrix[name], matrix_[name])).sum())
        if count:
            found.append(Difference(name, how, count))
    return tuple(found)


def _equal(a: Values, b: Values) -> npt.NDArray[np.bool_]:
    if isinstance(a, Numeric) and isinstance(b, Numeric):
        same = (a.values == b.values) | (np.isnan(a.values) & np.isnan(b.values))
        return np.asarray(same, dtype=np.bool_)
    assert not isinstance(a, Numeric) and not isinstance(b, Numeric)
    words = [np.array([*v.categories, None], dtype=object)[v.codes] for v in (a, b)]
    return np.asarray(words[0] == words[1], dtype=np.bool_)
