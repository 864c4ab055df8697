"""Single features that tell the outcome alone are found, and honest ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.core.errors import DataError
from foretell.evaluation.audit import one_row_each, suspects
from foretell.features.matrix import Categorical, Matrix, Numeric, Values
from foretell.task.model import TaskKind

ROWS = 2_000
RNG = np.random.default_rng(7)
NOISE = RNG.normal(size=ROWS)
BINARY = (RNG.random(ROWS) < 0.1).astype(np.float64)
CLASSES = RNG.integers(0, 4, ROWS).astype(np.float64)
AMOUNT = RNG.lognormal(size=ROWS)


def matrix(**columns: Values) -> Matrix:
    return Matrix(tuple(columns), tuple(columns.values()), ROWS)


def words(codes: np.ndarray, count: int) -> Categorical:
    return Categorical(codes.astype(np.int32), tuple(f"w{i}" for i in range(count)))


BINARY_LEAKS: dict[str, Values] = {
    "higher": Numeric(BINARY + 0.1 * RNG.random(ROWS)),
    "lower": Numeric(-BINARY),
    "present": Numeric(np.where(BINARY == 1, NOISE, np.nan)),
    "missing": Numeric(np.where(BINARY == 1, np.nan, NOISE)),
    "word": words(np.where(BINARY == 1, RNG.integers(0, 3, ROWS), RNG.integers(3, 9, ROWS)), 9),
    "no_word": words(np.where(BINARY == 1, -1, RNG.integers(0, 9, ROWS)), 9),
}


@pytest.mark.parametrize("name", BINARY_LEAKS)
def test_binary(name: str) -> None:
    honest = Numeric(NOISE + BINARY)
    (found,) = suspects(matrix(leak=BINARY_LEAKS[name], honest=honest), BINARY, TaskKind.BINARY)
    assert (found.column, found.metric) == ("leak", "AUROC")
    assert found.value > 0.99
    assert "known only after" in str(found)


def test_honest_features_are_left_alone() -> None:
    honest = matrix(
        near=Numeric(NOISE + 2 * BINARY),
        flat=Numeric(np.zeros(ROWS)),
        nothing=Numeric(np.full(ROWS, np.nan)),
        many=words(np.arange(ROWS), ROWS),
        word=words(RNG.integers(-1, 5, ROWS), 5),
    )
    assert suspects(honest, BINARY, TaskKind.BINARY) == ()
    assert suspects(honest, CLASSES, TaskKind.MULTICLASS) == ()
    assert suspects(honest, AMOUNT, TaskKind.REGRESSION) == ()


def test_one_class_of_many_is_named() -> None:
    leak = Numeric(np.where(CLASSES == 2, 5.0, NOISE))
    (found,) = suspects(matrix(leak=leak), CLASSES, TaskKind.MULTICLASS, ("a", "b", "c", "d"))
    assert "'c' from the other classes" in str(found)
    (found,) = suspects(matrix(word=words(CLASSES, 4)), CLASSES, TaskKind.MULTICLASS)
    assert found.value == 1.0


def test_regression() -> None:
    leaks = matrix(twice=Numeric(-2 * AMOUNT), squared=Numeric(AMOUNT**2), rough=Numeric(AMOUNT + NOISE / 2))
    found = suspects(leaks, AMOUNT, TaskKind.REGRESSION)
    assert [s.column for s in found] == ["squared", "twice"]


def test_few_rows_prove_nothing() -> None:
    y = np.zeros(ROWS)
    y[:3] = 1
    assert suspects(matrix(leak=Numeric(y)), y, TaskKind.BINARY) == ()


def test_few_outcomes_unlike_the_others_prove_nothing() -> None:
    y = np.zeros(ROWS)
    y[:3] = AMOUNT[:3]
    assert suspects(matrix(leak=Numeric(y)), y, TaskKind.REGRESSION) == ()
    y[:9] = AMOUNT[:9]
    assert len(suspects(matrix(leak=Numeric(y)), y, TaskKind.REGRESSION)) == 1


def test_one_entity_with_an_outcome_of_its_own_proves_nothing() -> None:
    """Whatever is true of that entity alone separates its rows from the others."""
    X, rows = matrix(leak=Numeric(BINARY)), np.arange(ROWS)
    assert suspects(X, BINARY, TaskKind.BINARY, groups=np.where(BINARY == 1, 0, rows)) == ()
    assert len(suspects(X, BINARY, TaskKind.BINARY, groups=rows)) == 1


def test_rows_without_a_label_are_left_out() -> None:
    y = BINARY.copy()
    y[::2] = np.nan
    assert len(suspects(matrix(leak=Numeric(BINARY)), y, TaskKind.BINARY)) == 1


def test_the_sample_is_the_same_each_time() -> None:
    rows = 60_000
    y = (np.arange(rows) % 50 == 0).astype(np.float64)
    X = Matrix(("leak",), (Numeric(y + np.random.default_rng(1).normal(0, 0.2, rows)),), rows)
    assert suspects(X, y, TaskKind.BINARY) == suspects(X, y, TaskKind.BINARY) != ()


def test_rows_that_multiplied() -> None:
    one_row_each(matrix(flat=Numeric(NOISE)), ROWS)
    with pytest.raises(DataError, match="2,000 feature rows for 1,999"):
        one_row_each(matrix(flat=Numeric(NOISE)), ROWS - 1)
