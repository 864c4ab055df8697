"""Reasons in the words of a person, from features as they are made of a real schema."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from planted_stories import ORDERS, SCHEMA, VISITS, task

import foretell
from foretell.core.time import Last, Offset
from foretell.explain.stories import path, path_words, story
from foretell.explain.wording import said_of_number
from foretell.features.describe import aggregate_words
from foretell.features.model import Aggregated, Contrast, Feature, Kind, OwnLabels, Value
from foretell.plan.nodes import Comparison, Following
from foretell.schema.model import Hop

NAN = float("nan")


def of(definition: Aggregated) -> Feature:
    d = definition
    text = aggregate_words(d.measure, d.up, d.down, d.value, d.window, SCHEMA, "outcome", d.ago)
    return Feature("f", Kind.NUMERIC, definition, text, "orders")


DOWN = (Hop(ORDERS, up=False),)
RECENCY, TENURE = Aggregated("recency", DOWN), Aggregated("tenure", DOWN)
COUNT = Aggregated("count", DOWN, window=Offset(30))
RETURNED = Aggregated("sum", DOWN, value=Value("status", equals="returned"), window=Offset(90))
LAST = Aggregated("last", DOWN, value=Value("days_late"))


@pytest.mark.parametrize(
    ("definition", "value", "words"),
    [
        (RECENCY, 61.2, "no order for 61 days"),
        (RECENCY, 0.25, "the last order only 6 hours ago"),
        (RECENCY, NAN, "no order so far"),
        (TENURE, 400.0, "the first order 400 days ago"),
        (Aggregated("tenure", DOWN, window=Last(5)), 22.2, "the last 5 orders within 22 days"),
        (COUNT, 0.0, "no order in the last 30 days"),
        (COUNT, 1.0, "1 order in the last 30 days"),
        (COUNT, 12.0, "12 orders in the last 30 days"),
        (RETURNED, 2.0, "2 orders with status = returned in the last 90 days"),
        (RETURNED, 0.0, "no order with status = returned in the last 90 days"),
        (LAST, 13.0, "days late of the last order: 13"),
        (LAST, NAN, "days late of the last order: none"),
        (Aggregated("mean", DOWN, value=Value("amount"), window=Offset(30)), NAN,
         "no order with amount known in the last 30 days"),
        (Aggregated("mean", DOWN, value=Value("amount")), 3.5, "mean amount of orders so far: 3.5"),
        (Aggregated("count", DOWN, window=Offset(30), ago=Offset(335)), 2.0,
         "number of orders in the 30 days up to 335 days ago: 2"),
    ],
)  # fmt: skip
def test_a_value_is_said_as_a_person_would(definition: Aggregated, value: float, words: str) -> None:
    assert said_of_number(of(definition), "f", value) == words


def test_a_rhythm_that_is_broken() -> None:
    overdue = Contrast(RECENCY, Aggregated("gap", DOWN, window=Last(5)), Comparison.RATIO)
    feature = Feature("f", Kind.NUMERIC, overdue, "…", "orders")
    assert said_of_number(feature, "f", 3.2) == "3.2 times the usual days between orders have passed"
    assert said_of_number(feature, "f", 64_456.0).startswith("more than 100 times")


def test_runs_of_outcomes() -> None:
    text = "how many known outcomes in a row have been as the last (below 0: did not happen)"
    run = Feature("f", Kind.NUMERIC, OwnLabels("last", following=Following.RUN), text, "past labels")
    assert said_of_number(run, "f", 9.0) == "the last 9 known outcomes: all yes"
    assert said_of_number(run, "f", -1.0) == "the last known outcome: no"


def test_stories_and_paths() -> None:
    assert story(of(RECENCY)) == story(of(COUNT)) == path(of(LAST)) == "↓orders.customer_id"
    assert story(of(RETURNED)) == "↓orders.customer_id:status=returned"
    assert path_words(DOWN, task()) == "orders"
    assert path_words((), task()) == "own columns of customers"
    company = (Hop(ORDERS, up=True), Hop(VISITS, up=False))
    assert path_words(company, task()) == "visits of the same customer"


@pytest.fixture(scope="module")
def pages() -> Iterator[foretell.Database]:
    tables = {
        "teams": pa.table({"team_id": [1, 2]}),
        "matches": pa.table({"id": [1, 2, 3], "home_team_id": [1, 2, 1], "away_team_id": [2, 1, 2]}),
    }
    with foretell.connect(tables) as db:
        yield db


def test_several_links_to_a_parent_are_told_apart(pages: foretell.Database) -> None:
    link = next(k for k in pages.schema.links if k.child_columns == ("home_team_id",))
    definition = Aggregated("recency", (Hop(link, up=False),))
    text = aggregate_words("recency", (), definition.down, None, None, pages.schema, "outcome")
    feature = Feature("f", Kind.NUMERIC, definition, text, "matches")
    assert said_of_number(feature, "f", 4.0) == "no match (by home team id) for 4 days"
