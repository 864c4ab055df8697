"""Boosted trees: four settings of LightGBM, an objective that follows the metric, early stopping, refitting.

Columns get plain internal names f0…fn, so that no name from a database reaches the booster or its file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from foretell.core.lazy import require
from foretell.core.random import derive, generator
from foretell.features.matrix import Floats, Instants, Matrix
from foretell.models.base import Context, Contributions, Files, Fitted, onto_columns, text_of
from foretell.models.bins import binned, design, give_back
from foretell.models.dataset import Dataset
from foretell.models.encode import TreeEncoder, frozen
from foretell.models.linear import is_skewed, rescale, shares
from foretell.task.model import TaskKind

PRESETS: dict[str, dict[str, float | bool]] = {
    "A": {
        "learning_rate": 0.018,
        "num_leaves": 39,
        "feature_fraction": 0.46,
        "bagging_fraction": 0.88,
        "bagging_freq": 1,
        "min_data_in_leaf": 3,
        "lambda_l1": 0.24,
        "lambda_l2": 0.36,
        "extra_trees": True,
        "max_cat_to_onehot": 16,
        "cat_smooth": 15,
        "cat_l2": 0.34,
        "min_data_per_group": 9,
    },
    "B": {
        "learning_rate": 0.024,
        "num_leaves": 16,
        "feature_fraction": 0.72,
        "bagging_fraction": 0.97,
        "bagging_freq": 1,
        "min_data_in_leaf": 27,
        "lambda_l1": 0.92,
        "lambda_l2": 1.66,
        "extra_trees": True,
        "max_cat_to_onehot": 63,
        "cat_smooth": 27,
        "cat_l2": 0.56,
        "min_data_per_group": 20,
    },
    "C": {
        "learning_rate": 0.02,
        "num_leaves": 127,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.75,
        "bagging_freq": 1,
        "min_sum_hessian_in_leaf": 5.0,
    },
    "small": {
        "learning_rate": 0.03,
        "num_leaves": 7,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "extra_trees": True,
    },
}
SMALL_ROUNDS = 200
MOST_ROUNDS = 6000
FEWEST_ROUNDS = 100
ENOUGH_ROUNDS = 600
"""With time for fewer rounds than this the learning rate is raised in proportion."""
HALF_LIFE = 0.3
"""Recency weights halve over this share of the training span, where folds have not chosen another."""
CELL_SECONDS = 2e-9
LEAF_SECONDS = 4e-7
TREE_SECONDS = 4e-4
"""What a tree costs on two threads: per cell (row × column), per leaf × column, and in itself."""
COLUMNS_A_TREE = 40
"""Of hundreds of related columns each tree sees about this many: trees that differ average better, and cost
less (benchmarks/LOG.md).
"""
FOUND = "found"
"""What the variants that a search finds are called, with a number."""
THREADED_ROWS = 50_000
"""Fewer rows are trained on one thread: a second gains little there, and on a busy machine costs tenfold."""


@dataclass(frozen=True)
class TreeRecipe:
    """How a booster is trained: a preset, an objective, whether recent rows weigh more, and which seed.

    Where they do, weights halve over `half_life`, a share of the training span. A `variant` has a name of its
    own and settings of LightGBM that differ from the preset's.
    """

    preset: str
    objective: str  # LightGBM's, or 'log_l1' and 'log_l2': the same on signed log1p of the target
    recency: bool = False
    copy: int = 0
    variant: str = ""
    changes: tuple[tuple[str, float], ...] = ()
    half_life: float = HALF_LIFE

    @property
    def name(self) -> str:
        extra = f"_{self.variant}" if self.variant else ""
        if self.recency:
            extra += "_recent" if self.half_life == HALF_LIFE else f"_recent{self.half_life:g}"
        extra += f"_{self.copy}" if self.copy else ""
        return f"lightgbm_{self.preset}_{self.objective}{extra}"

    @property
    def is_found(self) -> bool:
        """Whether a search found its settings."""
        return self.variant.startswith(FOUND) or self.half_life != HALF_LIFE

    @property
    def log_target(self) -> bool:
        return self.objective.startswith("log_")


def objectives(y: Floats, context: Context) -> tuple[str, ...]:
    """The objectives that fit the metric and the target's shape, best first.

    >>> from foretell.models.criteria import METRICS
    >>> objectives(np.array([0.0, 1.0, 3.0]), Context(TaskKind.REGRESSION, METRICS["mae"]))
    ('regression_l1',)
    """
    if context.kind is TaskKind.BINARY:
        return ("binary",)
    if context.kind is TaskKind.MULTICLASS:
        return ("multiclass",)
    skewed, nonnegative = is_skewed(y), bool((y >= 0).all())
    whole = nonnegative and bool((y == np.round(y)).all())
    match context.criterion.name:
        case "mae":
            return ("regression_l1", "log_l1") if skewed else ("regression_l1",)
        case "rmsle":
            return ("log_l2", "tweedie") if nonnegative else ("log_l2", "regression")
        case _ if whole and y.max() <= 1000:
            return ("poisson", "regression")
        case _ if nonnegative and skewed:
            return ("tweedie", "regression")
        case _:
            return ("regression",)


_LIGHTGBM_OBJECTIVE = {"log_l1": "regression_l1", "log_l2": "regression"}
# Ranking metrics stop on log-loss too: AUROC peaks early by chance, and the trees are refitted too short.
_STOP_ON = {
    "auroc": "binary_logloss",
    "average_precision": "binary_logloss",
    "logloss": "binary_logloss",
    "brier": "binary_logloss",
    "mae": "l1",
    "rmse": "l2",
    "rmsle": "l2",
}


def column_share(columns: int, preset: str) -> float:
    """The share of the columns that a tree looks at: the preset's, but about `COLUMNS_A_TREE` of very many.

    >>> column_share(50, "A"), column_share(400, "A")
    (0.46, 0.1)
    """
    return min(float(PRESETS[preset]["feature_fraction"]), COLUMNS_A_TREE / max(columns, COLUMNS_A_TREE))


def round_seconds(rows: int, columns: int, preset: str, trees_per_round: int = 1) -> float:
    """What one boosting round costs, by estimate."""
    # Picking a few columns out of many costs too: about a third of looking at the preset's share.
    weighed = columns * (
        0.3 + 0.7 * column_share(columns, preset) / float(PRESETS[preset]["feature_fraction"])
    )
    leaves = float(PRESETS[preset]["num_leaves"])
    factor = 1.0 if "extra_trees" in PRESETS[preset] else 2.0
    growing = weighed * (factor * CELL_SECONDS * rows + LEAF_SECONDS * leaves)
    return trees_per_round * (growing + TREE_SECONDS)


@dataclass(frozen=True)
class TreeFitted:
    """A booster as text, with the encoder of its columns."""

    name: str
    kind: TaskKind
    recipe: TreeRecipe
    names: tuple[str, ...]
    encoder: TreeEncoder
    text: str = field(repr=False)
    classes: int
    rounds: int
    rate: float
    rows: int  # that the rounds were chosen on
    seconds: float  # that training may cost
    threads: int = field(default=2, compare=False)

    @cached_property
    def _booster(self) -> Any:
        return require("lightgbm").Booster(model_str=self.text)

    def predict(self, X: Matrix) -> Floats:
        out = np.asarray(
            self._booster.predict(design(self.encoder.encode(X)), num_threads=self.threads), dtype=np.float64
        )
        if self.kind is TaskKind.REGRESSION:
            return _from_log(out) if self.recipe.log_target else out
        return out

    def contributions(self, X: Matrix) -> Contributions:
        k = self.classes if self.kind is TaskKind.MULTICLASS else 1
        rows, sources = design(self.encoder.encode(X)), self.encoder.sources
        raw = np.asarray(self._booster.predict(rows, pred_contrib=True, num_threads=self.threads))
        raw = raw.reshape(X.rows, k, rows.shape[1] + 1)
        values = np.stack([onto_columns(raw[:, j], sources, self.names) for j in range(k)], axis=2)
        base = raw[:, :, -1]  # (n, k)
        if self.kind is TaskKind.MULTICLASS:
            return Contributions(
                self.names,
                values - values.mean(axis=2, keepdims=True),
                base - base.mean(axis=1, keepdims=True),
            )
        total = base[:, 0] + values[:, :, 0].sum(axis=1)
        start, end = self._value(base[:, 0]), self._value(total)
        return Contributions(self.names, rescale(values[:, :, 0], end - start), start)

    def _value(self, raw: Floats) -> Floats:
        """The booster's raw score in link space: a value where the objective works on logarithms."""
        if self.recipe.log_target:
            return _from_log(raw)
        return np.asarray(np.exp(raw)) if self.recipe.objective in ("poisson", "tweedie") else raw

    def importance(self) -> dict[str, float]:
        gain = np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)
        return shares(self.encoder.sources, gain)

    def refit(self, data: Dataset, context: Context) -> TreeFitted:
        """The rounds grow with the rows (but for the small preset, whose rounds are fixed)."""
        data = affordable_rows(data, self.recipe.preset, replace(context, seconds=1.5 * self.seconds))
        context = replace(context, seconds=self.seconds)
        if self.recipe.preset == "small":
            rounds = self.rounds
        else:
            rounds = max(1, round(self.rounds * min(data.rows / max(self.rows, 1), 1.5)))
        fitted = grow(self.recipe, data, None, context, rounds, self.rate)
        return replace(fitted, name=self.name)

    def with_travel(self, least: float) -> TreeFitted:
        """The same, to be trained anew with at least so many rounds times rate; small trees as they are."""
        if self.recipe.preset == "small":
            return self
        return replace(self, rounds=max(self.rounds, round(least / self.rate)))

    def agreed(self, others: Sequence[Fitted]) -> TreeFitted:
        """As many trees as the median fold would have had on these rows; a fold's own luck is not followed.

        Folds of fewer rows stopped earlier: their rounds grow with the root of the rows.
        """
        told = [o.rounds * np.sqrt(self.rows / o.rows) for o in others if isinstance(o, TreeFitted)]
        return replace(self, rounds=max(1, round(float(np.median([self.rounds, *told])))))

    def dump(self) -> dict[str, str]:
        held = {
            "name": self.name,
            "kind": self.kind,
            "recipe": asdict(self.recipe),
            "names": self.names,
            "encoder": self.encoder.to_json(),
            "classes": self.classes,
            "rounds": self.rounds,
            "rate": self.rate,
            "rows": self.rows,
            "seconds": self.seconds,
        }
        return {"tree.json": json.dumps(held), "booster.txt": self.text}

    @classmethod
    def load(cls, files: Files) -> Self:
        held = json.loads(files["tree.json"])
        return cls(
            **{
                **held,
                "kind": TaskKind(held["kind"]),
                "recipe": TreeRecipe(**frozen(held["recipe"])),
                "names": tuple(held["names"]),
                "encoder": TreeEncoder.from_json(held["encoder"]),
            },
            text=text_of(files, "booster.txt"),
        )


