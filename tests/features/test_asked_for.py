"""What is being asked for is read of no row that could be the one asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import LeakError
from foretell.features.lower import feature_plan
from foretell.features.model import Aggregated, Attribute, Feature, FeatureSet, Kind, Value
from foretell.features.synthesize import Profile, synthesize
from foretell.plan.proof import prove
from foretell.query.parser import parse
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.schema.model import Column, DType, Hop, Link, Schema, Semantic, Table
from foretell.task.bind import bind


def test_rows_without_a_time_are_not_read_for_what_is_asked() -> None:
    """An item's price, asked of a table without a time: no path may lead back to the price of any item."""
    number, key = Semantic.NUMERIC, Semantic.IDENTIFIER
    items = Table(
        "items",
        (
            Column("id", DType.INTEGER, key),
            Column("shelf", DType.INTEGER, key),
            Column("price", DType.FLOAT, number),
            Column("weight", DType.FLOAT, number),
        ),
        ("id",),
    )
    shelves = Table(
        "shelves", (Column("id", DType.INTEGER, key), Column("size", DType.FLOAT, number)), ("id",)
    )
    schema = Schema((items, shelves), (Link("items", ("shelf",), "shelves", ("id",)),))
    task = bind(parse("PREDICT items.price FOR EACH items.id"), schema)
    found = synthesize(task, Profile(0.0, lambda table, column: ()))
    assert "shelf>items.weight.mean.all" in found.names
    assert not {n for n in found.names if "price" in n or "outcome" in n}
    prove(feature_plan(task, found), schema)
    (hop,) = {f.definition.up for f in found.features if isinstance(f.definition, Aggregated)}
    for value in (Value("price"), Value("", target=True)):
        planted = Aggregated("mean", (hop[0].reversed(),), hop, value)
        leak = FeatureSet((Feature("leak", Kind.NUMERIC, planted, "", "items"),))
        with pytest.raises(LeakError, match="being asked for"):
            prove(feature_plan(task, leak), schema)


def test_noise_without_a_time_cannot_be_foretold() -> None:
    """Siblings' outcomes would hold the row's own, and beat every baseline."""
    rng, count = np.random.default_rng(0), 900
    items = {
        "item_id": list(range(count)),
        "shelf_id": rng.integers(0, 300, count),
        "price": [None if i % 10 == 0 else float(v) for i, v in enumerate(rng.normal(size=count))],
        "weight": rng.normal(size=count),
    }
    shelves = {"shelf_id": list(range(300)), "size": rng.normal(size=300)}
    with foretell.connect({"items": pa.table(items), "shelves": pa.table(shelves)}) as database:
        asked = database.query("PREDICT items.price FOR EACH items.item_id", features="more")
        backtest = asked.backtest(time_limit=1)
    assert not backtest.beats_baseline, backtest.verdict


def test_a_key_that_is_asked_for_leads_nowhere() -> None:
    """Which team wins a match: nothing is read by way of the winner, of whom there is only one."""
    number, key = Semantic.NUMERIC, Semantic.IDENTIFIER
    teams = Table("teams", (Column("id", DType.INTEGER, key), Column("age", DType.FLOAT, number)), ("id",))
    at = Column("at", DType.TIMESTAMP, Semantic.TIME)
    keys = tuple(Column(n, DType.INTEGER, key, distinct=50) for n in ("id", "home", "away", "winner"))
    matches = Table("matches", (*keys, at), ("id",), "at")
    links = tuple(Link("matches", (n,), "teams", ("id",)) for n in ("home", "away", "winner"))
    schema = Schema((teams, matches), links)
    task = bind(parse("PREDICT matches.winner FOR EACH matches.id"), schema)
    found = synthesize(task, Profile(900.0, lambda table, column: ()), FeatureSettings(Breadth.MORE))
    assert {"home>teams.age", "away>matches[winner].count.all"} <= set(found.names), (
        "earlier winners are known"
    )
    assert not [n for n in found.names if n.startswith("winner>")]
    prove(feature_plan(task, found), schema)
    up = (Hop(links[2], up=True),)
    for planted in (Attribute("age", up), Aggregated("count", (Hop(links[0], up=False),), up)):
        leak = FeatureSet((Feature("leak", Kind.NUMERIC, planted, "", "teams"),))
        with pytest.raises(LeakError, match="being asked for"):
            prove(feature_plan(task, leak), schema)


