"""What the net reads beside the rows: a few columns of the matrix, and labels in the net's own scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Floats, Matrix, Numeric
from foretell.graph.past import PastLabels
from foretell.models.encode import frozen
from foretell.models.linear import is_skewed
from foretell.models.net.encoding import Number, log_age, number_rule
from foretell.task.model import TaskKind

Singles = npt.NDArray[np.float32]

READ = ("staleness",)
"""The columns that rows do not tell. More of the matrix, even the calendar, made the net worse, and more like
the trees that it is blended with (benchmarks/LOG.md).
"""


@dataclass(frozen=True)
class Columns:
    """The columns of the matrix that stand beside the rows."""

    numbers: tuple[Number, ...]

    @property
    def size(self) -> int:
        """How many numbers each row becomes."""
        return 2 * len(self.numbers)

    def encode(self, X: Matrix) -> Singles:
        """(rows, size): z-scores, then flags of what is missing."""
        out = np.zeros((X.rows, self.size), dtype=np.float32)
        for i, number in enumerate(self.numbers):
            out[:, i], out[:, len(self.numbers) + i] = number.encode(_values(X, number.name))
        return out

    def to_record(self) -> list[dict[str, Any]]:
        return [asdict(n) for n in self.numbers]

    @classmethod
    def from_record(cls, record: list[Mapping[str, Any]]) -> Self:
        return cls(tuple(Number(**n) for n in record))


def fit_columns(X: Matrix) -> Columns:
    """The rules of those columns, learned on training rows."""
    names = [n for n, c in zip(X.names, X.columns) if n in READ and isinstance(c, Numeric)]
    rules = [number_rule(name, _values(X, name)) for name in names]
    return Columns(tuple(r for r in rules if r is not None))


def _values(X: Matrix, name: str) -> Floats:
    column = X[name]
    assert isinstance(column, Numeric), f"{name} is no number"
    values = column.values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


@dataclass(frozen=True)
class Scale:
    """Values as the net foretells them: less their median, in mean absolute deviations, or a signed log of
    them first; never outside the range of the training rows.
    """

    log: bool = False
    middle: float = 0.0
    width: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def shaped(self, values: Floats) -> Floats:
        return np.asarray(((_log(values) if self.log else values) - self.middle) / self.width)

    def restored(self, scores: Floats) -> Floats:
        """Values from scores; of classes' scores there are none to restore."""
        if self.low == self.high:
            return scores
        values = scores * self.width + self.middle
        if self.log:
            values = np.sign(values) * np.expm1(np.minimum(np.abs(values), 50))
        return np.clip(values, self.low, self.high)

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(**frozen(dict(record)))


def fit_scale(kind: TaskKind, criterion: str, y: Floats) -> Scale:
    """The scale of a regression's values. A log is taken where the median or logarithms are asked for."""
    if kind is not TaskKind.REGRESSION:
        return Scale()
    log = criterion == "rmsle" or (criterion == "mae" and is_skewed(y))
    shaped = _log(y) if log else y
    middle = float(np.median(shaped)) if criterion == "mae" else float(shaped.mean())
    width = float(np.abs(shaped - middle).mean()) or 1.0
    return Scale(log, middle, width, float(y.min()), float(y.max()))


def _log(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def past_channels(classes: tuple[str, ...]) -> int:
    """How many numbers a past label becomes: its value, and when it was."""
    return max(1, len(classes)) + 2


def encode_past(past: PastLabels, scale: Scale, classes: tuple[str, ...]) -> Singles:
    """Past labels as numbers, 0 where there is none: (rows, steps, channels)."""
    if classes:
        value = np.stack([past.values == name for name in classes], axis=-1)
    else:
        value = np.nan_to_num(scale.shaped(past.values.astype(np.float64)))[..., None]
    rows, steps = past.ages.shape
    ages = np.nan_to_num(log_age(past.ages) / 5)
    order = np.broadcast_to(np.arange(steps) / max(steps, 1), (rows, steps))
    return np.concatenate([value, ages[..., None], order[..., None]], axis=-1).astype(np.float32)