def _to_log(y: Floats) -> Floats:
    return np.asarray(np.sign(y) * np.log1p(np.abs(y)))


def _shape(recipe: TreeRecipe) -> Callable[[Floats], Floats]:
    """What is done to labels before boosting; a log link knows no negative ones."""
    if recipe.objective in ("poisson", "tweedie"):
        return lambda y: np.maximum(y, 0.0)
    return _to_log if recipe.log_target else np.asarray


def _from_log(z: Floats) -> Floats:
    return np.asarray(np.sign(z) * np.expm1(np.abs(z)))


@dataclass(frozen=True)
class TreeLearner:
    """One recipe. The number of rounds is found on validation, within what the context's seconds afford."""

    recipe: TreeRecipe

    @property
    def name(self) -> str:
        return self.recipe.name

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> TreeFitted:
        train = affordable_rows(train, self.recipe.preset, context)
        base = float({**PRESETS[self.recipe.preset], **dict(self.recipe.changes)}["learning_rate"])
        if self.recipe.preset == "small":
            return grow(self.recipe, train, None, context, SMALL_ROUNDS, base)
        cost = round_seconds(train.rows, len(train.X.names), self.recipe.preset, _trees(context))
        rounds = int(np.clip(context.seconds / cost, FEWEST_ROUNDS, MOST_ROUNDS))
        rate = min(0.15, base * max(1.0, ENOUGH_ROUNDS / rounds))
        return grow(self.recipe, train, valid, context, rounds, rate)


