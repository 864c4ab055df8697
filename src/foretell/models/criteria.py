"""The metrics: one row of a table each, used to choose models on validation and to judge them on a test.

A metric is either additive, so that a resample is a weighted sum of per-row statistics, or ranked, so that it
is a function of row weights once the rows are sorted. Both forms make bootstraps cheap and say the formula
once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foretell.core.errors import UsageError
from foretell.core.text import did_you_mean
from foretell.features.matrix import Floats
from foretell.task.model import TaskKind

EDGE = 1e-6
"""Log-loss takes probabilities as at least this: one sure mistake does not outweigh all else."""
Stats = Callable[[Floats, Floats], Floats]  # (y, prediction) -> (n, m)
Finish = Callable[[Floats], Floats]  # (..., m) sums -> (...)
Ranked = Callable[[Floats, Floats], Callable[[Floats | None], float]]

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


@dataclass(frozen=True)
class Metric:
    """A way to judge predictions. Its `score` is nan where the metric is not defined (AUROC of one class).

    >>> METRICS["mae"].score(np.array([1.0, 3.0]), np.array([2.0, 3.0]))
    0.5
    """

    name: str
    kinds: tuple[TaskKind, ...]
    higher_is_better: bool
    english: str
    stats: Stats | None = None
    finish: Finish | None = None
    ranked: Ranked | None = None

    def score(self, y: Floats, prediction: Floats, weights: Floats | None = None) -> float:
        """The metric of (n,) values or probabilities, or of (n, k) class probabilities."""
        if self.ranked is not None:
            return self.ranked(y, prediction)(weights)
        assert self.stats is not None and self.finish is not None
        rows = self.stats(y, prediction)
        return float(self.finish(rows.sum(axis=0) if weights is None else weights @ rows))

    def gain(self, y: Floats, prediction: Floats) -> float:
        """The score with its sign turned so that more is better."""
        return self.score(y, prediction) * (1 if self.higher_is_better else -1)


# ── additive metrics: per-row statistics and what their sums give ──


def _mean(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., -1])


def _root_mean(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(_mean(sums)))


def _rows(*columns: Floats) -> Floats:
    return np.stack([*columns, np.ones(len(columns[0]))], axis=-1)


def _absolute(y: Floats, p: Floats) -> Floats:
    return _rows(np.abs(y - p))


def _squared(y: Floats, p: Floats) -> Floats:
    return _rows((y - p) ** 2)


def _squared_log(y: Floats, p: Floats) -> Floats:
    return _rows((np.log1p(np.maximum(y, 0)) - np.log1p(np.maximum(p, 0))) ** 2)


def log_losses(y: Floats, p: Floats) -> Floats:
    """-log of the probability that was given to what happened, per row."""
    if p.ndim == 2:
        hit = p[np.arange(len(y)), y.astype(np.int64)]
        return np.asarray(-np.log(np.clip(hit, EDGE, 1.0)))
    q = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(-(y * np.log(q) + (1 - y) * np.log1p(-q)))


def _logloss(y: Floats, p: Floats) -> Floats:
    return _rows(log_losses(y, p))


def _brier(y: Floats, p: Floats) -> Floats:
    if p.ndim == 2:
        return _rows(((p - _one_hot(y, p.shape[1])) ** 2).sum(axis=1))
    return _rows((y - p) ** 2)


def _hits(y: Floats, p: Floats) -> Floats:
    return _rows((_decide(p) == y).astype(np.float64))


def _decide(p: Floats) -> Floats:
    return p.argmax(axis=1).astype(np.float64) if p.ndim == 2 else (p >= 0.5).astype(np.float64)


def _one_hot(y: Floats, k: int) -> Floats:
    out = np.zeros((len(y), k))
    out[np.arange(len(y)), y.astype(np.int64)] = 1.0
    return out


def _f1_counts(y: Floats, p: Floats) -> Floats:
    said = _decide(p)
    return np.stack([said * y, said, y], axis=-1)


def _f1(sums: Floats) -> Floats:
    below = sums[..., 1] + sums[..., 2]
    return np.asarray(np.where(below > 0, 2 * sums[..., 0] / np.maximum(below, 1e-300), 0.0))


def _class_counts(y: Floats, p: Floats) -> Floats:
    truth, said = _one_hot(y, p.shape[1]), _one_hot(_decide(p), p.shape[1])
    return np.concatenate([truth * said, truth, said], axis=1)  # (n, 3k)


def _macro_f1(sums: Floats) -> Floats:
    k = sums.shape[-1] // 3
    hits, truth, said = sums[..., :k], sums[..., k : 2 * k], sums[..., 2 * k :]
    below = truth + said
    per_class = 2 * hits / np.maximum(below, 1e-300)
    present = below > 0
    return np.asarray((per_class * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def _moments(y: Floats, p: Floats) -> Floats:
    shifted = y - y.mean()  # against cancellation; the shift changes nothing else
    return _rows((y - p) ** 2, shifted, shifted**2)


def _r2(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = sums[..., 2] - sums[..., 1] ** 2 / sums[..., 3]
        return np.asarray(1 - sums[..., 0] / np.where(spread > 0, spread, np.nan))


def _rank_moments(y: Floats, p: Floats) -> Floats:
    a, b = _ranks(y), _ranks(p)
    a, b = a - a.mean(), b - b.mean()
    return _rows(a, b, a * a, b * b, a * b)


def _correlation(sums: Floats) -> Floats:
    a, b, aa, bb, ab, n = (sums[..., i] for i in range(6))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], dtype=np.float64)


# ── ranked metrics: rows are sorted once, then weighted ──


def _ties(score: Floats) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Where each run of equal scores starts in a sorted array."""
    return np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))


