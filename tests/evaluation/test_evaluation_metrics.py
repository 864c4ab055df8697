"""Metrics agree with scikit-learn, with and without weights; calibration error by hand."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.core.errors import UsageError
from foretell.evaluation.metrics import METRICS, all_scores, calibration_bins, ece, metric_for, metrics_of
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS
sk = pytest.importorskip("sklearn.metrics")


def binary(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n).astype(float)
    p = np.round(np.clip(0.3 * y + rng.random(n) * 0.7, 0.01, 0.99), 2)  # rounded: there are ties
    return y, p, rng.integers(0, 4, n).astype(float)


REFERENCE = {
    "auroc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    "logloss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p >= 0.5, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p >= 0.5, sample_weight=w),
}
VALUES = {
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "rmsle": lambda y, p, w: sk.root_mean_squared_log_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
}
CLASS = {
    "logloss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "macro_f1": lambda y, p, w: sk.f1_score(y, p.argmax(axis=1), sample_weight=w, average="macro"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_binary_metrics_agree_with_scikit_learn(name):
    y, p, w = binary()
    assert METRICS[name].score(y, p) == pytest.approx(REFERENCE[name](y, p, None), abs=1e-12)
    assert METRICS[name].score(y, p, w) == pytest.approx(REFERENCE[name](y, p, w), abs=1e-12)


@pytest.mark.parametrize("name", VALUES)
def test_regression_metrics_agree_with_scikit_learn(name):
    rng = np.random.default_rng(1)
    y, w = rng.exponential(size=300) * 10, rng.integers(0, 4, 300).astype(float)
    p = np.abs(y + rng.normal(size=300) * 3)
    assert METRICS[name].score(y, p) == pytest.approx(VALUES[name](y, p, None), rel=1e-12)
    assert METRICS[name].score(y, p, w) == pytest.approx(VALUES[name](y, p, w), rel=1e-12)


@pytest.mark.parametrize("name", CLASS)
def test_multiclass_metrics_agree_with_scikit_learn(name):
    rng = np.random.default_rng(2)
    y, w = rng.integers(0, 4, 300).astype(float), rng.integers(1, 4, 300).astype(float)
    p = rng.dirichlet(np.ones(4), 300) * 0.98 + 0.005
    assert METRICS[name].score(y, p) == pytest.approx(CLASS[name](y, p, None), rel=1e-9)
    assert METRICS[name].score(y, p, w) == pytest.approx(CLASS[name](y, p, w), rel=1e-9)


def test_spearman_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    y = np.round(rng.normal(size=200), 1)
    p = y + rng.normal(size=200)
    assert METRICS["spearman"].score(y, p) == pytest.approx(stats.spearmanr(y, p).statistic)


def test_what_is_not_defined_is_nan():
    one = np.ones(5)
    assert np.isnan(METRICS["auroc"].score(one, np.linspace(0, 1, 5)))
    assert np.isnan(METRICS["average_precision"].score(0 * one, np.linspace(0, 1, 5)))
    assert np.isnan(METRICS["r2"].score(one, np.linspace(0, 1, 5)))
    assert np.isnan(METRICS["spearman"].score(one, np.linspace(0, 1, 5)))


def test_every_kind_has_its_default_and_unknown_names_are_mended():
    assert [metrics_of(k)[0].name for k in (B, R, M)] == ["auroc", "mae", "accuracy"]
    assert "rmsle" not in all_scores(R, np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    with pytest.raises(UsageError, match="did you mean 'rmse'"):
        metric_for(R, "rsme")
    for metric in METRICS.values():
        assert metric.english and (metric.ranked is None) != (metric.stats is None)


def test_calibration_error_by_hand():
    y = np.array([0, 0, 1, 1, 1.0])
    p = np.array([0.1, 0.1, 0.1, 0.9, 1.0])
    assert ece(y, p, bins=2) == pytest.approx(3 / 5 * abs(0.1 - 1 / 3) + 2 / 5 * abs(0.95 - 1))
    assert [b.rows for b in calibration_bins(y, p)] == [3, 1, 1]
    sure = np.array([[0.8, 0.2], [0.6, 0.4]])
    assert ece(np.array([0.0, 1.0]), sure) == pytest.approx(0.5 * 0.2 + 0.5 * 0.6)


def test_honest_probabilities_have_little_calibration_error_and_bold_ones_much():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(float)
    assert ece(y, p) < 0.02 < 0.1 < ece(y, (p > 0.5) * 0.98 + 0.01)
