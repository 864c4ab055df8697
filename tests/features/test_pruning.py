"""Features that tell nothing new are left out, by training rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.features.matrix import Categorical, Matrix, Numeric, Values
from foretell.features.model import Attribute, Feature, FeatureSet, Kind, OwnLabels
from foretell.features.prune import CONSTANT, REPEATED, pruned

nan = np.nan


def made(columns: dict[str, Values], labels: tuple[str, ...] = ()) -> tuple[FeatureSet, Matrix]:
    features = tuple(
        Feature(
            name,
            Kind.NUMERIC if isinstance(column, Numeric) else Kind.CATEGORICAL,
            OwnLabels("mean") if name in labels else Attribute(name),
            "",
            "t",
        )
        for name, column in columns.items()
    )
    first = next(iter(columns.values()))
    rows = len(first.values if isinstance(first, Numeric) else first.codes)
    return FeatureSet(features), Matrix(tuple(columns), tuple(columns.values()), rows)


def numbers(*values: float) -> Numeric:
    return Numeric(np.array(values, np.float64))


TRAIN = np.array([True, True, True, False])


def test_one_value_on_the_training_rows_is_constant() -> None:
    columns: dict[str, Values] = {
        "varies": numbers(1, 2, 3, 4),
        "constant": numbers(5, 5, 5, 5),
        "constant so far": numbers(5, 5, 5, 6),
        "missing": numbers(nan, nan, nan, 1),
        "missing at times": numbers(nan, 7, 7, 7),
        "missing later": numbers(7, 7, nan, 7),
        "one word": Categorical(np.array([1, 1, 1, 0], np.int32), ("a", "b")),
        "no word": Categorical(np.array([-1, -1, -1, 0], np.int32), ("a", "b")),
        "a word at times": Categorical(np.array([-1, 1, -1, 0], np.int32), ("a", "b")),
    }
    features, matrix = made(columns)
    kept = pruned(features, matrix, TRAIN)
    assert kept.names == ("varies", "missing at times", "missing later", "a word at times")
    (out,) = kept.left_out
    assert out.why == CONSTANT and "constant so far" in out.names


def test_the_first_of_those_that_repeat_one_another_stays() -> None:
    columns: dict[str, Values] = {
        "a": numbers(1, nan, 3, 4),
        "b": numbers(1, nan, 3, 9),  # differs on a row that is not trained on
        "c": numbers(1, nan, 3.0000001, 4),
        "short": Numeric(np.array([1, nan, 3, 4], np.float32)),
        "d": Categorical(np.array([0, 1, -1, 2], np.int32), ("x", "y", "z")),
        "same words, other codes": Categorical(np.array([1, 0, -1, 1], np.int32), ("y", "x")),
        "other words": Categorical(np.array([0, 1, -1, 2], np.int32), ("x", "w", "z")),
    }
    features, matrix = made(columns)
    kept = pruned(features, matrix, TRAIN)
    assert kept.names == ("a", "c", "short", "d", "other words")
    (out,) = kept.left_out
    assert (out.why, out.names) == (REPEATED, ("b", "same words, other codes"))


def test_past_labels_stay_and_others_that_repeat_them_go() -> None:
    columns: dict[str, Values] = {
        "label.mean.all": numbers(1, 2, 3, 4),
        "label.mean.10": numbers(1, 2, 3, 4),
        "label.count.10": numbers(0, 0, 0, 1),
        "orders.mean": numbers(1, 2, 3, 4),
    }
    features, matrix = made(columns, labels=("label.mean.all", "label.mean.10", "label.count.10"))
    assert pruned(features, matrix, TRAIN).names == ("label.mean.all", "label.mean.10", "label.count.10")


def test_where_nothing_varies_all_stay() -> None:
    features, matrix = made({"a": numbers(1, 1, 1, 2), "b": numbers(2, 2, 2, 2)})
    assert pruned(features, matrix, TRAIN) == features


def test_equal_hashes_of_unequal_columns_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretell.features.prune.zlib.crc32", lambda data: 0)
    features, matrix = made({"a": numbers(1, 2, 3, 4), "b": numbers(3, 2, 1, 4), "c": numbers(1, 2, 3, 4)})
    assert pruned(features, matrix, TRAIN).names == ("a", "b")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_rows_that_are_not_trained_on_decide_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 12
    columns: dict[str, Values] = {
        f"n{i}": Numeric(rng.choice([0.0, 1.0, nan], rows, p=[0.8, 0.1, 0.1])) for i in range(12)
    }
    columns |= {
        f"c{i}": Categorical(rng.integers(-1, 2, rows).astype(np.int32), ("a", "b")) for i in range(4)
    }
    features, matrix = made(columns)
    train = rng.random(rows) < 0.4
    changed = {
        name: Numeric(np.where(train, column.values, rng.random(rows)))
        if isinstance(column, Numeric)
        else Categorical(np.where(train, column.codes, 1).astype(np.int32), column.categories)
        for name, column in columns.items()
    }
    assert pruned(features, matrix, train) == pruned(features, made(changed)[1], train)
