"""A hint needs support, sureness and its own cause in the model; each refusal has one that is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_stories import FEATURES

from foretell.core.time import Offset
from foretell.explain.hints import Peers, hints, lasting
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric
from foretell.features.model import Aggregated, FeatureSet

WEIGHTS = {"orders.recency.all": 0.5, "visits.count.30d": 0.3, "born": 0.2}
EFFECT = -2.0


def peers(
    others: int = 300,
    *,
    recent: int = 100,
    effect: float = EFFECT,
    by_birth: float = 0.0,
    noise: float = 0.02,
    visits_apart: bool = False,
) -> Peers:
    """An entity without an order for 61 days; of the others `recent` had one in the last days, and score
    lower by `effect` in link space through that very column. `by_birth` is what a place of birth does.
    """
    rng = np.random.default_rng(0)
    n = others + 1
    recency = np.concatenate([[61.0], np.full(recent, 3.0), np.full(others - recent, 50.0)])
    born = np.zeros(n, dtype=np.int32)
    born[1::2] = 1
    visits = np.full(n, 4.0)
    if visits_apart:  # nobody else visits as often
        visits[1:] = np.where(rng.random(others) < 0.5, 0.0, 40.0)
    X = Matrix(
        ("orders.recency.all", "orders.count.30d", "visits.count.30d", "born"),
        (
            Numeric(recency),
            Numeric((recency < 30).astype(np.float64)),
            Numeric(visits),
            Categorical(born, ("CH", "DE")),
        ),
        n,
    )
    parts = np.zeros((n, 4))
    parts[:, 0] = effect * (recency < 30)
    parts[:, 3] = by_birth * (born == 1)
    link = parts.sum(axis=1) + rng.normal(0, noise, n)
    scores = 1 / (1 + np.exp(-link))
    return Peers(X, scores, WEIGHTS, lambda rows: parts[rows], "customers", is_share=True)


def test_those_who_ordered_lately_score_lower() -> None:
    (told,) = hints(peers(), FEATURES)
    assert told.alike == 150 and told.others == 50  # those born in the same place
    assert told.text.startswith("an order in the last ")
    assert told.difference.value == pytest.approx(-0.38, abs=0.02)
    assert str(told) == (
        f"of 150 customers alike in all else, the 50 with {told.text} score 38 points lower (38 to 38)"
    )


def test_too_few_of_a_side_are_no_support() -> None:
    assert hints(peers(recent=40), FEATURES)
    assert hints(peers(recent=20), FEATURES) == ()


def test_too_few_who_are_alike_are_no_support() -> None:
    assert hints(peers(others=100, recent=50), FEATURES)
    assert hints(peers(others=70, recent=35), FEATURES) == ()
    assert hints(peers(visits_apart=True), FEATURES) == ()


def test_where_nothing_else_is_read_nobody_is_alike_in_it() -> None:
    assert hints(replace(peers(), weights={"orders.recency.all": 0.85, "born": 0.15}), FEATURES)
    assert hints(replace(peers(), weights={"orders.recency.all": 0.95, "born": 0.05}), FEATURES) == ()


def test_an_unsure_difference_is_no_hint() -> None:
    assert hints(peers(effect=-0.5, noise=0.1), FEATURES)
    assert hints(peers(effect=-0.02, noise=1.0), FEATURES) == ()


def test_what_somebody_is_is_never_a_hint() -> None:
    """Of a place of birth that decides nothing is said; of orders beside it there is."""
    assert hints(peers(effect=0.0, by_birth=3.0), FEATURES) == ()
    (told,) = hints(peers(by_birth=3.0), FEATURES)
    assert "order" in str(told) and "born" not in str(told)


def test_a_difference_that_comes_from_elsewhere_is_no_hint() -> None:
    made = peers()
    other = made.link(np.arange(made.X.rows))
    elsewhere = np.zeros_like(other)
    elsewhere[:, 2] = other[:, 0]  # as if visits had parted them

    def link(rows: np.ndarray) -> Floats:
        return elsewhere[rows]

    assert hints(replace(made, link=link), FEATURES) == ()


def test_all_history_must_be_alike_too() -> None:
    recency, count, *_ = FEATURES.features
    assert not lasting(recency) and not lasting(count)
    assert isinstance(count.definition, Aggregated)
    assert lasting(replace(count, definition=replace(count.definition, window=None)))
    assert not lasting(replace(count, definition=replace(count.definition, window=Offset(400))))


def test_without_a_recent_story_there_is_no_hint() -> None:
    assert hints(peers(), FeatureSet(FEATURES.features[3:])) == ()
