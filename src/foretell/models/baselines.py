"""The baselines: what a person could say without a model. They are always in the race, and always printed.

They read the entity's own past labels, where the matrix has them: `label.last`, `label.season`,
`label.mode.all`, `label.mean.all`, `label.count.all`, `label.mean.10`, `label.count.10`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np

from foretell.features.matrix import Categorical, Codes, Floats, Matrix
from foretell.models.base import Context, Contributions, Files
from foretell.models.dataset import Dataset, recode
from foretell.models.encode import frozen, numeric
from foretell.models.links import to_link
from foretell.task.model import TaskKind

SHRINKAGE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""The values that the shrunk mean's k is chosen from."""

ENGLISH = {
    "constant": "the same for everyone",
    "entity_mean": "the entity's own past mean, shrunk",
    "entity_mean_10": "the entity's mean over its last ten windows, shrunk",
    "last": "the entity's last window again",
    "season": "the entity's window a year ago again",
    "mode": "the entity's commonest class again",
}


@dataclass(frozen=True)
class Baseline:
    """One of `ENGLISH`, with the few numbers it needs.

    `prior` is the constant: a rate, a value, or the class rates. `k` is the shrunk mean's. `rates` are, for
    a binary repeat, P(y = 1) after 0, after 1 and with no past; for a multiclass repeat (share that
    repeats,).
    """

    name: str
    kind: TaskKind
    names: tuple[str, ...]  # the matrix's columns, for contributions
    prior: tuple[float, ...]
    classes: tuple[str, ...] = ()
    k: float = 0.0
    rates: tuple[float, ...] = ()

    @property
    def column(self) -> str | None:
        """The matrix column that it repeats or averages."""
        return _COLUMNS.get(self.name)

    def predict(self, X: Matrix) -> Floats:
        if self.name == "constant":
            return self._constant(X.rows)
        if self.name.startswith("entity_mean"):
            assert self.column is not None
            return shrunk_mean(
                numeric(X, self.column), numeric(X, _count_of(self.column)), self.prior[0], self.k
            )
        if self.kind is TaskKind.MULTICLASS:
            return self._repeat_class(X)
        assert self.column is not None
        past = numeric(X, self.column)
        if self.kind is TaskKind.BINARY:
            no, yes, missing = self.rates
            return np.where(np.isnan(past), missing, np.where(past > 0.5, yes, no))
        return np.where(np.isnan(past), self.prior[0], past)

    def _constant(self, rows: int) -> Floats:
        prior = np.asarray(self.prior)
        return np.tile(prior, (rows, 1)) if self.kind is TaskKind.MULTICLASS else np.full(rows, prior[0])

    def _repeat_class(self, X: Matrix) -> Floats:
        """The share that repeats goes to the past class, the rest to the others by their rates."""
        past = _past_class(X, self.column or "", self.classes)
        out = self._constant(X.rows)
        rows = np.flatnonzero(past >= 0)
        (same,) = self.rates
        others = out[rows]
        others[np.arange(len(rows)), past[rows]] = 0.0
        total = others.sum(axis=1, keepdims=True)
        out[rows] = (1 - same) * np.divide(others, total, out=np.zeros_like(others), where=total > 0)
        out[rows, past[rows]] = same
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def contributions(self, X: Matrix) -> Contributions:
        base = to_link(self.kind, self._constant(X.rows))
        moved = to_link(self.kind, self.predict(X)) - base
        values = np.zeros((X.rows, len(self.names), *moved.shape[1:]))
        if self.column is not None:
            values[:, self.names.index(self.column)] = moved
        return Contributions(self.names, values, base)

    def importance(self) -> dict[str, float]:
        return {self.column: 1.0} if self.column else {}

    def refit(self, data: Dataset, context: Context) -> Baseline:
        return replace(fit_baseline(self.name, data, context), k=self.k)

    def dump(self) -> dict[str, str]:
        return {"baseline.json": json.dumps(asdict(self))}

    @classmethod
    def load(cls, files: Files) -> Self:
        held = frozen(json.loads(files["baseline.json"]))
        return cls(**{**held, "kind": TaskKind(held["kind"])})


