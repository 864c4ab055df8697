"""What is no news is told from what is news: definitions go, strong but true patterns stay."""

from __future__ import annotations

import numpy as np
import pytest
from grouped_orders import START, numbers, orders, words

from foretell.core.time import DAY
from foretell.features.matrix import Floats
from foretell.patterns.collapse import Kept, jaccard, overlap
from foretell.patterns.mine.subgroups import mine_subgroups
from foretell.patterns.sheet import Attribute, Outcome
from foretell.patterns.trivial import defining, settled, told, unusable, whole

N = 4_000
EARLY = np.ones(N, dtype=np.bool_)
TIMES = START + np.sort(np.random.default_rng(0).integers(0, 300, N)) * DAY


def why(attributes: list[Attribute], y: Floats, share: bool = False) -> dict[str, str]:
    return defining(attributes, Outcome("y", "y", y, share), EARLY, seed=0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_parts_of_a_formula_go(rng: np.random.Generator) -> None:
    price, quantity = np.round(rng.lognormal(3, 1, N), 2), rng.integers(1, 9, N).astype(float)
    other = rng.normal(size=N)
    attributes = [numbers("price", price), numbers("quantity", quantity), numbers("other", other)]
    for total in (price * quantity, price + quantity, price - quantity, quantity / price):
        assert set(why(attributes, np.round(total, 6))) == {"price", "quantity"}
    # nearly so, but with a thing of its own: they tell it, and do not define it
    assert why(attributes, price * quantity * rng.lognormal(0, 0.3, N)) == {}


def test_the_outcome_itself_and_what_moves_as_one_go(rng: np.random.Generator) -> None:
    y = rng.lognormal(3, 1, N)
    assert set(why([numbers("y", y), numbers("cents", 100 * y), numbers("log", np.log(y))], y)) == {
        "y",
        "cents",
        "log",
    }


def test_a_status_that_is_the_outcome_goes_and_a_strong_cause_stays(rng: np.random.Generator) -> None:
    y = (rng.random(N) < 0.3).astype(float)
    status = words("status", np.where(y == 1, 2, rng.integers(0, 2, N)), ("sent", "paid", "back"))
    strong = words("strong", np.where(rng.random(N) < 0.9, y, 1 - y).astype(int), ("no", "yes"))
    assert set(why([status, strong], y, share=True)) == {"status"}


def test_a_class_made_from_the_outcome_goes_and_one_that_goes_with_it_stays(rng: np.random.Generator) -> None:
    y = rng.lognormal(3, 1, N)
    sizes = words("size", np.searchsorted([10, 20, 50], y), ("small", "medium", "large", "huge"))
    blurred = words("guess", np.searchsorted([10, 20, 50], y * rng.lognormal(0, 0.4, N)), tuple("abcd"))
    held = why([sizes, blurred], y)
    assert set(held) == {"size"} and held["size"] == "it follows from the outcome"


def test_a_count_of_few_values_leaves_other_attributes(rng: np.random.Generator) -> None:
    y = rng.poisson(2, N).astype(float)
    assert (
        why([words("way", rng.integers(0, 5, N), tuple("abcde")), numbers("x", rng.normal(size=N))], y) == {}
    )


def test_names_constants_and_time_are_of_no_use(rng: np.random.Generator) -> None:
    attributes = [
        words("name", np.arange(N), tuple(map(str, range(N)))),
        words("same", (rng.random(N) < 0.001).astype(int), ("a", "b")),
        numbers("since", (TIMES / DAY) + rng.normal(size=N)),
        numbers("customer_id", rng.permutation(N * 50)[:N].astype(float)),
        numbers("weight", rng.integers(100_000, 999_999, N).astype(float)),
        words("rare", (rng.random(N) < 0.02).astype(int), ("a", "b")),
    ]
    assert set(unusable(attributes, TIMES, EARLY, seed=0)) == {"name", "same", "since", "customer_id"}


def test_a_group_in_which_it_cannot_happen_is_settled(rng: np.random.Generator) -> None:
    inside = rng.random(N) < 0.2
    y = ((rng.random(N) < 0.2) & ~inside).astype(float)
    assert settled(inside, y) and settled(~inside, 1 - y) is False
    rare = ((rng.random(N) < 0.2) & (~inside | (rng.random(N) < 0.15))).astype(float)
    assert not settled(inside, rare)  # a strong pattern: 3% against 20%


def test_everybody_is_no_group() -> None:
    assert whole(np.arange(100) < 97) and whole(np.zeros(10, dtype=bool)) and not whole(np.arange(100) < 90)


def test_names_tell_nothing_of_chance(rng: np.random.Generator) -> None:
    assert abs(told(rng.integers(0, 500, N), rng.normal(size=N))) < 0.1


def test_what_defines_an_outcome_is_not_mined_and_the_true_pattern_is() -> None:
    sheet = orders(2, payment=0.2)
    y = sheet.outcome("returned").values
    state = words("state", y.astype(int), ("kept", "came back"))
    with_state = type(sheet)(**{**sheet.__dict__, "attributes": (*sheet.attributes, state)})
    keys = [c.key for c in mine_subgroups(with_state, seconds=60, seed=0).candidates if ":returned:" in c.key]
    assert keys and not any("state" in k for k in keys)
    assert any('pay"ment' in k for k in keys)


def test_overlap_is_of_a_group_or_of_the_others() -> None:
    some = np.arange(100) < 40
    more = np.arange(100) < 50
    assert jaccard(some, more) == 0.8 and overlap(some, more) and overlap(some, ~more)
    assert not overlap(some, np.arange(100) < 80)
    kept = Kept()
    kept.add(7, "x", some)
    kept.add(8, "x", None)
    assert kept.find("x", more) == 7 and kept.find("y", more) is None and kept.find("x", None) is None
