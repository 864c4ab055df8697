"""Leak detectors for anybody's database: single features that know too much, lost rows, and a changed future.

None of them proves that a database is free of leaks: each catches one way in which the future gets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError
from foretell.core.random import generator
from foretell.core.text import plural
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric, Values
from foretell.task.model import TaskKind

AUROC_LIMIT = 0.99
SPEARMAN_LIMIT = 0.995
_PER_CLASS = 5_000  # rows looked at of either class; AUROC does not depend on the classes' shares
_ROWS = 10_000  # rows looked at where there are no two classes
_FEWEST = 5  # of each class, or unlike the commonest: fewer are told by one feature in hundreds by chance
_CLASSES = 12  # of many classes, the most frequent


@dataclass(frozen=True)
class Suspect:
    """A feature that alone tells the outcome almost perfectly.

    `metric` is 'AUROC' or 'rank correlation'; `value` is its strength, 1 for a perfect order either way.
    """

    column: str
    metric: str
    value: float
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def suspects(
    X: Matrix,
    y: Floats,
    kind: TaskKind,
    names: Sequence[str] = (),
    *,
    groups: npt.NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[Suspect, ...]:
    """Features that alone separate the outcomes (AUROC > 0.99) or order them (|rank correlation| > 0.995).

    `y` is 0 or 1 for a binary task, a class's index for a multiclass one (each class against the rest), a
    number otherwise; rows without a label (NaN) are left out. `names` are the classes' names. `groups` tell
    the entity of each row: an outcome that fewer than five entities have proves nothing. A missing value
    counts as one of its own, below or above all others, whichever tells more. Looks at 10,000 rows at most,
    the same ones for a seed. The strongest come first.

    >>> X = Matrix(("age", "closed_at"), (Numeric(np.arange(40.0) % 7), Numeric(np.arange(40.0))), 40)
    >>> for found in suspects(X, (np.arange(40.0) > 29).astype(float), TaskKind.BINARY):
    ...     print(found)
    'closed_at' alone separates the outcomes (AUROC 1.000): it may be known only after the outcome
    """
    known = np.flatnonzero(np.isfinite(y))
    if groups is not None:
        known = known[_shared(y[known], groups[known])]
    if kind is TaskKind.BINARY:
        kept = _of_each_class(y, known, seed)
        ones = y[kept, None] > 0.5  # (rows, 1)
        found = _separating(X.take(kept), ones, ("",))
    elif kind is TaskKind.MULTICLASS:
        kept = _some(known, _ROWS, seed)
        classes, counts = np.unique(y[kept], return_counts=True)
        chosen = classes[np.argsort(-counts, kind="stable")[:_CLASSES]]
        ones = y[kept, None] == chosen[None, :]  # (rows, classes)
        found = _separating(X.take(kept), ones, tuple(_class_name(c, names) for c in chosen))
    else:
        kept = _some(known, _ROWS, seed)
        found = _ordering(X.take(kept), y[kept])
    return tuple(sorted(found, key=lambda s: (-s.value, s.column)))


def _shared(y: Floats, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Rows of outcomes that enough entities have; where outcomes are many, enough have an uncommon one."""
    outcomes, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(outcomes) > _CLASSES * _FEWEST:
        uncommon = place != np.argmax(counts)
        return np.full(len(y), len(np.unique(groups[uncommon])) >= _FEWEST)
    pairs = np.unique(np.stack([place, groups]), axis=1)
    entities = np.bincount(pairs[0], minlength=len(outcomes))
    return np.asarray(entities[place] >= _FEWEST)


def one_row_each(X: Matrix, rows: int) -> None:
    """Raise DataError unless the matrix has exactly one row for each (entity, cutoff) that was asked for.

    >>> one_row_each(Matrix(("n",), (Numeric(np.zeros(3)),), 3), 2)
    Traceback (most recent call last):
    foretell.core.errors.DataError: found 3 feature rows for 2 (entity, cutoff) pairs
    a key that should be unique repeats, and multiplies rows when tables are joined
    """
    if X.rows != rows:
        raise DataError(
            f"found {plural(X.rows, 'feature row')} for {rows:,} (entity, cutoff) pairs",
            mend="a key that should be unique repeats, and multiplies rows when tables are joined",
        )


def _class_name(value: float, names: Sequence[str]) -> str:
    index = int(value)
    return repr(names[index]) if 0 <= index < len(names) else repr(index)


