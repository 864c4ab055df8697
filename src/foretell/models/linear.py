"""The regularised linear model: hard to beat at a few hundred rows, and a good partner of the trees."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from foretell.core.lazy import require
from foretell.core.random import generator
from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files, onto_columns
from foretell.models.dataset import Dataset
from foretell.models.encode import LinearEncoder, fit_linear_encoder
from foretell.models.links import sigmoid, softmax, to_link
from foretell.task.model import TaskKind

LINEAR = "linear"
STRENGTHS = (0.0001, 0.001, 0.01, 0.1)
"""Inverse regularisation (scikit-learn's C), weakest last; ridge uses 1 / C."""
DEFAULT_STRENGTH = 0.001
REWEIGHTINGS = 5
CELLS = 3e6
"""Cells (rows × outputs) that a second of training affords, all strengths together."""


@dataclass(frozen=True)
class LinearRecipe:
    """What was chosen: the strength, and for a regression how the target was shaped and which loss was
    used.
    """

    strength: float
    target: str = "plain"  # or 'log': signed log1p
    loss: str = "squared"  # or 'absolute'


@dataclass(frozen=True)
class LinearFitted:
    """Coefficients on an encoder's outputs. Regression values are kept inside the range seen in training."""

    name: str
    kind: TaskKind
    recipe: LinearRecipe
    names: tuple[str, ...]
    encoder: LinearEncoder
    weights: Floats  # (outputs, k); k is 1 but for multiclass
    intercept: Floats  # (k,)
    means: Floats  # (outputs,) of the training rows: where contributions are 0
    deviations: Floats  # (outputs,)
    low: float = 0.0
    high: float = 0.0
    seconds: float = 3.0  # that training may cost

    def predict(self, X: Matrix) -> Floats:
        return self.score(self.encoder.encode(X))

    def score(self, encoded: Floats) -> Floats:
        """Predictions from the encoder's outputs."""
        return self._natural(encoded @ self.weights + self.intercept)

    def _natural(self, z: Floats) -> Floats:
        """(n, k) linear scores as probabilities or values."""
        if self.kind is TaskKind.BINARY:
            return sigmoid(z[:, 0])
        if self.kind is TaskKind.MULTICLASS:
            return softmax(z)
        value = np.clip(z[:, 0], -50, 50) if self.recipe.target == "log" else z[:, 0]
        return np.clip(_unshape(value, self.recipe.target), self.low, self.high)

    def contributions(self, X: Matrix) -> Contributions:
        centred = self.encoder.encode(X) - self.means  # (n, outputs)
        sources = self.encoder.sources
        values = np.stack([onto_columns(centred * w, sources, self.names) for w in self.weights.T], axis=2)
        start = np.tile(self.means @ self.weights + self.intercept, (X.rows, 1))  # (n, k)
        if self.kind is TaskKind.MULTICLASS:
            # log-probabilities are compared with their mean over the classes, and so are contributions
            return Contributions(
                self.names,
                values - values.mean(axis=2, keepdims=True),
                start - start.mean(axis=1, keepdims=True),
            )
        raw = start + values.sum(axis=1)
        base, score = to_link(self.kind, self._natural(start)), to_link(self.kind, self._natural(raw))
        return Contributions(self.names, rescale(values[:, :, 0], score - base), base)

    def importance(self) -> dict[str, float]:
        strength = (np.abs(self.weights) * self.deviations[:, None]).sum(axis=1)
        return shares(self.encoder.sources, strength)

    def refit(self, data: Dataset, context: Context) -> LinearFitted:
        context = replace(context, seconds=self.seconds)
        prepared = _prepare(data, context)
        (fitted,) = _fit_all(prepared, [self.recipe], data.X.names, self.name, context)
        return fitted

    def dump(self) -> dict[str, str]:
        held = {
            "name": self.name,
            "kind": self.kind,
            "recipe": asdict(self.recipe),
            "names": self.names,
            "encoder": self.encoder.to_json(),
            "low": self.low,
            "high": self.high,
            "seconds": self.seconds,
            **{n: getattr(self, n).tolist() for n in _ARRAYS},
        }
        return {"linear.json": json.dumps(held)}

    @classmethod
    def load(cls, files: Files) -> Self:
        held = json.loads(files["linear.json"])
        k = len(held["intercept"])
        arrays = {n: np.asarray(held[n], dtype=np.float64) for n in _ARRAYS}
        arrays["weights"] = arrays["weights"].reshape(-1, k)
        return cls(
            name=held["name"],
            kind=TaskKind(held["kind"]),
            recipe=LinearRecipe(**held["recipe"]),
            names=tuple(held["names"]),
            encoder=LinearEncoder.from_json(held["encoder"]),
            low=held["low"],
            high=held["high"],
            seconds=held["seconds"],
            **arrays,
        )


_ARRAYS = ("weights", "intercept", "means", "deviations")


def rescale(values: Floats, moved: Floats) -> Floats:
    """Contributions (n, p) stretched so that each row sums to `moved` (n,).

    A log link or a clipped value bends the sum; every contribution of the row is stretched by the same
    factor, so that signs and order stay. Where nothing contributed there is nothing to stretch.
    """
    total = values.sum(axis=1)
    small = np.abs(total) < 1e-12
    factor = np.where(small, 1.0, moved / np.where(small, 1.0, total))
    return np.asarray(values * factor[:, None])


def shares(sources: tuple[str, ...], strength: Floats) -> dict[str, float]:
    """Strengths of output columns as shares of the matrix columns they come from."""
    total = float(strength.sum())
    if total <= 0:
        return {}
    out: dict[str, float] = {}
    for source, value in zip(sources, strength):
        out[source] = out.get(source, 0.0) + float(value) / total
    return out


@dataclass(frozen=True)
class LinearLearner:
    """Logistic regression, or ridge and least absolute deviations; the strength is chosen on validation."""

    name: str = LINEAR

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> LinearFitted:
        prepared = _prepare(train, context)
        recipes = recipes_for(train.y, context)
        if valid is None:
            recipes = [r for r in recipes if r.strength == DEFAULT_STRENGTH][:1]
        fitted = _fit_all(prepared, recipes, train.X.names, self.name, context)
        if valid is None or len(fitted) == 1:
            return fitted[0]
        encoded = prepared.encoder.encode(valid.X)

        def gain(candidate: LinearFitted) -> float:
            return context.criterion.gain(valid.y, candidate.score(encoded))

        if context.criterion.name == "mae":
            for target in dict.fromkeys(r.target for r in recipes):
                best = max((f for f in fitted if f.recipe.target == target), key=gain)
                for strength in STRENGTHS[STRENGTHS.index(best.recipe.strength) :]:
                    recipe = LinearRecipe(strength, target, "absolute")
                    fitted += _fit_all(prepared, [recipe], train.X.names, self.name, context)
                    if gain(fitted[-1]) < gain(best):
                        break  # a weaker penalty serves no better
                    best = fitted[-1]
        return max(fitted, key=gain)


def recipes_for(y: Floats, context: Context) -> list[LinearRecipe]:
    """What is tried; where absolute errors count, the best of it is tried with that loss as well."""
    if context.kind is not TaskKind.REGRESSION:
        return [LinearRecipe(s) for s in STRENGTHS]
    shapes = ["plain", "log"] if is_skewed(y) else ["plain"]
    return [LinearRecipe(s, target) for target in shapes for s in STRENGTHS]


def is_skewed(y: Floats) -> bool:
    """A long tail: the third standardised moment is above 2 in size."""
    spread = y.std()
    return bool(spread > 0 and abs((((y - y.mean()) / spread) ** 3).mean()) > 2)


def _shape(y: Floats, target: str) -> Floats:
    return np.asarray(np.sign(y) * np.log1p(np.abs(y))) if target == "log" else y


def _unshape(z: Floats, target: str) -> Floats:
    return np.asarray(np.sign(z) * np.expm1(np.abs(z))) if target == "log" else z


@dataclass(frozen=True)
class _Prepared:
    encoder: LinearEncoder
    design: Floats
    y: Floats


def _prepare(data: Dataset, context: Context) -> _Prepared:
    """Encode the rows; where there are too many for the time, a random sample of them."""
    affordable = max(2000, int(CELLS * context.seconds / max(len(data.X.names), 1)))
    if data.rows > affordable:
        chosen = generator(context.seed, "linear", "rows").permutation(data.rows)[:affordable]
        data = data.take(np.sort(chosen))
    encoder, design = fit_linear_encoder(data, context.kind)
    return _Prepared(encoder, design, data.y)


def _fit_all(
    prepared: _Prepared, recipes: list[LinearRecipe], names: tuple[str, ...], name: str, context: Context
) -> list[LinearFitted]:
    threads = require("threadpoolctl").threadpool_limits(limits=context.threads)
    with threads:
        solved = (
            _ridges(prepared, recipes)
            if context.kind is TaskKind.REGRESSION
            else _logistics(prepared, recipes, context)
        )
    design = prepared.design
    means, deviations = design.mean(axis=0), design.std(axis=0)
    low, high = float(prepared.y.min()), float(prepared.y.max())
    return [
        LinearFitted(
            name,
            context.kind,
            recipe,
            names,
            prepared.encoder,
            w,
            b,
            means,
            deviations,
            low,
            high,
            context.seconds,
        )
        for recipe, (w, b) in zip(recipes, solved)
    ]


def _logistics(
    prepared: _Prepared, recipes: list[LinearRecipe], context: Context
) -> list[tuple[Floats, Floats]]:
    """Logistic regressions from the strongest penalty to the weakest, each starting where the last one
    ended.
    """
    linear_model = require("sklearn.linear_model")
    k = len(context.classes) if context.kind is TaskKind.MULTICLASS else 1
    if prepared.design.shape[1] == 0:
        return [_no_columns(prepared.y, k) for _ in recipes]
    present = np.unique(prepared.y).astype(np.int64)
    model: Any = linear_model.LogisticRegression(warm_start=True, max_iter=200, tol=1e-3)
    out = []
    for recipe in recipes:
        model.C = recipe.strength
        with warnings.catch_warnings():  # stopping early is a choice: the strongest penalties converge anyway
            warnings.simplefilter("ignore")
            model.fit(prepared.design, prepared.y)
        weights, intercept = np.asarray(model.coef_).T.copy(), np.asarray(model.intercept_).copy()
        if k > 1:
            weights, intercept = _all_classes(weights, intercept, present, k)
        out.append((weights, intercept))
    return out


def _all_classes(weights: Floats, intercept: Floats, present: Any, k: int) -> tuple[Floats, Floats]:
    """Coefficients (p, k) when only some of the classes occur in training: the others get e^-12 of the
    odds.
    """
    if weights.shape[1] == 1:  # two classes present: scikit-learn keeps one column for the second
        weights = np.hstack([-weights / 2, weights / 2])
        intercept = np.array([-intercept[0] / 2, intercept[0] / 2])
    full, base = np.zeros((len(weights), k)), np.full(k, intercept.min() - 12.0)
    full[:, present], base[present] = weights, intercept
    return full, base


def _no_columns(y: Floats, k: int) -> tuple[Floats, Floats]:
    if k == 1:
        rate = np.array([y.mean()], dtype=np.float64)
        return np.zeros((0, 1)), to_link(TaskKind.BINARY, rate)
    counts = np.bincount(y.astype(np.int64), minlength=k).astype(np.float64)
    rates: Floats = (counts + 0.5) / (len(y) + 0.5 * k)
    return np.zeros((0, k)), to_link(TaskKind.MULTICLASS, rates[None])[0]


def _ridges(prepared: _Prepared, recipes: list[LinearRecipe]) -> list[tuple[Floats, Floats]]:
    """Ridge in closed form; least absolute deviations by ridges with weights 1 / max(|residual|, ε)."""
    design = np.column_stack([prepared.design, np.ones(len(prepared.y))])  # the last one is the intercept
    plain = design.T @ design
    out: list[tuple[Floats, Floats]] = []
    for recipe in recipes:
        y = _shape(prepared.y, recipe.target)
        beta = _ridge(plain, design.T @ y, 1.0 / recipe.strength)
        if recipe.loss == "absolute":
            spread = float(np.abs(y - np.median(y)).mean()) or 1.0
            for _ in range(REWEIGHTINGS):
                residual = np.abs(y - design @ beta)
                root = np.sqrt(spread / np.maximum(residual, 0.05 * spread))
                weighed = design * root[:, None]
                beta = _ridge(weighed.T @ weighed, weighed.T @ (root * y), 1.0 / recipe.strength)
        out.append((beta[:-1, None], beta[-1:]))
    return out


def _ridge(gram: Floats, target: Floats, penalty: float) -> Floats:
    """The coefficients that minimise |y - Xβ|² + penalty |β|² given X'X and X'y; the last one is free."""
    penalties = np.full(len(gram), penalty)
    penalties[-1] = 0.0
    return np.asarray(np.linalg.solve(gram + np.diag(penalties), target))
