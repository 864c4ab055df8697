"""Labels at one level: what moved for everyone is not learned as what sets entities apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import DAY

from foretell.features.matrix import Matrix, Numeric
from foretell.models import portfolio
from foretell.models.base import Context
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.level import at_latest_level, leveled
from foretell.models.material import Material, gathered
from foretell.task.model import TaskKind

R, B = TaskKind.REGRESSION, TaskKind.BINARY
CONTEXT = Context(R, METRICS["mae"])
LEVELS = (30.0, 25.0, 18.0, 12.0, 11.0, 11.0)
"""Of six stretches of 100 days: the last two are to choose on, and to be judged on."""


def history() -> tuple[Dataset, Dataset, Dataset]:
    """Values that are the entity's own, which a column tells, and the level of the day."""
    rng = np.random.default_rng(0)
    stretch = np.repeat(np.arange(len(LEVELS)), 120)
    own, noise = rng.normal(size=(2, len(stretch)))
    y = np.asarray(LEVELS)[stretch] + 2 * own + 0.3 * noise
    cutoffs = (stretch * 100 + np.tile(np.arange(120) // 6 * 5, len(LEVELS))) * DAY
    columns = {"own": own, "noise": rng.normal(size=len(y))}
    X = Matrix(tuple(columns), tuple(map(Numeric, columns.values())), len(y))
    data = Dataset(X, y, cutoffs, np.arange(len(y)))
    return tuple(data.take((stretch >= a) & (stretch < b)) for a, b in ((0, 4), (4, 5), (5, 6)))  # type: ignore[return-value]


def error(*, frozen: bool) -> float:
    train, valid, test = history()
    model = portfolio.fit(train, valid, kind=R, time_limit=0.5, frozen=frozen)
    return float(np.abs(model.predict(test.X) - test.y).mean())


def test_where_history_is_frozen_values_are_foretold_at_their_latest_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert error(frozen=True) < 1.2
    monkeypatch.setattr(portfolio, "at_latest_level", lambda material: material)
    assert error(frozen=True) > 3.0  # the control: the mean of all years


def test_each_stretch_comes_to_the_last_ones_level_and_keeps_its_order() -> None:
    train, _, _ = history()
    made = leveled(train, 100 * DAY, CONTEXT)
    for first in range(0, train.rows, 120):
        part = slice(first, first + 120)
        assert np.median(made.y[part]) == pytest.approx(np.median(train.y[-120:]))
        assert np.ptp(made.y[part] - train.y[part]) == pytest.approx(0)


def material(kind: TaskKind = R) -> Material:
    train, valid, _ = history()
    return gathered(train, valid, None, replace(CONTEXT, kind=kind))


def test_the_rows_to_choose_on_keep_their_labels_and_the_floor_stays() -> None:
    before = material()
    made = at_latest_level(before)
    assert made.valid is before.valid and made.train is not before.train and made.whole is not before.whole
    assert (before.floor, made.floor) == (0.0, 0.0)


def test_other_tasks_skewed_amounts_and_rows_without_later_ones_are_left_alone() -> None:
    plain = material()
    yes = replace(plain.context, kind=B, criterion=METRICS["auroc"])
    skewed = replace(plain, train=replace(plain.train, y=np.exp(plain.train.y)))
    beside = replace(plain, train=concat(plain.train, plain.valid))
    for same in (replace(plain, context=yes), skewed, beside):
        assert at_latest_level(same) is same
    assert at_latest_level(plain) is not plain  # the control
