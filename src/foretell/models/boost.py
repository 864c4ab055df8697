"""CatBoost as a further member (extra `boost`): symmetric trees, and categories told by earlier labels.

Its trees are all of one shape at each level, so they err otherwise than LightGBM's (Prokhorenkova et al.
2018). Rows are given in time order: a category's statistics of labels come from rows before the row's own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from foretell.core.errors import ModelFileError
from foretell.core.lazy import require
from foretell.core.random import derive
from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files, Fitted, onto_columns, text_of
from foretell.models.dataset import Dataset
from foretell.models.encode import TreeEncoder, fit_tree_encoder
from foretell.models.linear import shares
from foretell.task.model import TaskKind

RATE = 0.04
ENOUGH_ROUNDS = 500
"""With time for fewer rounds than this the learning rate is raised in proportion."""
FEWEST_ROUNDS, MOST_ROUNDS = 100, 2_000
PATIENCE = 100
COLUMNS_A_LEVEL = 60
"""Of hundreds of columns each level of a tree is chosen among about this many."""
CELL_SECONDS = 1.2e-8
ROUND_SECONDS = 3e-3
"""What a round costs on one thread: per cell (row × column looked at), and in itself."""
SETTINGS: dict[str, Any] = {
    "depth": 6,
    "l2_leaf_reg": 5.0,
    "border_count": 64,
    "bootstrap_type": "Bernoulli",
    "subsample": 0.8,
    "max_ctr_complexity": 1,
    "has_time": True,
    "allow_writing_files": False,
    "verbose": False,
}


def round_seconds(rows: int, columns: int, classes: int = 1) -> float:
    """What one boosting round costs, by estimate."""
    return classes * (CELL_SECONDS * rows * min(columns, COLUMNS_A_LEVEL) + ROUND_SECONDS)


def _loss(context: Context) -> str:
    if context.kind is TaskKind.BINARY:
        return "Logloss"
    if context.kind is TaskKind.MULTICLASS:
        return "MultiClass"
    return "MAE" if context.criterion.name == "mae" else "RMSE"


@dataclass(frozen=True)
class BoostFitted:
    """A CatBoost model in its own binary form (`.cbm`), with the encoder of its columns."""

    name: str
    kind: TaskKind
    names: tuple[str, ...]
    encoder: TreeEncoder
    blob: bytes = field(repr=False)
    rounds: int
    rate: float
    rows: int  # that the rounds were chosen on
    seconds: float  # that training may cost

    @cached_property
    def _model(self) -> Any:
        model = require("catboost", extra="boost").CatBoost()
        try:
            model.load_model(blob=self.blob)
        except Exception as error:  # CatBoost's own error type is not importable without it
            raise ModelFileError(f"a member's CatBoost model is damaged ({error})") from error
        return model

    def predict(self, X: Matrix) -> Floats:
        if not X.rows:
            width = len(self._model.classes_) if self.kind is TaskKind.MULTICLASS else 0
            return np.zeros((0, width) if width else 0)
        form = "RawFormulaVal" if self.kind is TaskKind.REGRESSION else "Probability"
        out = np.asarray(self._model.predict(_pool(self.encoder, X), prediction_type=form, thread_count=1))
        return out[:, 1] if self.kind is TaskKind.BINARY else out

    def contributions(self, X: Matrix) -> Contributions:
        """SHAP values of the trees (Lundberg et al. 2020), in link space."""
        raw = np.asarray(
            self._model.get_feature_importance(_pool(self.encoder, X), type="ShapValues", thread_count=1)
        )
        single = self.kind is not TaskKind.MULTICLASS
        raw = raw[:, None] if single else raw  # (n, k, outputs + 1), the last one the mean's
        sources = _sources(self.encoder)
        values = np.stack(
            [onto_columns(raw[:, j, :-1], sources, self.names) for j in range(raw.shape[1])], axis=2
        )
        base = raw.sum(axis=2) - values.sum(axis=1)
        if single:
            return Contributions(self.names, values[:, :, 0], base[:, 0])
        return Contributions(
            self.names,
            values - values.mean(axis=2, keepdims=True),
            base - base.mean(axis=1, keepdims=True),
        )

    def importance(self) -> dict[str, float]:
        gain = np.asarray(self._model.get_feature_importance(type="PredictionValuesChange"))
        return shares(_sources(self.encoder), gain) if self.encoder.sources else {}

    def refit(self, data: Dataset, context: Context) -> BoostFitted:
        """The rounds grow with the rows."""
        rounds = max(1, round(self.rounds * min(data.rows / max(self.rows, 1), 1.5)))
        context = replace(context, seconds=self.seconds)
        return _grow(self.name, data, None, context, rounds, self.rate)

    def agreed(self, others: Sequence[Fitted]) -> BoostFitted:
        """As many trees as the median fold would have had on these rows."""
        told = [o.rounds * np.sqrt(self.rows / o.rows) for o in others if isinstance(o, BoostFitted)]
        return replace(self, rounds=max(1, round(float(np.median([self.rounds, *told])))))

    def dump(self) -> Files:
        held = {
            "name": self.name,
            "kind": self.kind,
            "names": self.names,
            "encoder": self.encoder.to_json(),
            "rounds": self.rounds,
            "rate": self.rate,
            "rows": self.rows,
            "seconds": self.seconds,
        }
        return {"boost.json": json.dumps(held), "boost.cbm": self.blob}

    @classmethod
    def load(cls, files: Files) -> Self:
        require("catboost", extra="boost")
        held = json.loads(text_of(files, "boost.json"))
        blob = files["boost.cbm"]
        if isinstance(blob, str):
            raise TypeError("boost.cbm holds text, not bytes")
        return cls(
            **{
                **held,
                "kind": TaskKind(held["kind"]),
                "names": tuple(held["names"]),
                "encoder": TreeEncoder.from_json(held["encoder"]),
            },
            blob=blob,
        )


@dataclass(frozen=True)
class BoostLearner:
    """CatBoost, with as many rounds as validation calls for within what the context's seconds afford."""

    name: str = "catboost"

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> BoostFitted:
        cost = round_seconds(train.rows, len(train.X.names), max(1, len(context.classes)))
        rounds = int(np.clip(context.seconds / cost, FEWEST_ROUNDS, MOST_ROUNDS))
        rate = min(0.15, RATE * max(1.0, ENOUGH_ROUNDS / rounds))
        if valid is None:
            rounds = min(rounds, ENOUGH_ROUNDS)
        return _grow(self.name, train, valid, context, rounds, rate)


