"""Encoders: learned on training rows alone, the same again from text, safe on what they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.core.errors import DataError
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.dataset import Dataset, concat, split_by_group
from foretell.models.encode import (
    MANY,
    LinearEncoder,
    TreeEncoder,
    fit_linear_encoder,
    fit_tree_encoder,
)
from foretell.task.model import TaskKind

BINARY = TaskKind.BINARY


def dataset(columns: dict, y: list[float], cutoffs: list[int] | None = None) -> Dataset:
    n = len(y)
    X = Matrix(tuple(columns), tuple(columns.values()), n)
    times = np.asarray(cutoffs if cutoffs is not None else range(n), dtype=np.int64)
    return Dataset(X, np.asarray(y, dtype=np.float64), times, np.arange(n, dtype=np.int64))


def small() -> Dataset:
    return dataset(
        {
            "n": Numeric(np.array([1.0, 2.0, np.nan, 4.0, np.inf, 6.0])),
            "c": Categorical(np.array([0, 1, 1, -1, 0, 1], dtype=np.int32), ("red", "blue", "never")),
            "same": Numeric(np.full(6, 7.0)),
            "empty": Numeric(np.full(6, np.nan)),
        },
        [0, 1, 0, 1, 0, 1],
    )


def test_a_tree_sees_numbers_codes_and_missing_values():
    encoder, out = fit_tree_encoder(small(), BINARY)
    assert encoder.sources == ("n", "c")  # a single value and no value at all teach nothing
    assert encoder.categorical_positions == [1]
    np.testing.assert_array_equal(out[:, 0], [1, 2, np.nan, 4, np.nan, 6])
    np.testing.assert_array_equal(out[:, 1], [1, 0, 0, np.nan, 1, 0])  # blue is commonest: code 0
    assert TreeEncoder.from_json(encoder.to_json()) == encoder


def test_an_unknown_category_is_missing_and_another_vocabulary_order_is_understood():
    encoder, _ = fit_tree_encoder(small(), BINARY)
    names = ("n", "c")
    columns = (
        Numeric(np.zeros(3)),
        Categorical(np.array([0, 1, 2], dtype=np.int32), ("green", "blue", "red")),
    )
    np.testing.assert_array_equal(encoder.encode(Matrix(names, columns, 3))[:, 1], [np.nan, 0, 1])


def test_a_missing_or_changed_column_is_refused_by_name():
    encoder, _ = fit_tree_encoder(small(), BINARY)
    with pytest.raises(DataError, match="column 'n' is missing"):
        encoder.encode(Matrix(("c",), (small().X["c"],), 6))
    swapped = Matrix(("n", "c"), (small().X["c"], small().X["c"]), 6)
    with pytest.raises(DataError, match="'n' was numeric in training"):
        encoder.encode(swapped)


def test_the_linear_encoder_standardises_flags_clips_and_one_hots():
    rng = np.random.default_rng(0)
    n = 400
    values = rng.normal(10, 2, n)
    values[:50] = np.nan
    data = dataset(
        {
            "plain": Numeric(values),
            "skewed": Numeric(np.exp(rng.normal(size=n) * 2)),
            "c": Categorical(rng.integers(0, 3, n).astype(np.int32), ("a", "b", "c")),
        },
        [0.0, 1.0] * (n // 2),
    )
    encoder, out = fit_linear_encoder(data, BINARY)
    assert encoder.sources == ("plain", "plain", "skewed", "c", "c", "c")
    assert [s.log for s in encoder.numbers] == [False, True]
    assert np.isfinite(out).all()
    assert abs(out[50:, 0].mean()) < 1e-9 and abs(out[50:, 0].std() - 1) < 1e-2
    assert (out[:50, 0] == 0).all() and (out[:50, 1] == 1).all() and (out[50:, 1] == 0).all()
    np.testing.assert_array_equal(out[:, 3:].sum(axis=1), np.ones(n))
    far = Matrix(data.X.names, (Numeric(np.full(1, 1e9)), *data.take(np.array([0])).X.columns[1:]), 1)
    assert encoder.encode(far)[0, 0] == 5.0
    assert LinearEncoder.from_json(encoder.to_json()) == encoder


def test_no_row_reads_its_own_label_through_a_category():
    """The control: categories that are row numbers. A plain mean would give every label away."""
    n = MANY + 500
    y = np.random.default_rng(1).integers(0, 2, n).astype(float)
    every = Categorical(np.arange(n, dtype=np.int32), tuple(map(str, range(n))))
    data = dataset({"id": every}, y.tolist(), [0] * n)
    encoder, out = fit_tree_encoder(data, BINARY)
    assert encoder.sources == ("id", "id")
    own = out[:, 0]
    known = ~np.isnan(own)
    assert abs(np.corrcoef(own[known], y[known])[0, 1]) < 0.3
    flipped = Dataset(data.X, np.where(np.arange(n) == n - 1, 1 - y, y), data.cutoffs, data.groups)
    assert fit_tree_encoder(flipped, BINARY)[1][n - 1, 0] == own[n - 1]
    leaky = encoder.encode(data.X)[:, 0]  # as scoring would: the table with the row's own label
    assert np.corrcoef(leaky, y)[0, 1] > 0.99


def test_many_categories_that_never_come_again_are_left_out():
    every = Categorical(np.arange(600, dtype=np.int32), tuple(map(str, range(600))))
    data = dataset({"id": every}, [float(i % 2) for i in range(600)], [i // 10 for i in range(600)])
    assert fit_tree_encoder(data, BINARY)[0].sources == ()


def test_very_many_categories_become_shares_of_the_classes_of_a_multiclass_label():
    every = [Categorical(np.arange(3000, dtype=np.int32) % k, tuple(map(str, range(k)))) for k in (60, 1200)]
    data = dataset({"some": every[0], "many": every[1]}, [float(i % 3) for i in range(3000)])
    encoder, out = fit_tree_encoder(data, TaskKind.MULTICLASS)
    assert encoder.sources == ("some", *["many"] * 4)
    np.testing.assert_allclose(out[1:, 1:4].sum(axis=1), 1.0)
    assert fit_tree_encoder(data, TaskKind.REGRESSION)[0].sources == ("some", "some", "many", "many")


def test_concat_joins_vocabularies():
    a = dataset({"c": Categorical(np.array([0, 1], dtype=np.int32), ("x", "y"))}, [0, 1])
    b = dataset({"c": Categorical(np.array([0, 1, -1], dtype=np.int32), ("y", "z"))}, [1, 0, 1])
    both = concat(a, b).X["c"]
    assert isinstance(both, Categorical)
    assert both.categories == ("x", "y", "z")
    assert both.codes.tolist() == [0, 1, 1, 2, -1]
    with pytest.raises(DataError, match="different columns"):
        concat(a, dataset({"d": Numeric(np.zeros(1))}, [0]))


def test_entities_stay_whole_when_some_are_held_out():
    data = small().take(np.tile(np.arange(6), 5))
    kept, held = split_by_group(data, 0.3, 0)
    assert set(data.groups[kept]).isdisjoint(data.groups[held])
    assert len(kept) + len(held) == data.rows and len(held)


def test_labels_must_be_numbers():
    with pytest.raises(DataError, match="1 of 2 labels are not finite"):
        dataset({"n": Numeric(np.zeros(2))}, [0, float("nan")])
