"""The SQL of small plans, as files to read; FORETELL_UPDATE=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_plans import CUTOFFS, QUERIES, SCHEMA, features, nested_features, plans, task

from foretell.features.lower import feature_plan
from foretell.plan.script import script

HERE = Path(__file__).parent / "snapshots"


@pytest.mark.parametrize("name", QUERIES)
def test_sql_is_as_it_was(name: str) -> None:
    target, plan = plans(name)
    texts = {f.name: f.description for f in features(name).features}
    assert_as_it_was(name, script(plan, target, SCHEMA, CUTOFFS, texts, describe_title=QUERIES[name]))


def test_sql_of_nested_aggregates_is_as_it_was() -> None:
    chosen = nested_features()
    texts = {f.name: f.description for f in chosen.features}
    plan = feature_plan(task("churn"), chosen)
    assert_as_it_was("nested", script(plan, None, SCHEMA, CUTOFFS, texts))


def assert_as_it_was(name: str, made: str) -> None:
    file = HERE / f"{name}.sql"
    if os.environ.get("FORETELL_UPDATE"):
        file.write_text(made, encoding="utf-8")
    assert made == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", QUERIES)
def test_sql_is_the_same_each_time(name: str) -> None:
    first, again = (script(plans(name)[1], plans(name)[0], SCHEMA, CUTOFFS, {}) for _ in range(2))
    assert first == again
