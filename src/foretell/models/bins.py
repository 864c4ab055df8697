"""Training rows as LightGBM holds them, in bins: made once for all learners that see the same rows.

Putting rows into bins takes about as long as growing a hundred trees on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.core.lazy import require
from foretell.features.matrix import Floats, Matrix
from foretell.models.dataset import Dataset
from foretell.models.encode import TreeEncoder, fit_tree_encoder
from foretell.task.model import TaskKind

_KEY = "bins"


@dataclass(frozen=True)
class Binned:
    """An encoder, the training rows it was learned on, and the validation rows in the same bins."""

    encoder: TreeEncoder
    train: Any  # lightgbm.Dataset
    valid: Any  # lightgbm.Dataset or None
    valid_of: Matrix | None
    labels: Floats  # that the encoder was learned with
    threads: int

    def serves(self, train: Dataset, valid_of: Matrix | None, threads: int) -> bool:
        """Whether these are the bins of such rows: means of labels are of those labels alone."""
        same = not self.encoder.tables or self.labels is train.y
        return same and self.valid_of is valid_of and self.threads == threads


def binned(train: Dataset, valid: Dataset | None, kind: TaskKind, threads: int) -> Binned:
    """The rows in bins, their labels not set. Give them back with `give_back` for the next learner.

    Who has them holds them alone: learners that train side by side each make their own.
    """
    X = None if valid is None else valid.X
    found: Binned | None = train.shared.pop(_KEY, None)
    if found is not None and found.serves(train, X, threads):
        return found
    lightgbm = require("lightgbm")
    encoder, encoded = fit_tree_encoder(train, kind)
    rows = design(encoded)
    options: dict[str, Any] = {
        "categorical_feature": encoder.categorical_positions,
        "feature_name": [f"f{i}" for i in range(rows.shape[1])],
        "params": {"verbosity": -1, "feature_pre_filter": False, "num_threads": threads},
        "free_raw_data": False,
    }
    held = lightgbm.Dataset(rows, np.zeros(train.rows), **options)
    beside = None
    if valid is not None and encoder.sources:
        beside = lightgbm.Dataset(encoder.encode(valid.X), np.zeros(valid.rows), reference=held, **options)
    return Binned(encoder, held, beside, X, train.y, threads)


def give_back(train: Dataset, used: Binned) -> None:
    """Keep the bins for the next learner of these rows."""
    train.shared[_KEY] = used


def design(encoded: Floats) -> Floats:
    """The encoder's outputs; where no column varies a single empty one, and the booster says the constant."""
    return encoded if encoded.shape[1] else np.zeros((len(encoded), 1))
