"""What every learner is: it fits on datasets; what it fitted scores matrices, explains itself, becomes
text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias

import numpy as np

from foretell.core.progress import QUIET, Progress
from foretell.features.matrix import Floats, Matrix
from foretell.models.criteria import Metric
from foretell.models.dataset import Dataset
from foretell.task.model import TaskKind

Files: TypeAlias = Mapping[str, str | bytes]
"""A member's files by name: JSON and text (`.json`, `.txt`) as text, anything else as bytes."""


@dataclass(frozen=True)
class Context:
    """What a learner is told besides its rows.

    `seconds` is what its training may cost by estimate; nothing ever measures the clock. `progress` is told
    of trainings that are long: a stage, and its steps.
    """

    kind: TaskKind
    criterion: Metric
    classes: tuple[str, ...] = ()
    seconds: float = 10.0
    seed: int = 0
    threads: int = 2
    progress: Progress = field(default=QUIET, repr=False, compare=False)


@dataclass(frozen=True)
class Contributions:
    """How a score came about, in the score's link space: score = base + the sum of `values` over the columns.

    `names` are the matrix's columns. For a multiclass task each class has its own: values (n, p, k), base
    (n, k).
    """

    names: tuple[str, ...]
    values: Floats  # (n, p) or (n, p, k)
    base: Floats  # (n,) or (n, k)

    @property
    def total(self) -> Floats:
        """The score they add up to."""
        return np.asarray(self.base + self.values.sum(axis=1))


def onto_columns(outputs: Floats, sources: Sequence[str], names: Sequence[str]) -> Floats:
    """Contributions of an encoder's outputs (n, m), summed into the matrix's columns (n, p).

    >>> onto_columns(np.array([[1.0, 2.0, 3.0]]), ["b", "b", "a"], ["a", "b"])
    array([[3., 3.]])
    """
    out = np.zeros((len(outputs), len(names)))
    for i, source in enumerate(sources):
        out[:, names.index(source)] += outputs[:, i]
    return out


def text_of(files: Files, name: str) -> str:
    """The text in a file, which must hold text.

    >>> text_of({"booster.txt": "tree"}, "booster.txt")
    'tree'
    """
    held = files[name]
    if isinstance(held, bytes):
        raise TypeError(f"{name} holds bytes, not text")
    return held


class Fitted(Protocol):
    """A trained member. Scoring needs nothing but itself and a matrix with the columns it was trained on."""

    @property
    def name(self) -> str: ...

    def predict(self, X: Matrix) -> Floats:
        """(n,) probabilities, (n,) values, or (n, k) class probabilities that sum to 1."""
        ...

    def contributions(self, X: Matrix) -> Contributions:
        """Additive contributions in link space (see models/links.py)."""
        ...

    def importance(self) -> Mapping[str, float]:
        """Shares per column that sum to 1, or nothing where no column is used."""
        ...

    def refit(self, data: Dataset, context: Context) -> Fitted:
        """The same choices, trained anew on other rows; no validation is looked at."""
        ...

    def dump(self) -> Files:
        """Files by name: JSON, a booster's own text, a net's weights."""
        ...

    @classmethod
    def load(cls, files: Files) -> Self: ...


class Learner(Protocol):
    """Something that can be trained. With `valid`, its own choices are made there; without, it uses
    defaults.
    """

    @property
    def name(self) -> str: ...

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> Fitted: ...