PAST_LABELS = "label."
"""What the names of columns of past labels begin with."""
_COLUMNS = {
    "entity_mean": "label.mean.all",
    "entity_mean_10": "label.mean.10",
    "last": "label.last",
    "season": "label.season",
    "mode": "label.mode.all",
}


def _count_of(column: str) -> str:
    return column.replace("mean", "count")


def shrunk_mean(mean: Floats, count: Floats, prior: float, k: float) -> Floats:
    """(count · mean + k · prior) / (count + k); the prior where there is no past.

    >>> shrunk_mean(np.array([1.0, np.nan]), np.array([3.0, 0.0]), prior=0.2, k=1.0)
    array([0.8, 0.2])
    """
    n = np.where(np.isnan(mean) | np.isnan(count), 0.0, count)
    return np.asarray((n * np.where(np.isnan(mean), 0.0, mean) + k * prior) / (n + k))


def fit_baselines(data: Dataset, context: Context) -> dict[str, Baseline]:
    """Every baseline that the task and the matrix's columns allow, by name."""
    fitting = ["constant"]
    if context.kind is not TaskKind.MULTICLASS:
        fitting += [n for n in ("entity_mean", "entity_mean_10") if _readable(n, data.X, categories=False)]
        fitting += [n for n in ("last", "season") if _readable(n, data.X, categories=False)]
    else:
        fitting += [n for n in ("last", "season", "mode") if _readable(n, data.X, categories=True)]
    return {name: fit_baseline(name, data, context) for name in fitting}


def _readable(name: str, X: Matrix, *, categories: bool) -> bool:
    column = _COLUMNS[name]
    needed = (column, _count_of(column)) if name.startswith("entity_mean") else (column,)
    return all(c in X and isinstance(X[c], Categorical) == categories for c in needed)


def fit_baseline(name: str, data: Dataset, context: Context) -> Baseline:
    """One baseline. k is the value of `SHRINKAGE` with the lowest loss on these rows (whose past is not
    theirs).
    """
    kind = context.kind
    plain = Baseline(name, kind, data.X.names, constant(data.y, context), context.classes)
    column = plain.column
    if column is None:
        return plain
    if name.startswith("entity_mean"):
        mean, count = numeric(data.X, column), numeric(data.X, _count_of(column))
        gains = [
            context.criterion.gain(data.y, shrunk_mean(mean, count, plain.prior[0], k)) for k in SHRINKAGE
        ]
        return replace(plain, k=SHRINKAGE[int(np.argmax(np.nan_to_num(gains, nan=-np.inf)))])
    if kind is TaskKind.MULTICLASS:
        repeated = _past_class(data.X, column, context.classes)
        known = repeated >= 0
        repeats = float((repeated[known] == data.y[known]).sum())
        k = max(len(context.classes), 2)
        return replace(plain, rates=((repeats + 1.0) / (float(known.sum()) + k),))
    if kind is TaskKind.BINARY:
        past = numeric(data.X, column)
        states = (past <= 0.5, past > 0.5, np.isnan(past))
        return replace(plain, rates=tuple(_rate(data.y[s], plain.prior[0]) for s in states))
    return plain


def _rate(y: Floats, prior: float) -> float:
    """The rate of positives, as if two more rows had shown the prior."""
    return float((y.sum() + 2 * prior) / (len(y) + 2))


def constant(y: Floats, context: Context) -> tuple[float, ...]:
    """The best constant: the rate, the class rates, the median for absolute errors, else the mean."""
    if context.kind is TaskKind.MULTICLASS:
        counts = np.bincount(y.astype(np.int64), minlength=len(context.classes)) + 0.5
        return tuple((counts / counts.sum()).tolist())
    if context.kind is TaskKind.REGRESSION and context.criterion.name == "mae":
        return (float(np.median(y)),)
    return (float(y.mean()),)


def _past_class(X: Matrix, column: str, classes: tuple[str, ...]) -> Codes:
    """The class index that the column holds; -1 where it holds none of them."""
    held = X[column]
    assert isinstance(held, Categorical)
    return recode(held, {c: i for i, c in enumerate(classes)})
