"""The doctor finds what is broken, and does not call for one where all is well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

import foretell
from foretell.core.time import DAY, parse_instant
from foretell.lifecycle.doctor import Check, Examination, Health, examine
from foretell.prediction.model import Model
from foretell.testing.databases import shop

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    place = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    shop(place, customers=120, days=300)
    with foretell.connect(place) as database:
        return place, replace(database.query(CHURN).fit(time_limit=1, model="baseline"), home=None)


@pytest.fixture
def place(trained: tuple[Path, Model], tmp_path: Path) -> Path:
    """A copy of the shop that a test may change."""
    copy = tmp_path / "shop.duckdb"
    copy.write_bytes(trained[0].read_bytes())
    return copy


@pytest.fixture
def registry(trained: tuple[Path, Model], tmp_path: Path) -> foretell.Registry:
    made = foretell.Registry(tmp_path / "models", clock=lambda: parse_instant("2026-02-01"))
    made.add("churn", trained[1], audit={"clean": True, "verdict": "No leak found.", "detectors": []})
    return made


def check(found: Examination, name: str) -> Check:
    (one,) = [c for c in found.checks if c.name == name]
    return one


def change(place: Path, *statements: str) -> None:
    with duckdb.connect(str(place)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_sound_shop_and_its_model_are_in_order(place: Path, registry: foretell.Registry) -> None:
    found = examine(registry, place, "churn")
    assert found.healthy and found.verdict.startswith("In order")
    for name in ("connection", "registry", "model", "schema", "leakage", "batches"):
        assert check(found, name).health is Health.OK


def test_without_a_name_no_model_is_looked_at(place: Path, registry: foretell.Registry) -> None:
    assert "model" not in {c.name for c in examine(registry, place).checks}


def test_a_column_that_went_missing_breaks_the_schema(place: Path, registry: foretell.Registry) -> None:
    change(place, "ALTER TABLE visits DROP COLUMN pages")
    found = examine(registry, place, "churn")
    assert not found.healthy
    assert "visits.pages is missing" in check(found, "schema").found


def test_a_new_column_is_worth_a_look(place: Path, registry: foretell.Registry) -> None:
    change(place, "ALTER TABLE visits ADD COLUMN weather TEXT")
    told = check(examine(registry, place, "churn"), "schema")
    assert told.health is Health.LOOK
    assert any("weather" in d for d in told.details)


def test_a_table_that_fell_silent_and_rows_of_the_future_are_told(
    place: Path, registry: foretell.Registry
) -> None:
    assert not any(d.startswith("visits ends") for d in check(examine(registry, place), "clocks").details)
    change(
        place,
        "DELETE FROM visits WHERE visited_at > (SELECT max(visited_at) FROM visits) - INTERVAL 40 DAY",
        "UPDATE orders SET ordered_at = ordered_at + INTERVAL 9 YEAR WHERE order_id < 3",
    )
    details = check(examine(registry, place), "clocks").details
    assert any(d.startswith("visits ends") for d in details)
    assert any(d.startswith("orders has rows up to") for d in details)


def test_a_damaged_file_breaks_the_registry_and_the_model(place: Path, registry: foretell.Registry) -> None:
    digest = registry.version("churn").sha256
    registry.artifacts.path(digest).write_bytes(b"not what it was")
    found = examine(registry, place, "churn")
    assert check(found, "registry").health is Health.BROKEN
    assert check(found, "model").health is Health.BROKEN


def test_a_version_that_leaks_or_was_not_audited_is_told(
    place: Path, registry: foretell.Registry, trained: tuple[Path, Model]
) -> None:
    registry.add("churn", trained[1])
    assert check(examine(registry, place, "churn@2"), "leakage").health is Health.LOOK
    leak = {"name": "perturb", "outcome": "failed", "found": "visits moves 3 features"}
    registry.add("churn", trained[1], audit={"clean": False, "verdict": "Leak found.", "detectors": [leak]})
    told = check(examine(registry, place, "churn@3"), "leakage")
    assert told.health is Health.BROKEN and told.details == ("visits moves 3 features",)


def test_what_cannot_be_opened_is_told_beside_the_rest(tmp_path: Path, registry: foretell.Registry) -> None:
    found = examine(registry, tmp_path / "gone.duckdb", "nobody")
    assert {c.name for c in found.checks if c.health is Health.BROKEN} == {"connection", "model"}
    assert found.verdict == "Not in order: connection and model."


def test_a_model_of_other_packages_is_told(
    place: Path, registry: foretell.Registry, trained: tuple[Path, Model]
) -> None:
    facts = {**trained[1].facts, "packages": {**trained[1].facts["packages"], "lightgbm": "3.0"}}
    registry.add("old", replace(trained[1], facts=facts))
    told = check(examine(registry, place, "old"), "model")
    assert told.health is Health.LOOK and told.details[0].startswith("lightgbm 3.0 →")


def test_a_clock_that_stands_before_the_data_is_told(place: Path, trained: tuple[Path, Model]) -> None:
    early = foretell.Registry(place.parent / "early", clock=lambda: parse_instant("2024-02-01") + DAY)
    assert any("after now" in d for d in check(examine(early, place), "clocks").details)