def _trees(context: Context) -> int:
    return max(1, len(context.classes)) if context.kind is TaskKind.MULTICLASS else 1


def affordable_rows(data: Dataset, preset: str, context: Context) -> Dataset:
    """The data, or a random sample of it where even `FEWEST_ROUNDS` over all rows would take too long."""
    columns = max(len(data.X.names), 1)
    each = round_seconds(1, columns, preset, _trees(context)) * FEWEST_ROUNDS
    fixed = round_seconds(0, columns, preset, _trees(context)) * FEWEST_ROUNDS
    most = max(10_000, int((context.seconds - fixed) / max(each - fixed, 1e-12)))
    if data.rows <= most:
        return data
    chosen = generator(context.seed, "trees", "rows").permutation(data.rows)[:most]
    return data.take(np.sort(chosen))


def recency_weights(cutoffs: Instants, half_life: float = HALF_LIFE) -> Floats:
    """Weights that halve over a share of the span, going back from the last cutoff; their mean is 1.

    >>> w = recency_weights(np.array([0, 70, 100]))
    >>> round(float(w[2] / w[1]), 6)
    2.0
    """
    span = float(cutoffs.max() - cutoffs.min())
    if span <= 0:
        return np.ones(len(cutoffs))
    w = 0.5 ** ((cutoffs.max() - cutoffs) / (half_life * span))
    return np.asarray(w / w.mean())


