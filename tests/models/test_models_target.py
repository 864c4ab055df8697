"""Target encoding reads no label before it is known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.core.time import DAY, Offset
from foretell.features.matrix import Categorical, Matrix
from foretell.models.dataset import Dataset, concat
from foretell.models.target import MOST_CLASSES, SMOOTHING, fit_target_table, means_known, recurs, table_from
from foretell.task.model import TaskKind

BINARY, REGRESSION, MULTICLASS = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


def dataset(codes: list[int], y: list[float], days: list[int], horizon: int | None = None) -> Dataset:
    n, names = len(codes), tuple(f"c{i}" for i in range(max(codes) + 1))
    X = Matrix(("c",), (Categorical(np.array(codes, dtype=np.int32), names),), n)
    moments = np.array(days, dtype=np.int64) * DAY
    known = None if horizon is None else Offset(horizon)
    return Dataset(X, np.array(y, dtype=np.float64), moments, np.arange(n, dtype=np.int64), known)


def encoded(data: Dataset, kind: TaskKind = BINARY) -> np.ndarray:
    column = data.X["c"]
    assert isinstance(column, Categorical)
    return np.column_stack(fit_target_table("c", column, data, kind)[1])


def test_means_by_hand() -> None:
    data = dataset([0, 0, 1, 0, 0, 1], [1, 0, 1, 1, 0, 0], [1, 1, 1, 2, 2, 3])
    means, counts = encoded(data).T
    assert np.isnan(means[:3]).all()  # the first cutoff knows nothing
    before = 2 / 3  # the mean label of cutoff 1
    np.testing.assert_allclose(means[3:5], (1 + SMOOTHING * before) / (2 + SMOOTHING))
    before = 3 / 5
    np.testing.assert_allclose(means[5], (1 + SMOOTHING * before) / (1 + SMOOTHING))
    np.testing.assert_allclose(counts, np.log1p([4, 4, 2, 4, 4, 2]))
    column = data.X["c"]
    assert isinstance(column, Categorical)
    table, _ = fit_target_table("c", column, data, BINARY)
    np.testing.assert_allclose(table.means[0], (2 + SMOOTHING * 0.5) / (4 + SMOOTHING))


def test_a_label_is_known_when_its_window_has_closed() -> None:
    codes, y, days = [0, 0, 0, 0], [1.0, 0.0, 1.0, 0.0], [0, 10, 20, 30]
    means = encoded(dataset(codes, y, days, horizon=20))[:, 0]
    assert np.isnan(means[:2]).all()  # the first window closes on day 20, as the third row's history ends
    np.testing.assert_allclose(means[2:], [1.0, (1 + SMOOTHING * 0.5) / (2 + SMOOTHING)])
    assert not np.isnan(encoded(dataset(codes, y, days))[1, 0]), "the control: without a horizon it is known"


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 4)), min_size=6, max_size=40
)  # category, day, label


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 6), st.integers(1, 12), st.sampled_from([BINARY, REGRESSION, MULTICLASS]))
def test_labels_that_are_not_known_yet_change_nothing(
    rows: list[tuple[int, int, int]], horizon: int, at: int, kind: TaskKind
) -> None:
    codes, days, labels = (list(part) for part in zip(*rows))
    y = [float(v % 2 if kind is BINARY else v) for v in labels]
    data = dataset(codes, y, days, horizon)
    unknown = data.cutoffs + horizon * DAY > at * DAY
    later = replace(data, y=np.where(unknown, np.roll(data.y, 1), data.y))
    now = data.cutoffs <= at * DAY
    if len(np.unique(data.cutoffs)) == 1 or sorted(set(y)) != sorted(set(later.y)):
        return  # one cutoff is the other rule; a class that is gone has no column
    same = means_known(np.array(codes), data.cutoffs, data.y[:, None], data.horizon)[now]
    np.testing.assert_array_equal(
        same, means_known(np.array(codes), data.cutoffs, later.y[:, None], data.horizon)[now]
    )


def test_the_control_an_encoder_that_ignores_time_or_the_horizon_is_caught() -> None:
    """A label that the test above holds back is read by a mean of all rows, and by one of earlier cutoffs."""
    codes, days = [0] * 6, [0, 1, 2, 3, 4, 5]
    data = dataset(codes, [0, 0, 0, 1, 1, 1], days, horizon=3)
    flipped = replace(data, y=np.array([0.0, 0, 1, 1, 1, 1]))  # that of day 2 is known on day 5
    now = data.cutoffs <= 4 * DAY

    def differ(one: Dataset, two: Dataset) -> bool:
        return not np.array_equal(encoded(one)[now], encoded(two)[now], equal_nan=True)

    assert not differ(data, flipped)
    assert differ(replace(data, horizon=None), replace(flipped, horizon=None))
    assert data.y.mean() != flipped.y.mean()


@settings(max_examples=60, deadline=None)
@given(ROWS, st.one_of(st.none(), st.integers(1, 6)))
def test_means_are_those_of_a_slow_count(rows: list[tuple[int, int, int]], horizon: int | None) -> None:
    codes, days, labels = (np.array(part) for part in zip(*rows))
    data = dataset(codes.tolist(), labels.tolist(), days.tolist(), horizon)
    found = means_known(codes, data.cutoffs, data.y[:, None], data.horizon)[:, 0]
    for i in range(len(codes)):
        known = days < days[i] if horizon is None else days + horizon <= days[i]
        own = known & (codes == codes[i])
        prior = labels[known].mean() if known.any() else np.nan
        slow = (labels[own].sum() + SMOOTHING * prior) / (own.sum() + SMOOTHING)
        np.testing.assert_allclose(found[i], slow, rtol=1e-12)


def test_a_multiclass_label_becomes_shares_of_its_commonest_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(20, 500, p=np.arange(20, 0, -1) / 210).astype(float)
    data = dataset(rng.integers(0, 5, 500).tolist(), y.tolist(), np.arange(500).tolist())
    made = encoded(data, MULTICLASS)
    assert made.shape == (500, MOST_CLASSES + 1)
    assert (np.nansum(made[:, :-1], axis=1) < 1).all()


def test_tables_are_the_same_again_from_json_and_from_the_first_files() -> None:
    data = dataset([0, 0, 1, 1], [1, 0, 1, 1], [0, 1, 2, 3])
    column = data.X["c"]
    assert isinstance(column, Categorical)
    table, _ = fit_target_table("c", column, data, BINARY)
    held = json.loads(json.dumps(asdict(table)))
    assert table_from(held) == table
    first = {**held, "means": [m for (m,) in held["means"]], "prior": 0.75}
    assert table_from(first) == table
    unknown = Categorical(np.array([0, -1], dtype=np.int32), ("new",))
    np.testing.assert_array_equal(np.column_stack(table.encode(unknown)), [[np.nan, 0.0]] * 2)


def test_the_horizon_goes_with_the_rows() -> None:
    data = dataset([0, 1], [0, 1], [0, 1], horizon=7)
    for other in (data.take(np.array([1])), data.select(["c"]), concat(data, data)):
        assert other.horizon == Offset(7)


def test_rows_of_one_cutoff_use_other_entities() -> None:
    data = dataset([0] * 50, [float(i % 5 == 0) for i in range(50)], [3] * 50)
    means = encoded(data)[:, 0]
    assert means[0] == pytest.approx(0.0) and means[1] == pytest.approx(0.25)


def test_categories_that_do_not_come_again_are_told_from_those_that_do() -> None:
    days = [i // 10 for i in range(400)]
    again = dataset([i % 60 for i in range(400)], [0.0] * 400, days, horizon=2)
    never = dataset(days, [0.0] * 400, days, horizon=2)
    late = dataset([i % 60 for i in range(400)], [0.0] * 400, days, horizon=39)
    for data, expected in ((again, True), (never, False), (late, False)):
        column = data.X["c"]
        assert isinstance(column, Categorical)
        assert recurs(column, data) is expected
    one = dataset(list(range(50)), [0.0] * 50, [0] * 50)
    assert isinstance(one.X["c"], Categorical) and recurs(one.X["c"], one)
