"""Breadth without explosion: budgets that hold, paths that share them, and settings that do what they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.core.errors import ConfigError
from foretell.core.time import parse_span
from foretell.features.budget import choose
from foretell.features.candidates import candidates
from foretell.features.candidates.scope import REACH, Profile, Scope, windows_for
from foretell.features.lower import feature_plan
from foretell.features.model import Aggregated, Attribute, Feature, FeatureSet, Kind
from foretell.features.patterns import matching
from foretell.features.synthesize import synthesize
from foretell.plan.proof import prove
from foretell.query.parser import parse
from foretell.schema.breadth import Breadth, FeatureSettings, windows_of
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.model import Task
from foretell.testing.random_databases import make_database, make_task

BUDGET = REACH[Breadth.STANDARD].budget
PROFILE = Profile(900.0, lambda table, column: ("red", "it's", "ß", "a", "b", "c", "d", "e", "f"))
LESS, MORE = FeatureSettings(Breadth.LESS), FeatureSettings(Breadth.MORE)


def table(name: str, *columns: Column, time: bool = True) -> Table:
    own = Column(f"{name}_id", DType.INTEGER, Semantic.IDENTIFIER)
    at = (Column("at", DType.TIMESTAMP, Semantic.TIME),) if time else ()
    return Table(name, (own, *at, *columns), (own.name,), "at" if time else None, rows=1000)


def number(name: str) -> Column:
    return Column(name, DType.FLOAT, Semantic.NUMERIC, distinct=500)


def shop(wide: int = 3, children: int = 3, attributes: int = 1) -> Task:
    """Customers of a region with `children` tables of events, of which the first has `wide` columns."""
    key = Column("customer", DType.INTEGER, Semantic.IDENTIFIER)
    tables = [
        table("regions", number("size"), time=False),
        table("holidays", Column("region", DType.INTEGER, Semantic.IDENTIFIER), number("length")),
        table("customers", Column("region", DType.INTEGER, Semantic.IDENTIFIER),
              *(number(f"own{i}") for i in range(attributes)), time=False),
        table("lines", Column("event", DType.INTEGER, Semantic.IDENTIFIER), number("price")),
    ]  # fmt: skip
    tables += [
        table(f"events{i}", key, *(number(f"c{j}") for j in range(wide if i == 0 else 2)))
        for i in range(children)
    ]
    links = [Link(f"events{i}", ("customer",), "customers", ("customers_id",)) for i in range(children)]
    links += [
        Link("customers", ("region",), "regions", ("regions_id",)),
        Link("holidays", ("region",), "regions", ("regions_id",)),
        Link("lines", ("event",), "events0", ("events0_id",)),
    ]
    query = "PREDICT COUNT(events0.*, 0, 30, days) FOR EACH customers.customers_id"
    return bind(parse(query), Schema(tuple(tables), tuple(links)))


def tried(task: Task, reach: Breadth) -> set[str]:
    scope = Scope(task, PROFILE, REACH[reach], windows_for(task, PROFILE.span_days, REACH[reach].steps))
    return {feature.name for _, feature in candidates(scope)}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    tables=st.integers(1, 6),
    breadth=st.sampled_from(list(Breadth)),
    budget=st.none() | st.integers(1, 300),
)
def test_the_budget_holds_and_the_choice_is_the_same_each_time(
    seed: int, tables: int, breadth: Breadth, budget: int | None
) -> None:
    task = make_task(make_database(seed, tables=tables, rows=6), seed)
    if task is None:
        return
    asked = FeatureSettings(breadth, budget)
    features = synthesize(task, PROFILE, asked)
    most = budget or REACH[breadth].budget
    assert len(features) <= most
    assert features == synthesize(task, PROFILE, asked)
    every = tried(task, breadth)
    cut = [name for x in features.left_out for name in x.names]
    assert set(features.names) | set(cut) == every and len(features) + len(cut) == len(every)
    if len(every) <= most:
        assert not cut
    prove(feature_plan(task, features), task.schema)  # what is tried reads the past alone


@pytest.mark.parametrize("children", [1, 5, 40])
@pytest.mark.parametrize("wide", [3, 300])
def test_every_table_of_events_has_its_share(wide: int, children: int) -> None:
    task = shop(wide=wide, children=children)
    kept = synthesize(task, PROFILE)
    groups = Counter(f.group for f in kept.features)
    assert {f"events{i}" for i in range(children)} <= set(groups)
    assert {"regions", "customers", "past labels"} <= set(groups)
    if wide == 300:
        left = {name for x in kept.left_out for name in x.names}
        others = {n for n in left if not n.startswith("events0.")}
        assert Counter(f.group for f in kept.features)["events0"] <= BUDGET // 2 or not others
        assert len(kept) == BUDGET


def test_the_control_by_rank_alone_one_table_takes_it_all() -> None:
    """What the budget guards against: 1,000 columns of the entity's own come before any event."""
    task = shop(attributes=1000)
    scope = Scope(task, PROFILE, REACH[Breadth.STANDARD], windows_for(task, PROFILE.span_days))
    ranked = sorted(candidates(scope), key=lambda c: c[0])
    greedy = {f.group for _, f in ranked[:BUDGET]}
    assert not any(group.startswith("events") for group in greedy)
    fair = Counter(f.group for f in choose(ranked, BUDGET)[0])
    assert {"events0", "events1", "events2", "lines"} <= set(fair)
    # It still fills what the others leave, and no more than that.
    others = sum(1 for _, f in ranked if f.group != "customers")
    assert fair["customers"] == max(BUDGET // 2, BUDGET - others)


def test_what_nobody_else_wants_is_given_away() -> None:
    features = [Feature(f"a{i}", Kind.NUMERIC, Attribute(f"a{i}"), "", "t") for i in range(30)]
    kept, left = choose([(1.0, f) for f in features], 20)
    assert kept == features[:20] and left == features[20:]


def test_the_order_is_that_of_expected_value() -> None:
    task = shop(wide=300)
    scope = Scope(task, PROFILE, REACH[Breadth.STANDARD], windows_for(task, PROFILE.span_days))
    rank: dict[str, float] = {}
    for r, feature in candidates(scope):
        rank.setdefault(feature.name, r)
    names = synthesize(task, PROFILE).names
    assert all(rank[a] <= rank[b] for a, b in pairwise(names))


def test_less_is_the_best_of_standard_and_more_looks_further() -> None:
    task = shop(wide=40)
    less, standard, more = (synthesize(task, PROFILE, FeatureSettings(b)) for b in Breadth)
    assert [len(less), len(standard)] == [120, BUDGET] and len(more) > BUDGET
    assert set(tried(task, Breadth.LESS)) == tried(task, Breadth.STANDARD) < tried(task, Breadth.MORE)
    extra = tried(task, Breadth.MORE) - tried(task, Breadth.STANDARD)
    for name in (
        "events0.c0.max.30d",  # each measure in each window
        "events0>lines.price.std.30d",
        "region>holidays.length.trend.30d",
        "events0.c0.q90.all",
        "events0.lines.price.sum.all.max.all",
    ):
        assert name in extra, name


def test_more_reaches_events_of_grandparents_and_two_links_from_a_parent() -> None:
    """Lines of an order of a customer: other orders of the customer, and their lines."""
    found = 0
    for seed in range(120):
        task = make_task(make_database(seed, tables=6, rows=6), seed)
        if task is None:
            continue
        paths = {
            (len(f.definition.up), len(f.definition.down))
            for f in synthesize(task, PROFILE, replace(MORE, budget=5000)).features
            if isinstance(f.definition, Aggregated) and all(h.up for h in f.definition.up)
        }
        found += {(2, 1), (1, 2)} <= paths
        plain = {
            (len(f.definition.up), len(f.definition.down))
            for f in synthesize(task, PROFILE, FeatureSettings(budget=5000)).features
            if isinstance(f.definition, Aggregated) and all(h.up for h in f.definition.up)
        }
        assert not {(2, 1), (1, 2)} & plain
    assert found > 3


def test_windows_replace_the_ladder() -> None:
    task = shop()
    asked = synthesize(task, PROFILE, FeatureSettings(windows=windows_of("7d,1mo")))
    ladder, held = (
        {
            f.definition.window
            for f in made.features
            if isinstance(f.definition, Aggregated) and not f.definition.ago
        }
        - {None}
        for made in (synthesize(task, PROFILE), asked)
    )
    counted = {"last 5", "last 20"}
    assert {str(w) for w in ladder} == {"30 days", "90 days", "300 days"} | counted
    assert {str(w) for w in held} == {"7 days", "1 month"} | counted
    assert {"events0.count.7d", "events0.count.1mo", "events0.count.all"} <= set(asked.names)


def test_windows_that_nothing_uses_are_said() -> None:
    tables = (table("teams", number("size"), time=False),)
    task = bind(parse("PREDICT teams.size FOR EACH teams.teams_id"), Schema(tables))
    asked = synthesize(task, PROFILE, FeatureSettings(windows=windows_of("7d")))
    assert any("look-back window" in note for note in asked.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "found '7', expected a span of time such as 30d"),
        ("7d,", "found '', expected a span"),
        ("7dayz", "did you mean 7day?"),
        ("30m", "write 30min or 30mo"),
        ("-7d", "not negative"),
        ("0h", "longer than nothing"),
        ("1.5mo", "not a whole number of months"),
        ((), "found no window"),
        ((7,), "found the window 7, expected text"),
    ],
)
def test_wrong_windows_are_mended(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        windows_of(text)
    assert said in str(caught.value)


@given(
    st.integers(1, 500), st.sampled_from(["s", "min", "h", "d", "w", "mo", "q", "y", "days", "week", "Hours"])
)
def test_spans_come_back_as_they_are_printed(amount: int, unit: str) -> None:
    span = parse_span(f"{amount}{unit}")
    assert parse_span(str(span)) == span and span.amount == amount


def test_include_and_exclude_choose_by_name() -> None:
    task = shop()
    every = synthesize(task, PROFILE)
    only = synthesize(task, PROFILE, FeatureSettings(include=("events0.*", "label.*"), exclude=("*.c1.*",)))
    assert set(only.names) == {n for n in every.names if n.startswith(("events0.", "label."))} - {
        n for n in every.names if ".c1." in n
    }
    told = {x.why: set(x.names) for x in only.left_out}
    assert any(n.startswith("events0.c1.") for n in told["excluded in foretell.toml"])
    assert "events1.count.30d" in told["not included in foretell.toml"]
    assert not only.notes


def test_patterns_choose_before_the_budget_does() -> None:
    task = shop(wide=300)
    kept = synthesize(task, PROFILE, FeatureSettings(include=("events0.c250.*",)))
    assert len(kept) > 5 and "events0.c250.mean.30d" in kept.names
    assert "events0.c250.mean.30d" not in synthesize(task, PROFILE).names


def test_brackets_stand_for_themselves() -> None:
    names = ("orders[last]>shop_id>orders.count.30d", "ordersl>x")
    assert matching(("orders[last]*",), names) == {names[0]}


def test_a_pattern_that_fits_nothing_is_noted_with_what_was_meant() -> None:
    asked = FeatureSettings(exclude=("evnts0.*", "label.lst"))
    notes = synthesize(shop(), PROFILE, asked).notes
    assert any("'evnts0.*' fits no feature" in n and "did you mean 'events0.*'?" in n for n in notes)
    assert any("'label.lst' fits no feature" in n and "did you mean 'label.last'?" in n for n in notes)


@pytest.mark.parametrize("asked", [FeatureSettings(include=("evnts0.*",)), FeatureSettings(exclude=("*",))])
def test_settings_that_leave_nothing_are_refused(asked: FeatureSettings) -> None:
    with pytest.raises(ConfigError, match="leaves no feature"):
        synthesize(shop(), PROFILE, asked)


def test_taking_the_past_labels_away_is_said() -> None:
    notes = synthesize(shop(), PROFILE, FeatureSettings(exclude=("label.*",))).notes
    assert any("not compared with the simple rules" in note for note in notes)


def test_a_set_says_what_it_left_out() -> None:
    features = FeatureSet(tuple(Feature(n, Kind.NUMERIC, Attribute(n), "", "t") for n in "abcd"))
    assert features.remarks == ()
    fewer = features.without({"d", "b", "x"}, "of one value").without({"a"}, "that repeat others")
    assert fewer.names == ("c",)
    assert fewer.remarks == ("features: 4 tried, 1 used; left out: 2 of one value and 1 that repeat others",)
    assert fewer.left_out[0].to_dict() == {
        "why": "of one value", "features": 2, "examples": ["b", "d"],
    }  # fmt: skip