def _grow(
    name: str, train: Dataset, valid: Dataset | None, context: Context, rounds: int, rate: float
) -> BoostFitted:
    """At most so many trees at a rate; with validation rows, as many as serve there."""
    catboost = require("catboost", extra="boost")
    train = train.take(np.argsort(train.cutoffs, kind="stable"))
    encoder, encoded = fit_tree_encoder(train, context.kind)
    settings = {
        **SETTINGS,
        "loss_function": _loss(context),
        "iterations": rounds,
        "learning_rate": rate,
        "rsm": min(1.0, COLUMNS_A_LEVEL / max(1, encoded.shape[1])),
        "random_seed": derive(context.seed, "boost", name) % 2**31,
        "thread_count": 1,
    }
    if context.kind is TaskKind.MULTICLASS:
        settings["classes_count"] = len(context.classes)
    model = catboost.CatBoost(settings)
    beside = (
        {}
        if valid is None
        else {"eval_set": _pool(encoder, valid.X, valid.y), "early_stopping_rounds": PATIENCE}
    )
    model.fit(_as_pool(encoder, encoded, train.y), **beside)
    return BoostFitted(
        name=name,
        kind=context.kind,
        names=train.X.names,
        encoder=encoder,
        blob=_bytes_of(model),
        rounds=int(model.tree_count_),
        rate=rate,
        rows=train.rows,
        seconds=context.seconds,
    )


def _bytes_of(model: Any) -> bytes:
    """The model as its file holds it, without the time and the name of this training: equal models are equal
    bytes.
    """
    told = model.get_metadata()
    del told["train_finish_time"], told["model_guid"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path), format="cbm")
        return path.read_bytes()


def _sources(encoder: TreeEncoder) -> tuple[str, ...]:
    """The matrix column of each of CatBoost's features: numbers come before categories there."""
    first, last = len(encoder.numbers), len(encoder.numbers) + len(encoder.vocabularies)
    return encoder.sources[:first] + encoder.sources[last:] + encoder.sources[first:last]


def _pool(encoder: TreeEncoder, X: Matrix, y: Floats | None = None) -> Any:
    return _as_pool(encoder, encoder.encode(X), y)


def _as_pool(encoder: TreeEncoder, encoded: Floats, y: Floats | None = None) -> Any:
    """Encoded rows as CatBoost holds them.

    It refuses to train where no column varies: there a coin stands for one, and shows one side in scoring.
    """
    catboost = require("catboost", extra="boost")
    first, last = len(encoder.numbers), len(encoder.numbers) + len(encoder.vocabularies)
    numbers = np.hstack([encoded[:, :first], encoded[:, last:]]).astype(np.float32)
    if not encoded.shape[1]:
        numbers = (np.arange(len(encoded)) % 2 * (y is not None)).astype(np.float32)[:, None]
    codes = np.where(np.isnan(encoded[:, first:last]), -1, encoded[:, first:last]).astype(np.int64)
    words = np.array([str(i).encode() for i in range(-1, codes.max(initial=-1) + 1)], dtype=object)
    data = catboost.FeaturesData(
        num_feature_data=numbers if numbers.shape[1] else None,
        cat_feature_data=words[codes + 1] if last > first else None,
    )
    return catboost.Pool(data, label=y)