def test_without_a_time_no_row_is_counted_by_a_key_that_is_asked_for() -> None:
    key = Semantic.IDENTIFIER
    shelves = Table(
        "shelves", (Column("id", DType.INTEGER, key), Column("aisle", DType.INTEGER, key)), ("id",)
    )
    keys = tuple(Column(n, DType.INTEGER, key, distinct=9) for n in ("id", "shelf", "bin"))
    items = Table("items", (*keys, Column("weight", DType.FLOAT, Semantic.NUMERIC)), ("id",))
    links = (Link("items", ("shelf",), "shelves", ("id",)), Link("items", ("bin",), "shelves", ("id",)))
    schema = Schema((shelves, items), links)
    task = bind(parse("PREDICT items.shelf FOR EACH items.id"), schema)
    found = synthesize(task, Profile(0.0, lambda table, column: ()), FeatureSettings(Breadth.MORE))
    assert "bin>items[bin].weight.mean.all" in found.names
    assert not [n for n in found.names if "shelf" in n]
    prove(feature_plan(task, found), schema)
    counted = Aggregated("count", (Hop(links[0], up=False),), (Hop(links[1], up=True),))
    leak = FeatureSet((Feature("leak", Kind.NUMERIC, counted, "", "items"),))
    with pytest.raises(LeakError, match="no time to tell them apart"):
        prove(feature_plan(task, leak), schema)


def test_a_class_s_shares_among_earlier_rows_and_a_key_s_parts() -> None:
    key, word = Semantic.IDENTIFIER, Semantic.CATEGORICAL
    states = Table("states", (Column("id", DType.INTEGER, key),), ("id",))
    calls = Table("calls", (Column("id", DType.INTEGER, key), Column("at", DType.TIMESTAMP, Semantic.TIME)))
    calls = replace(calls, primary_key=("id",), time_column="at")
    keys = tuple(Column(n, DType.INTEGER, key, distinct=50) for n in ("call", "state"))
    votes = Table("votes", (*keys, Column("vote", DType.TEXT, word, distinct=3)), ("call", "state"))
    links = (Link("votes", ("call",), "calls", ("id",)), Link("votes", ("state",), "states", ("id",)))
    schema = Schema((states, calls, votes), links)
    task = bind(parse("PREDICT votes.vote FOR EACH votes.call"), schema)
    found = synthesize(task, Profile(900.0, lambda table, column: ("yes", "no")))
    prove(feature_plan(task, found), schema)
    shares = {"state>votes.vote=no.mean.last5", "state>votes.vote=yes.mean.all"}
    assert {*shares, "votes.state"} <= set(found.names)
    assert "votes.call" not in found.names, "what a row is named by is new with each of them"


def test_earlier_rows_tell_all_that_the_target_is_made_of() -> None:
    """Of the matches that a team has played, both scores; not where the outcome is the column itself."""
    number, key = Semantic.NUMERIC, Semantic.IDENTIFIER
    teams = Table("teams", (Column("id", DType.INTEGER, key),), ("id",))
    matches = Table(
        "matches",
        (
            *(Column(n, DType.INTEGER, key, distinct=50) for n in ("id", "home")),
            *(Column(n, DType.INTEGER, number, distinct=9) for n in ("scored", "conceded")),
            Column("at", DType.TIMESTAMP, Semantic.TIME),
        ),
        ("id",),
        "at",
    )
    schema = Schema((teams, matches), (Link("matches", ("home",), "teams", ("id",)),))
    asked = {"matches.scored > matches.conceded": True, "matches.scored": False}
    for target, read in asked.items():
        task = bind(parse(f"PREDICT {target} FOR EACH matches.id"), schema)
        found = synthesize(task, Profile(900.0, lambda table, column: ()))
        prove(feature_plan(task, found), schema)
        assert "home>matches.outcome.mean.all" in found.names
        assert ("home>matches.scored.mean.all" in found.names) is read
