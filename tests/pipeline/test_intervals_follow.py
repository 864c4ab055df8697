"""In a backtest intervals rest on windows closed by each cutoff; where history is frozen, on validation."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.models.follow import Bands, Judged, bands_over_time
from foretell.task.regime import Regime

START = datetime(2024, 1, 1)
QUESTION = "PREDICT SUM(orders.amount, 0, 10, days) FOR EACH people.person_id"


def shop() -> dict[str, pa.Table]:
    """Orders of a year, whose amounts grow tenfold towards its end."""
    rng = np.random.default_rng(3)
    count, people = 4000, 60
    days = np.sort(rng.uniform(0, 365, count))
    return {
        "people": pa.table({"person_id": range(people), "joined": [START] * people}),
        "orders": pa.table(
            {
                "order_id": range(count),
                "person_id": rng.integers(0, people, count),
                "at": [START + timedelta(days=float(d)) for d in days],
                "amount": rng.gamma(2.0, 10.0, count) * np.where(days > 300, 10, 1),
            }
        ),
    }


@pytest.mark.parametrize("frozen_at", [None, "2024-10-20"])
def test_the_backtests_intervals(frozen_at: str | None) -> None:
    with foretell.connect(shop(), now="2025-01-05") as database:
        question = database.query(QUESTION)
        budget, regime = question._budget(3.0, "baseline"), Regime.of(frozen_at, None)
        measured, lesson = question._measure(budget, regime), question._lesson(budget, regime)
    test, fitted = lesson.dataset(lesson.folds.test), measured.fitted
    said = fitted.predict(test.X)
    assert fitted.judged is not None and fitted.conformal is not None
    still = Bands.of(fitted.conformal, said, 0.8)
    rows = Judged(test.y, said, test.cutoffs)
    moving = bands_over_time(fitted.judged, rows, lesson.task.horizon, 0.8)
    assert moving is not None
    expected, other = (moving, still) if frozen_at is None else (still, moving)
    found = measured.backtest.coverage
    assert found == np.mean(expected.inside(test.y))
    assert found != np.mean(other.inside(test.y))  # the control: it matters here
