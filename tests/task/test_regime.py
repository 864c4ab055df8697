"""What rows know of history where it is frozen: at the folds' starts, and as drawn for training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.core.errors import UsageError
from foretell.core.time import DAY, Offset, parse_instant
from foretell.task.cutoffs import closed_before
from foretell.task.regime import Regime, drawn, imitated, staleness

WEEK = 7 * DAY
START = parse_instant("2024-01-01")
HORIZON = Offset(10)


def cutoffs(weeks: int, each: int = 3) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.repeat(START + WEEK * np.arange(weeks, dtype=np.int64), each)


def test_what_is_said() -> None:
    assert Regime.of(None) == Regime() and not Regime().frozen
    assert Regime.of("fold") == Regime(frozen=True)
    assert Regime.of("2024-03-01", "2w") == Regime(True, parse_instant("2024-03-01"), 14.0)
    with pytest.raises(UsageError, match="expected a date"):
        Regime.of("folds")
    with pytest.raises(UsageError, match="but not when"):
        Regime.of(None, "90d")


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 80), st.one_of(st.none(), st.integers(6, 90)), st.sampled_from([0.0, 28.0, 100.0]))
def test_each_fold_sees_up_to_its_start(weeks: int, at: int | None, days: float) -> None:
    moments = cutoffs(weeks)
    regime = Regime(True, None if at is None else START + at * WEEK + DAY, days)
    folds = regime.folds(moments, HORIZON)
    known, span = imitated(moments, folds, regime)
    assert (known <= moments).all() and (known >= moments.min()).all()
    start = moments[folds.test].min()
    if regime.at is not None and regime.at <= moments.max():
        start = regime.at
        assert (folds.test == (moments >= start)).all()
    assert (known[folds.test] == start).all()
    assert closed_before(moments, HORIZON, start)[folds.train | folds.valid].all()
    if folds.valid.any():
        first = moments[folds.valid].min()
        assert (known[folds.valid] == first).all()
        assert (known[folds.train] <= first).all()
        assert np.ptp(moments[folds.valid]) <= moments.max() - start
    assert span == (round(days * DAY) or max(moments.max() - start, 1))
    assert (staleness(moments, known)[folds.train] * DAY <= span).all()


def test_training_rows_repeat_what_serving_will_be() -> None:
    """Staleness is drawn evenly up to the span; one draw for each cutoff and copy, by the seed."""
    moments, span = cutoffs(200), 10 * WEEK
    copies = drawn(moments, span, 4, seed=0)
    late = moments > START + span
    weeks = np.concatenate([staleness(moments, known)[late] / 7 for known in copies])
    assert weeks.min() == 0 and weeks.max() == 10
    counts = np.bincount(weeks.astype(int), minlength=11)
    assert counts.min() > 0.5 * counts.mean() and counts.max() < 1.6 * counts.mean()
    assert all(len(np.unique(known[moments == m])) == 1 for known in copies for m in np.unique(moments)[:20])
    assert all(np.isin(known, moments).all() for known in copies)
    again, other = drawn(moments, span, 4, seed=0), drawn(moments, span, 4, seed=1)
    assert all((a == b).all() for a, b in zip(copies, again))
    assert any((a != b).any() for a, b in zip(copies, other))


def test_one_cutoff_and_no_span() -> None:
    (known,) = drawn(cutoffs(1), WEEK, 1, seed=0)
    assert (known == START).all()
    (known,) = drawn(cutoffs(5), 0, 1, seed=0)
    assert (known == cutoffs(5)).all()