def patience(rows: int) -> int:
    """Rounds without progress before stopping: 300 up to 10,000 rows, then fewer, never below 20.

    >>> patience(5_000), patience(30_000), patience(1_000_000)
    (300, 100, 20)
    """
    return 300 if rows <= 10_000 else max(20, 300 * 10_000 // rows)


def grow(
    recipe: TreeRecipe,
    train: Dataset,
    valid: Dataset | None,
    context: Context,
    rounds: int,
    rate: float,
) -> TreeFitted:
    """At most so many trees at a rate; with validation rows, as many as serve there."""
    lightgbm = require("lightgbm")
    multiclass = context.kind is TaskKind.MULTICLASS
    threads = context.threads if train.rows >= THREADED_ROWS else 1
    bins = binned(train, valid, context.kind, threads)
    encoder = bins.encoder
    parameters = {
        **PRESETS[recipe.preset],
        "feature_fraction": column_share(max(len(encoder.sources), 1), recipe.preset),
        **dict(recipe.changes),
        "learning_rate": rate,
        "objective": _LIGHTGBM_OBJECTIVE.get(recipe.objective, recipe.objective),
        "metric": "multi_logloss" if multiclass else _STOP_ON[context.criterion.name],
        "seed": derive(context.seed, "tree", recipe.name),
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,  # a tree looks at few of the columns
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    if recipe.preset == "small":
        parameters["min_data_in_leaf"] = max(3, train.rows // 40)
    if multiclass:
        parameters["num_class"] = len(context.classes)
    shape = _shape(recipe)
    bins.train.set_label(shape(train.y))
    bins.train.set_weight(recency_weights(train.cutoffs, recipe.half_life) if recipe.recency else None)
    extra: dict[str, Any] = {}
    if valid is not None and bins.valid is not None:
        bins.valid.set_label(shape(valid.y))
        extra["valid_sets"] = [bins.valid]
        extra["callbacks"] = [lightgbm.early_stopping(patience(train.rows), verbose=False)]
    booster = lightgbm.train(parameters, bins.train, num_boost_round=rounds, **extra)
    give_back(train, bins)
    best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    return TreeFitted(
        name=recipe.name,
        kind=context.kind,
        recipe=recipe,
        names=train.X.names,
        encoder=encoder,
        text=booster.model_to_string(num_iteration=best),
        classes=len(context.classes),
        rounds=best,
        rate=rate,
        rows=train.rows,
        seconds=context.seconds,
        threads=context.threads,
    )