def _auroc(y: Floats, score: Floats) -> Callable[[Floats | None], float]:
    order = np.argsort(score, kind="stable")
    starts, sorted_y = _ties(score[order]), y[order]

    def of(weights: Floats | None) -> float:
        w = np.ones(len(y)) if weights is None else weights[order]
        positive = np.add.reduceat(w * sorted_y, starts)
        negative = np.add.reduceat(w, starts) - positive
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / pairs) if pairs > 0 else float("nan")

    return of


def _average_precision(y: Floats, score: Floats) -> Callable[[Floats | None], float]:
    order = np.argsort(-score, kind="stable")
    starts, sorted_y = _ties(score[order]), y[order]

    def of(weights: Floats | None) -> float:
        w = np.ones(len(y)) if weights is None else weights[order]
        positive = np.add.reduceat(w * sorted_y, starts)
        rows = np.add.reduceat(w, starts)
        total = positive.sum()
        if total <= 0:
            return float("nan")
        precision = np.cumsum(positive) / np.maximum(np.cumsum(rows), 1e-300)
        return float((precision * positive).sum() / total)

    return of


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            "auroc",
            (B,),
            True,
            "the chance that a positive scores above a negative, ties half (Hanley & McNeil 1982)",
            ranked=_auroc,
        ),
        Metric(
            "average_precision",
            (B,),
            True,
            "Σ (R_i - R_{i-1}) P_i over the thresholds: precision averaged over recall",
            ranked=_average_precision,
        ),
        Metric(
            "logloss",
            (B, M),
            False,
            "mean of -log of the probability given to what happened",
            stats=_logloss,
            finish=_mean,
        ),
        Metric(
            "brier",
            (B, M),
            False,
            "mean squared distance of probability and outcome, over classes summed (Brier 1950)",
            stats=_brier,
            finish=_mean,
        ),
        Metric(
            "accuracy",
            (B, M),
            True,
            "share of rows whose likeliest class (binary: p ≥ 0.5) is the true one",
            stats=_hits,
            finish=_mean,
        ),
        Metric("f1", (B,), True, "2 TP / (2 TP + FP + FN) at p ≥ 0.5", stats=_f1_counts, finish=_f1),
        Metric(
            "macro_f1",
            (M,),
            True,
            "F1 of every class that occurs or is predicted, averaged",
            stats=_class_counts,
            finish=_macro_f1,
        ),
        Metric("mae", (R,), False, "mean of |y - prediction|", stats=_absolute, finish=_mean),
        Metric("rmse", (R,), False, "√ mean of (y - prediction)²", stats=_squared, finish=_root_mean),
        Metric(
            "rmsle",
            (R,),
            False,
            "√ mean of (log(1+y) - log(1+prediction))², negatives as 0",
            stats=_squared_log,
            finish=_root_mean,
        ),
        Metric("r2", (R,), True, "1 - Σ (y - prediction)² / Σ (y - mean y)²", stats=_moments, finish=_r2),
        Metric(
            "spearman",
            (R,),
            True,
            "correlation of ranks, ties sharing their mean rank",
            stats=_rank_moments,
            finish=_correlation,
        ),
    )
}

DEFAULT_METRIC = {B: "auroc", R: "mae", M: "accuracy"}
"""The metric that heads the report."""

_CHOSEN_BY = {"accuracy": "logloss", "f1": "logloss", "macro_f1": "logloss", "r2": "rmse", "spearman": "mae"}


def metric_for(kind: TaskKind, name: str | None = None) -> Metric:
    """The named metric, or the kind's default; refuses one that does not fit the kind.

    >>> metric_for(TaskKind.REGRESSION).name
    'mae'
    """
    name = name or DEFAULT_METRIC[kind]
    fitting = [m.name for m in METRICS.values() if kind in m.kinds]
    if name not in fitting:
        raise UsageError(f"no metric {name!r} for a {kind} task", mend=did_you_mean(name, fitting))
    return METRICS[name]


def criterion_for(kind: TaskKind, name: str | None = None) -> Metric:
    """The metric that models are chosen by: the one asked for, or a smoother one where that is a step
    function.

    >>> criterion_for(TaskKind.MULTICLASS, "accuracy").name
    'logloss'
    """
    asked = metric_for(kind, name).name
    return METRICS[_CHOSEN_BY.get(asked, asked)]


def losses(kind: TaskKind, criterion: Metric, y: Floats, prediction: Floats) -> Floats:
    """One loss a row, for paired comparisons: log-loss for classes, else absolute or squared error."""
    if kind is not R:
        return log_losses(y, prediction)
    if criterion.name == "mae":
        return np.asarray(np.abs(y - prediction))
    if criterion.name == "rmsle":
        return _squared_log(y, prediction)[:, 0]
    return np.asarray((y - prediction) ** 2)


_TITLES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "logloss": "log-loss",
    "brier": "Brier score",
    "f1": "F1",
    "macro_f1": "macro F1",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "rmsle": "root mean squared log error",
    "r2": "R²",
    "spearman": "rank correlation",
}


def title(metric: str) -> str:
    """What a metric is called in sentences; its own name where that is a word.

    >>> title("auroc"), title("accuracy")
    ('AUROC', 'accuracy')
    """
    return _TITLES.get(metric, metric)
