"""CatBoost as a member: choices, explanations, bytes, and what it may know."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from synthetic import CLASSES, make, split

from foretell.core import lazy
from foretell.core.errors import MissingExtraError, ModelFileError
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.base import Context
from foretell.models.boost import BoostFitted, BoostLearner, round_seconds
from foretell.models.candidates import plan
from foretell.models.criteria import DEFAULT_METRIC, METRICS
from foretell.models.dataset import Dataset
from foretell.models.links import to_link
from foretell.task.model import TaskKind

pytest.importorskip("catboost")

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


def context(kind: TaskKind) -> Context:
    return Context(kind, METRICS[DEFAULT_METRIC[kind]], CLASSES if kind is M else (), seconds=0.5)


@functools.cache
def trained(kind: TaskKind) -> tuple[BoostFitted, Dataset, Dataset]:
    train, valid, test = split(make(kind, entities=150), 4, 1)
    return BoostLearner().fit(train, valid, context(kind)), train, test


@pytest.mark.parametrize("kind", [B, R, M])
def test_it_learns_explains_itself_and_returns_from_its_bytes(kind):
    fitted, train, test = trained(kind)
    metric = METRICS[DEFAULT_METRIC[kind]]
    got = fitted.predict(test.X)
    constant = (
        np.full(test.rows, np.median(train.y)) if kind is not M else np.eye(3)[np.zeros(test.rows, int)]
    )
    assert metric.gain(test.y, got) > metric.gain(test.y, constant)
    told = fitted.contributions(test.X)
    np.testing.assert_allclose(told.total, to_link(kind, got), atol=1e-6)
    assert next(iter(sorted(fitted.importance().items(), key=lambda i: -i[1])))[0] == "x"
    files = fitted.dump()
    assert isinstance(files["boost.cbm"], bytes)
    again = BoostFitted.load(files)
    np.testing.assert_array_equal(again.predict(test.X), got)
    assert again.dump() == files
    assert fitted.predict(test.X.take(np.zeros(0, dtype=np.intp))).shape == ((0, 3) if kind is M else (0,))


def test_equal_trainings_are_equal_bytes_whatever_the_order_of_the_rows():
    train, valid, test = split(make(B, entities=150), 4, 1)
    first = BoostLearner().fit(train, valid, context(B))
    assert BoostLearner().fit(train, valid, context(B)).dump() == first.dump()
    late_first = train.take(np.argsort(-train.cutoffs, kind="stable"))
    again = BoostLearner().fit(late_first, valid, context(B))
    np.testing.assert_array_equal(again.predict(test.X), first.predict(test.X))


def test_it_is_trained_anew_with_rounds_that_grow_with_the_rows():
    fitted, train, test = trained(B)
    again = fitted.refit(test, context(B))
    assert again.rounds == max(1, round(fitted.rounds * test.rows / train.rows))
    assert fitted.agreed([again, again]).rounds < 2 * fitted.rounds


def test_columns_without_a_value_and_unknown_categories_are_scored():
    fitted, _, test = trained(B)
    columns = tuple(
        Numeric(np.full(1, np.nan)) if isinstance(c, Numeric) else Categorical(np.zeros(1, np.int32), ("?",))
        for c in test.X.columns
    )
    assert np.isfinite(fitted.predict(Matrix(test.X.names, columns, 1))).all()


def test_without_a_column_that_varies_everyone_gets_the_same():
    index = np.arange(400, dtype=np.int64)
    y = np.random.default_rng(0).integers(0, 2, 400).astype(float)
    flat = Dataset(Matrix(("c",), (Numeric(np.ones(400)),), 400), y, index, index)
    fitted = BoostLearner().fit(flat, None, context(B))
    got = fitted.predict(flat.X)
    assert len(np.unique(got)) == 1 and got[0] == pytest.approx(0.5, abs=0.1)
    assert fitted.importance() == {}
    np.testing.assert_allclose(fitted.contributions(flat.X).total, to_link(B, got), atol=1e-6)


def test_it_is_tried_where_it_is_installed_and_time_allows(monkeypatch):
    train = make(B, entities=600)
    names = [learner.name for learner, _ in plan(train, context(B), 30.0)]
    assert "catboost" in names
    assert "catboost" not in [learner.name for learner, _ in plan(train, context(B), 1.0)]
    monkeypatch.setattr("foretell.models.candidates.installed", lambda name: False)
    assert "catboost" not in [learner.name for learner, _ in plan(train, context(B), 30.0)]
    assert round_seconds(20_000, 400) > round_seconds(20_000, 40) > round_seconds(2_000, 40)


def test_a_model_that_needs_the_extra_says_so(monkeypatch):
    files = trained(B)[0].dump()

    def absent(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(lazy.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"foretell\[boost\]"):
        BoostFitted.load(files)


def test_damaged_bytes_are_refused():
    files = {**trained(B)[0].dump(), "boost.cbm": b"nothing"}
    with pytest.raises(ModelFileError, match="damaged"):
        BoostFitted.load(files).predict(trained(B)[2].X)
