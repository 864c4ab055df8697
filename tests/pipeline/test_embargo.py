"""What the backtest's model learns from: every row whose window has closed, and none whose window has not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.time import DAY
from foretell.models import portfolio
from foretell.models.dataset import Dataset

START = datetime(2024, 1, 1)
HORIZON = 90


def shop() -> dict[str, pa.Table]:
    """Orders of a year: four windows of 90 days, so cutoffs go by quarters of a window and overlap."""
    rng = np.random.default_rng(3)
    count, people = 1500, 120
    days = np.sort(rng.uniform(0, 365, count))
    return {
        "people": pa.table({"person_id": range(people), "joined": [START] * people}),
        "orders": pa.table(
            {
                "order_id": range(count),
                "person_id": rng.integers(0, people, count),
                "at": [START + timedelta(days=float(d)) for d in days],
                "amount": rng.gamma(2.0, 10.0, count),
            }
        ),
    }


@pytest.fixture(scope="module")
def seen() -> Any:
    """The backtest of a question, and the datasets that its training was given."""
    given: dict[str, Any] = {}
    inner = portfolio.fit

    def watched(train: Dataset, valid: Dataset | None, **options: Any) -> Any:
        given.update(train=train, valid=valid, **options)
        return inner(train, valid, **options)

    with foretell.connect(shop(), now="2025-02-01") as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(portfolio, "fit", watched)
        question = database.query(f"PREDICT SUM(orders.amount, 0, {HORIZON}, days) FOR EACH people.person_id")
        backtest = question.backtest(time_limit=3)
        lesson = next(iter(question._lessons.values()))
        yield backtest, lesson, given


def test_all_rows_whose_windows_closed_before_the_test_are_learned_from_and_no_others(seen: Any) -> None:
    _, lesson, given = seen
    cutoffs, folds = lesson.labels.rows.cutoffs, lesson.folds
    test_from = int(cutoffs[folds.test].min())
    closed = cutoffs + HORIZON * DAY <= test_from
    assert given["whole"].rows == int(closed.sum()) and (lesson.closed == closed).all()
    assert given["whole"].cutoffs.max() + HORIZON * DAY <= test_from
    kept_out = ~(folds.train | folds.valid | folds.test)
    assert (kept_out & closed).any() and (kept_out & ~closed).any()  # the control: an embargo there is


def test_no_earlier_fold_reaches_into_the_test(seen: Any) -> None:
    backtest, lesson, given = seen
    assert given["rolling"] is not None and given["rolling"].horizon == lesson.task.horizon
    assert backtest.coverage is not None and all(s.coverage is not None for s in backtest.slices)


def test_rows_without_a_time_have_neither(seen: Any) -> None:
    tables = {"people": shop()["people"].drop(["joined"])}
    rng = np.random.default_rng(0)
    tables["people"] = tables["people"].append_column("size", pa.array(rng.normal(size=120)))
    tables["people"] = tables["people"].append_column("weight", pa.array(rng.normal(size=120)))
    with foretell.connect(tables) as database:
        question = database.query("PREDICT people.weight FOR EACH people.person_id")
        question.backtest(time_limit=1)
        lesson = next(iter(question._lessons.values()))
    assert lesson.rolling is None
    assert (lesson.closed == (lesson.folds.train | lesson.folds.valid)).all()
