"""One command keeps a model up: every step is done once, and one that fails leaves the others standing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import foretell
from foretell.cli.app import main
from foretell.core.errors import UsageError
from foretell.core.time import from_datetime
from foretell.prediction.model import Model
from foretell.testing.shop import shop_frames

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
TIMES = {
    "customers": "signed_up_at",
    "deliveries": "delivered_at",
    "orders": "ordered_at",
    "products": "launched_at",
    "returns": "returned_at",
    "tickets": "opened_at",
    "visits": "visited_at",
}


class World:
    """A shop that goes on: a database cut at a clock, and a registry whose clock is the same."""

    def __init__(self, folder: Path, frames: dict[str, pa.Table]) -> None:
        self.place = folder / "shop.duckdb"
        self.frames = frames
        self.now = self.end() - timedelta(days=100)
        self.registry = foretell.Registry(folder / "models", clock=lambda: from_datetime(self.now))
        self.step()

    def end(self) -> datetime:
        last = max(self.frames["orders"]["ordered_at"].to_pylist())
        assert isinstance(last, datetime)
        return last

    def step(self, days: float = 0.0) -> None:
        """Let time pass; rows of until then come into the database."""
        self.now += timedelta(days=days)
        with duckdb.connect(str(self.place)) as connection:
            for name, frame in self.frames.items():  # noqa: B007 (DuckDB finds it by its name)
                seen = f"WHERE {TIMES[name]} <= '{self.now}'" if name in TIMES else ""
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM frame {seen}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.place)) as connection:
            return connection.execute(query).fetchall()

    def change(self, statement: str) -> None:
        self.rows(statement)


@pytest.fixture(scope="module")
def frames() -> dict[str, pa.Table]:
    return dict(shop_frames(customers=120, days=360))


@pytest.fixture(scope="module")
def model(frames: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Model:
    world = World(tmp_path_factory.mktemp("first"), frames)
    with foretell.connect(world.place, now=from_datetime(world.now)) as database:
        return replace(database.query(CHURN).fit(time_limit=1, model="trees"), home=None)


@pytest.fixture
def world(tmp_path: Path, frames: dict[str, pa.Table], model: Model) -> World:
    made = World(tmp_path, frames)
    made.registry.add("churn", model)
    return made


def test_every_step_is_done_as_time_passes_and_nothing_twice(world: World) -> None:
    churn = world.registry.model("churn")
    first = churn.run(world.place)
    assert first.sound and first.verdict.startswith("churn is kept up. Wrote")
    again = churn.run(world.place)
    assert again.written is not None and again.written.replayed
    assert world.rows("SELECT count(*) FROM predictions_runs") == [(1,)]

    world.step(31)
    later = churn.run(world.place)
    assert later.graded is not None and len(later.graded.graded) == 1
    assert later.written is not None and not later.written.replayed
    runs = world.rows("SELECT run_id, rows FROM predictions_runs")
    held = dict(world.rows("SELECT run_id, count(*) FROM predictions GROUP BY run_id"))
    assert held == dict(runs) and len(held) == 2


def test_what_foretell_wrote_is_not_read_again(world: World) -> None:
    churn = world.registry.model("churn")
    before = churn.write(world.place).batch
    after = churn.write(world.place, into=world.place.with_name("other.duckdb")).batch
    assert before.snapshot == after.snapshot and before.run_id == after.run_id


def test_a_step_that_fails_is_told_and_the_others_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise foretell.DataError("nothing can be compared", mend="wait")

    monkeypatch.setattr("foretell.lifecycle.upkeep.monitor", broken)
    found = world.registry.model("churn").run(world.place)
    assert not found.sound and list(found.faults) == ["monitor"]
    assert found.verdict == "churn wants somebody to look: monitor failed (nothing can be compared)."
    assert found.graded is not None and found.written is not None
    assert found.to_dict()["faults"]["monitor"]["mend"] == "wait"


def test_a_broken_schema_is_harm_and_nothing_is_written(world: World) -> None:
    world.change("ALTER TABLE visits DROP COLUMN pages")
    found = world.registry.model("churn").run(world.place)
    assert not found.sound and "write" in found.faults
    assert found.seen is not None and found.seen.harm
    assert "predictions_runs" not in {name for (name,) in world.rows("SHOW TABLES")}


def test_a_dead_feed_is_harm_and_predictions_are_written_all_the_same(world: World) -> None:
    world.now += timedelta(days=60)  # and no row came
    found = world.registry.model("churn").run(world.place)
    assert found.seen is not None and found.seen.harm
    assert not found.sound and not found.faults and found.written is not None


def test_the_command_says_each_step_and_its_exit_code_is_the_verdicts(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "churn", str(world.place), "--models", str(world.registry.folder)]
    for now, code in ((world.now, 0), (world.now + timedelta(days=90), 1)):
        with pytest.raises(SystemExit) as left:
            main([*asked, "--now", now.isoformat(sep=" ", timespec="seconds"), "--quiet"])
        out, _ = capsys.readouterr()
        assert left.value.code == code
        assert all(f"\n{step} " in out for step in ("grade", "monitor", "retrain", "write"))


def test_a_wrong_name_is_a_slip_and_no_step(world: World) -> None:
    with pytest.raises(UsageError, match="no model 'chrun'"):
        world.registry.model("chrun")


def test_the_model_by_its_name_does_what_the_champion_does(world: World, model: Model) -> None:
    churn = world.registry.model("churn")
    assert churn.champion.number == 1 and [v.number for v in churn.versions()] == [1]
    assert churn.predict(world.place).to_arrow().equals(model.predict(world.place).to_arrow())
    assert churn.monitor(world.place).version == 1
    assert churn.retrain(world.place, promote="never", if_due=True).champion == 1
    world.registry.add("churn", model)
    world.registry.promote("churn@2")
    assert churn.champion.number == 2
