"""A stand-in for the relational net: what it reads beside the matrix is one number a row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files
from foretell.models.dataset import Dataset
from foretell.models.links import from_link, to_link
from foretell.task.model import TaskKind

CALLS: Counter[str] = Counter()
"""How often a stub was fitted, and how often refitted."""


@dataclass(frozen=True)
class Hints:
    """The neighbourhoods: a score for each row, in link space."""

    scores: Floats  # (rows,)

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: np.ndarray) -> Self:
        return replace(self, scores=self.scores[index])

    def join(self, other: Self) -> Self:
        return replace(self, scores=np.concatenate([self.scores, other.scores]))


def surrounded(data: Dataset, scores: Floats) -> Dataset:
    """The rows with these hints around them."""
    return replace(data, X=replace(data.X, around=Hints(scores)))


@dataclass(frozen=True)
class StubFitted:
    """Says what the hints say, and always `shift` more."""

    kind: TaskKind
    name: str = "net"
    rows: int = 0
    shift: float = 0.0

    def predict(self, X: Matrix) -> Floats:
        assert isinstance(X.around, Hints)
        return from_link(self.kind, X.around.scores + self.shift)

    def contributions(self, X: Matrix) -> Contributions:
        return Contributions(X.names, np.zeros((X.rows, len(X.names))), to_link(self.kind, self.predict(X)))

    def importance(self) -> Mapping[str, float]:
        return {}

    def refit(self, data: Dataset, context: Context) -> StubFitted:
        CALLS["refit"] += 1
        return replace(self, rows=data.rows)

    def dump(self) -> Files:
        told = {"kind": self.kind, "rows": self.rows}
        return {"stub.json": json.dumps(told), "stub.safetensors": bytes([0, 255, 128])}

    @classmethod
    def load(cls, files: Files) -> StubFitted:
        assert files["stub.safetensors"] == bytes([0, 255, 128])
        held = json.loads(files["stub.json"])
        return cls(TaskKind(held["kind"]), rows=held["rows"])


@dataclass(frozen=True)
class StubLearner:
    name: str = "net"
    shift: float = 0.0

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> StubFitted:
        CALLS["fit"] += 1
        return StubFitted(context.kind, self.name, train.rows, self.shift)
