"""From datasets to one model: choices, refusals, determinism, text."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from synthetic import CLASSES, DAY, make, split

from foretell.core.errors import DataError, ModelFileError, UsageError
from foretell.core.lazy import installed
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.base import Context
from foretell.models.candidates import plan
from foretell.models.criteria import DEFAULT_METRIC, METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.portfolio import fit
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


@functools.cache
def trained(
    kind: TaskKind, *, entities: int = 120, limit: float = 0.5, **options
) -> tuple[FittedModel, Dataset]:
    train, valid, test = split(make(kind, entities=entities), 4, 1)
    classes = CLASSES if kind is M else ()
    return fit(train, valid, kind=kind, classes=classes, time_limit=limit, **options), test


@pytest.mark.parametrize("entities", [120, 550], ids=["few rows", "rows to choose on"])
@pytest.mark.parametrize("kind", [B, R, M])
def test_a_model_beats_its_baselines_explains_itself_and_returns_from_text(kind, entities):
    model, test = trained(kind, entities=entities)
    got = model.predict(test.X)
    metric = METRICS[DEFAULT_METRIC[kind]]
    said = model.predict_baselines(test.X)
    assert metric.gain(test.y, got) > max(metric.gain(test.y, p) for p in said.values())
    assert model.best_baseline in said and "constant" in said
    told = model.explain(test.X)
    np.testing.assert_allclose(told.total, model.raw(test.X), atol=1e-6)
    np.testing.assert_array_equal(model.contributions(test.X), told.values)
    assert told.values.shape == (test.rows, len(test.X.names), *((3,) if kind is M else ()))
    assert next(iter(model.importance())) == "x" and sum(model.importance().values()) == pytest.approx(1)
    files = model.dump()
    assert all(isinstance(text, str) for text in files.values())
    again = FittedModel.load(files)
    np.testing.assert_array_equal(again.predict(test.X), got)
    assert again.dump() == files
    assert sum(model.weights) == pytest.approx(1)


@pytest.mark.parametrize("kind", [B, R, M])
def test_a_seed_decides_everything(kind):
    first, _ = trained(kind, entities=550, seed=3)
    second, _ = trained.__wrapped__(kind, entities=550, seed=3)
    other, _ = trained(kind, entities=550, seed=4)
    assert first.dump() == second.dump() != other.dump()


def test_the_ensemble_is_at_least_as_good_as_its_members():
    model, _ = trained(B, entities=550)
    singles = [v for n, v in model.validation.items() if n != "ensemble"]
    assert model.validation["ensemble"] >= max(singles) - 1e-12


def test_intervals_hold_on_later_rows():
    model, test = trained(R, entities=550)
    low, high = model.predict_interval(test.X, 0.8)
    point = model.predict(test.X)
    assert (low <= point).all() and (point <= high).all()
    assert ((test.y >= low) & (test.y <= high)).mean() == pytest.approx(0.8, abs=0.06)
    with pytest.raises(UsageError, match="level between 0 and 1"):
        model.predict_interval(test.X, 80)


def test_probabilities_have_no_intervals():
    model, test = trained(B)
    with pytest.raises(UsageError, match="probabilities, not intervals"):
        model.predict_interval(test.X)


def test_amounts_are_never_negative():
    data = make(R, entities=150)
    train, valid, test = split(replace(data, y=np.maximum(data.y, 0.0)), 4, 1)
    model = fit(train, valid, kind=R, metric="rmse")
    low, _ = model.predict_interval(test.X, 0.9)
    assert model.predict(test.X).min() >= 0 and low.min() >= 0


def test_few_rows_get_the_plain_average():
    model, _ = trained(B)
    assert [m.name for m in model.members] == ["linear", "lightgbm_small_binary"]
    assert model.weights == (0.5, 0.5)


def test_a_baseline_is_the_model_where_nothing_else_is_better():
    """The label is the last label, nearly always: one column says it all, and many of noise distract."""
    rng = np.random.default_rng(0)
    n = 300
    last = rng.normal(size=n) * 100
    y = last + rng.normal(size=n) * 0.01
    columns = {"label.last": Numeric(last)} | {f"n{i}": Numeric(rng.normal(size=n)) for i in range(30)}
    index = np.arange(n, dtype=np.int64)
    data = Dataset(Matrix(tuple(columns), tuple(columns.values()), n), y, index, index)
    model = fit(data.take(index < 200), data.take(index >= 200), kind=R)
    assert [m.name for m in model.members] == ["last"] and model.best_baseline == "last"


def test_without_validation_some_entities_are_held_out():
    train, _, test = split(make(B), 1, 1)
    model = fit(train, None, kind=B)
    assert any("held out" in note for note in model.notes)
    assert model.rows == train.rows  # and then learned from
    assert METRICS["auroc"].score(test.y, model.predict(test.X)) > 0.7


def test_thirty_rows_are_enough_to_try():
    data = make(B, entities=30, cutoffs=1)
    model = fit(data, None, kind=B)
    assert np.isfinite(model.predict(data.X)).all()
    assert any("expect wide intervals" in note for note in model.notes)


def test_validation_with_one_class_is_survived():
    train, valid, _ = split(make(B), 4, 1)
    model = fit(train, valid.take(valid.y == 0), kind=B)
    assert model.criterion == "logloss" and any("auroc is not defined" in n for n in model.notes)


@pytest.mark.parametrize(
    ("kind", "y", "message"),
    [
        (B, 0.0, "is false \\(base rate 0%\\)"),
        (B, 1.0, "is true \\(base rate 100%\\)"),
        (R, 3.5, "is 3.5: there is nothing to predict"),
        (M, 1.0, "is green: there is nothing to predict"),
    ],
)
def test_a_single_label_is_refused(kind, y, message):
    data = make(kind)
    data = replace(data, y=np.full(data.rows, y))
    with pytest.raises(DataError, match=message):
        fit(data, None, kind=kind, classes=CLASSES if kind is M else ())


def test_odd_calls_are_refused_with_a_way_out():
    data = make(B)
    with pytest.raises(DataError, match="must be 0 or 1"):
        fit(replace(data, y=data.y * 2), None, kind=B)
    with pytest.raises(DataError, match="no training rows"):
        fit(data.take(np.zeros(0, dtype=np.intp)), None, kind=B)
    with pytest.raises(UsageError, match="time limit above 0"):
        fit(data, None, kind=B, time_limit=0)
    with pytest.raises(UsageError, match=r"no metric 'auc'.*\n.*auroc"):
        fit(data, None, kind=B, metric="auc")
    with pytest.raises(DataError, match="index of one of the classes"):
        fit(replace(data, y=data.y + 5), None, kind=M, classes=CLASSES)


def test_more_time_means_more_members():
    train = make(B, entities=600)
    context = Context(B, METRICS["auroc"])
    names = [[learner.name for learner, _ in plan(train, context, limit)] for limit in (30.0, 300.0)]
    extra = ["catboost"] if installed("catboost") else []
    assert names[0] == ["linear", "lightgbm_A_binary", "lightgbm_B_binary", *extra]
    assert {"lightgbm_C_binary", "lightgbm_A_binary_recent", "lightgbm_A_binary_1"} < set(names[1])
    spent = [sum(s for _, s in plan(train, context, limit)) for limit in (30.0, 300.0)]
    assert spent[0] <= 15.0 and spent[1] <= 150.0


def test_a_model_learns_anew_from_other_rows():
    model, test = trained(B, entities=550)
    again = model.refit_on(test)
    assert [m.name for m in again.members] == [m.name for m in model.members]
    assert again.weights == model.weights and again.calibration == model.calibration
    assert again.rows == test.rows and not np.array_equal(again.predict(test.X), model.predict(test.X))


def test_scoring_copes_with_unknown_categories_and_holes():
    model, _ = trained(M, entities=550)
    columns = tuple(
        Numeric(np.full(1, np.nan)) if isinstance(c, Numeric) else Categorical(np.zeros(1, np.int32), ("?",))
        for c in make(M).X.columns
    )
    got = model.predict(Matrix(model.columns, columns, 1))
    assert np.isfinite(got).all() and got.sum() == pytest.approx(1)


def test_no_rows_are_scored_to_no_rows():
    model, test = trained(B)
    assert model.predict(test.X.take(np.zeros(0, dtype=np.intp))).shape == (0,)


@pytest.mark.parametrize("harm", ["missing", "cut", "newer"])
def test_damaged_files_are_refused(harm):
    files = trained(B)[0].dump()
    if harm == "missing":
        del files["members/0/linear.json"]
    elif harm == "cut":
        files["model.json"] = files["model.json"][:100]
    else:
        files["model.json"] = files["model.json"].replace('"format": 1', '"format": 99')
    with pytest.raises(ModelFileError, match="newer release" if harm == "newer" else "damaged"):
        FittedModel.load(files)


def test_noise_is_not_learned():
    """The control for every good score above: labels that nothing foretells give AUROC ≈ 0.5."""
    data = make(B, entities=500)
    shuffled = replace(data, y=np.random.default_rng(5).permutation(data.y))
    names = tuple(n for n in data.X.names if not n.startswith("label"))
    train, valid, test = split(replace(shuffled, X=data.X.select(names)), 4, 1)
    model = fit(train, valid, kind=B, time_limit=5)
    assert METRICS["auroc"].score(test.y, model.predict(test.X)) == pytest.approx(0.5, abs=0.06)
    assert test.cutoffs.min() == 5 * 30 * DAY


def test_importing_the_models_imports_no_model_library():
    import subprocess
    import sys

    code = "import foretell.models.portfolio, foretell.evaluation.backtest, sys; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'numpy'" in loaded
    for name in ("lightgbm", "sklearn", "scipy", "pandas"):
        assert f"'{name}'" not in loaded
