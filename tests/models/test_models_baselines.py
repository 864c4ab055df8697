"""Baselines: formulas by hand, calibrated rates, and explanations that add up."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.base import Context
from foretell.models.baselines import Baseline, fit_baseline, fit_baselines, shrunk_mean
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.links import to_link
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS
NAN = float("nan")


def context(kind: TaskKind, metric: str, classes: tuple[str, ...] = ()) -> Context:
    return Context(kind, METRICS[metric], classes)


def dataset(y: list[float], **columns: list[float] | Categorical) -> Dataset:
    n = len(y)
    names = tuple(c.replace("_", ".") for c in columns)
    held = tuple(
        c if isinstance(c, Categorical) else Numeric(np.asarray(c, dtype=float)) for c in columns.values()
    )
    index = np.arange(n, dtype=np.int64)
    return Dataset(Matrix(names, held, n), np.asarray(y, dtype=float), index, index)


def test_the_shrunk_mean_by_hand():
    got = shrunk_mean(np.array([0.5, 1.0, NAN]), np.array([4.0, 1.0, 0.0]), prior=0.2, k=3.0)
    np.testing.assert_allclose(got, [(4 * 0.5 + 3 * 0.2) / 7, (1 + 0.6) / 4, 0.2])


def test_shrinkage_is_strong_where_means_are_noise_and_weak_where_they_tell():
    rng = np.random.default_rng(0)
    n = 4000
    count = np.full(n, 5.0)
    noise = rng.binomial(5, 0.3, n) / 5
    deaf = dataset(rng.binomial(1, 0.3, n).tolist(), label_mean_all=noise, label_count_all=count)
    rate = rng.choice([0.02, 0.98], n)
    telling = dataset(
        rng.binomial(1, rate).tolist(), label_mean_all=rng.binomial(5, rate) / 5, label_count_all=count
    )
    ctx = context(B, "logloss")
    assert fit_baseline("entity_mean", deaf, ctx).k == 100.0
    assert fit_baseline("entity_mean", telling, ctx).k == 0.5


def test_repeating_a_binary_label_says_a_rate_that_was_seen():
    y = [1, 1, 0, 0, 0, 0, 1, 0]
    data = dataset(y, label_last=[1, 1, 1, 0, 0, 0, NAN, NAN])
    last = fit_baseline("last", data, context(B, "auroc"))
    prior = 3 / 8
    expected = [(0 + 2 * prior) / 5, (2 + 2 * prior) / 5, (1 + 2 * prior) / 4]
    np.testing.assert_allclose(last.rates, expected)
    np.testing.assert_allclose(last.predict(data.X)[[3, 0, 6]], expected)


def test_the_constant_follows_the_metric():
    y = [0, 0, 0, 1, 9.0]
    assert fit_baseline("constant", dataset(y), context(R, "mae")).prior == (0.0,)
    assert fit_baseline("constant", dataset(y), context(R, "rmse")).prior == (2.0,)
    rates = fit_baseline("constant", dataset([0, 1, 1]), context(M, "logloss", ("a", "b", "c"))).prior
    np.testing.assert_allclose(rates, [1.5 / 4.5, 2.5 / 4.5, 0.5 / 4.5])


def test_a_value_repeats_where_there_is_one():
    data = dataset([5, 6, 7], label_last=[1, NAN, 3], label_season=[NAN, NAN, 8])
    found = fit_baselines(data, context(R, "mae"))
    assert list(found) == ["constant", "last", "season"]
    np.testing.assert_array_equal(found["last"].predict(data.X), [1, 6, 3])
    np.testing.assert_array_equal(found["season"].predict(data.X), [6, 6, 8])


def test_the_past_class_gets_the_share_that_repeats():
    past = Categorical(np.array([0, 0, 1, -1], dtype=np.int32), ("a", "b"))
    data = dataset([0, 0, 0, 1], label_last=past)
    last = fit_baseline("last", data, context(M, "logloss", ("a", "b")))
    same = (2 + 1) / (3 + 2)
    np.testing.assert_allclose(
        last.predict(data.X)[:3], [[same, 1 - same], [same, 1 - same], [1 - same, same]]
    )
    np.testing.assert_allclose(last.predict(data.X)[3], last.prior)
    unknown = Matrix(("label.last",), (Categorical(np.zeros(1, dtype=np.int32), ("never seen",)),), 1)
    np.testing.assert_allclose(last.predict(unknown)[0], last.prior)


@pytest.mark.parametrize("name", ["constant", "last", "entity_mean"])
def test_contributions_add_up_and_text_brings_it_back(name: str):
    data = dataset(
        [1, 0, 1, 0], label_last=[1, 0, NAN, 0], label_mean_all=[1, 0, NAN, 0.5], label_count_all=[1, 1, 0, 2]
    )
    fitted = fit_baseline(name, data, context(B, "auroc"))
    told = fitted.contributions(data.X)
    np.testing.assert_allclose(told.total, to_link(B, fitted.predict(data.X)))
    assert Baseline.load(fitted.dump()) == fitted


def test_without_a_past_there_is_only_the_constant():
    assert list(fit_baselines(dataset([0, 1]), context(B, "auroc"))) == ["constant"]