def _some(index: npt.NDArray[np.intp], most: int, seed: int) -> npt.NDArray[np.intp]:
    """At most `most` of the positions, in order; the same ones for a seed."""
    if len(index) <= most:
        return index
    return np.sort(generator(seed, "suspects").choice(index, most, replace=False))


def _of_each_class(y: Floats, known: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp]:
    positive = y[known] > 0.5
    halves = [_some(known[positive], _PER_CLASS, seed), _some(known[~positive], _PER_CLASS, seed)]
    return np.sort(np.concatenate(halves))


def _separating(X: Matrix, ones: npt.NDArray[np.bool_], classes: tuple[str, ...]) -> list[Suspect]:
    found = []
    for name, column in zip(X.names, X.columns):
        strengths = np.nan_to_num(_strengths(column, ones), nan=0.5)  # (classes,)
        if not len(strengths):
            continue
        best = int(np.argmax(strengths))
        value = float(strengths[best])
        if value > AUROC_LIMIT:
            what = f"{classes[best]} from the other classes" if classes[best] else "the outcomes"
            text = f"{name!r} alone separates {what} (AUROC {value:.3f})"
            found.append(Suspect(name, "AUROC", value, f"{text}: it may be known only after the outcome"))
    return found


def _strengths(column: Values, ones: npt.NDArray[np.bool_]) -> Floats:
    """AUROC of one column for each class, turned so that 0.5 is the least."""
    if isinstance(column, Numeric):
        return np.asarray(
            np.max([_fold(_auroc(v, ones)) for v in _placements(column.values.astype(np.float64))], axis=0)
        )
    # A category's score is the class's share in it, learned on the even rows and judged on the odd ones.
    strengths = []
    for k in range(ones.shape[1]):
        score = _shares(column, ones[:, k].astype(np.float64))
        strengths.append(_auroc(score[1::2], ones[1::2, k : k + 1])[0])
    return np.array(strengths)


def _placements(values: Floats) -> list[Floats]:
    """The values with missing ones below all others, and above them."""
    if not np.isnan(values).any():
        return [values]
    return [np.where(np.isnan(values), edge, values) for edge in (-np.inf, np.inf)]


def _fold(auroc: Floats) -> Floats:
    return np.maximum(auroc, 1.0 - auroc)


def _auroc(values: Floats, ones: npt.NDArray[np.bool_]) -> Floats:
    """AUROC of the values for each column of `ones`; NaN where a class is too small."""
    ranks = _ranks(values)
    positive = ones.sum(axis=0).astype(np.float64)
    negative = len(values) - positive
    total = ranks @ ones.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = (total - positive * (positive + 1) / 2) / (positive * negative)
    return np.asarray(np.where((positive >= _FEWEST) & (negative >= _FEWEST), auroc, np.nan))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place], dtype=np.float64)


def _shares(column: Categorical, outcome: Floats) -> Floats:
    """For each row the mean outcome of its category over the even rows, or of all where it has none."""
    codes = column.codes + 1  # 0 is a missing value
    size = len(column.categories) + 1
    seen = np.bincount(codes[::2], minlength=size)
    total = np.bincount(codes[::2], weights=outcome[::2], minlength=size)
    overall = float(outcome[::2].mean()) if len(outcome) else 0.0
    shares = np.where(seen > 0, total / np.maximum(seen, 1), overall)
    return np.asarray(shares[codes])


def _ordering(X: Matrix, y: Floats) -> list[Suspect]:
    found: list[Suspect] = []
    if len(y) - np.unique(y, return_counts=True)[1].max(initial=0) < _FEWEST:
        return found  # all but a few are alike: a feature of which the same is true agrees by chance
    target = _ranks(y)
    for name, column in zip(X.names, X.columns):
        if isinstance(column, Numeric):
            value = max(
                _correlation(_ranks(v), target) for v in _placements(column.values.astype(np.float64))
            )
        else:
            value = _correlation(_ranks(_shares(column, y)[1::2]), _ranks(y[1::2]))
        if value > SPEARMAN_LIMIT:
            text = f"{name!r} alone orders the outcomes (rank correlation {value:.3f})"
            text += ": it may be known only after the outcome, or be the outcome under another name"
            found.append(Suspect(name, "rank correlation", value, text))
    return found


def _correlation(a: Floats, b: Floats) -> float:
    """|correlation|; 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return abs(float(a @ b)) / scale if scale > 0 else 0.0
