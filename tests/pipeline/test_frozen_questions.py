"""A question in the frozen regime from end to end: what is seen, what is said, and what a model remembers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import UsageError
from foretell.core.time import DAY, parse_instant
from foretell.pipeline import Database
from foretell.prediction.model import Model
from foretell.testing.databases import events

QUERY = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id"
AT = "2024-09-01"


def frames(seed: int = 1) -> dict[str, pa.Table]:
    return events(seed, entities=60, rows=1200, days=360)


def later_moved(tables: dict[str, pa.Table], at: str, until: str) -> dict[str, pa.Table]:
    """The same database, but that other customers made the orders between the two times, of other amounts."""
    orders = tables["orders"]
    when = orders["at"].to_numpy()
    inside = (when > np.datetime64(at)) & (when <= np.datetime64(until))
    customer, amount = orders["customer_id"].to_numpy().copy(), orders["amount"].to_numpy().copy()
    customer[inside] = customer[inside] % 7 + 1
    amount[inside] *= 50
    changed = orders.set_column(1, "customer_id", pa.array(customer))
    return {**tables, "orders": changed.set_column(3, "amount", pa.array(amount))}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with foretell.connect(frames(), now="2026-01-01", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def frozen(database: Database) -> Model:
    return database.query(QUERY).fit(time_limit=2, model="trees", frozen_at=AT)


def probabilities(model: Model, tables: dict[str, pa.Table], **how: str) -> dict[int, float]:
    rows = model.predict(tables, as_of="2024-10-20", **how).rows()
    return {row["id"]: row["probability"] for row in rows}


def test_rows_from_the_snapshot_on_are_the_test(database: Database, frozen: Model) -> None:
    backtest = database.query(QUERY).backtest(time_limit=2, model="trees", frozen_at=AT)
    assert backtest.regime.startswith("History was frozen at 2024-09-01: rows were scored up to")
    assert all(parse_instant(s.name[:10]) >= parse_instant(AT) for s in backtest.slices)
    plain = database.query(QUERY).backtest(time_limit=2, model="trees")
    assert plain.regime == "Each row was scored with everything before its own cutoff."
    assert frozen.regime.at == parse_instant(AT) and 30 < frozen.regime.days < 130
    assert parse_instant(str(frozen.facts["last_cutoff"])) + 20 * DAY <= parse_instant(AT)
    assert "staleness" in frozen.features.names


def test_what_comes_after_the_snapshot_changes_no_prediction(database: Database, frozen: Model) -> None:
    tables = frames()
    other = later_moved(tables, AT, "2024-10-20")
    assert probabilities(frozen, tables) == probabilities(frozen, other)
    seed_time = database.query(QUERY).fit(time_limit=2, model="trees")
    assert probabilities(seed_time, tables) != probabilities(seed_time, other)
    held = probabilities(seed_time, tables, frozen_at=AT)
    assert held == probabilities(seed_time, other, frozen_at=AT)


def test_nothing_after_the_snapshot_enters_the_model(frozen: Model) -> None:
    other = later_moved(frames(), AT, "2026-01-01")
    with foretell.connect(other, now="2026-01-01", threads=1) as opened:
        again = opened.query(QUERY).fit(time_limit=2, model="trees", frozen_at=AT)
    assert again.features.names == frozen.features.names
    assert probabilities(again, frames()) == probabilities(frozen, frames())


def test_a_saved_model_remembers_its_regime(frozen: Model, tmp_path: Path) -> None:
    loaded = foretell.load(frozen.save(tmp_path / "m.foretell"))
    assert loaded.regime == frozen.regime
    assert probabilities(loaded, frames()) == probabilities(frozen, frames())
    scored = loaded.predict(frames(), as_of="2024-10-20", ids=[1, 2], explain=True)
    assert "what is known ends at 2024-09-01, 49.0 days before the cutoff" in scored.notes
    rows = pa.table({"id": [1, 2], "cutoff": [datetime(2024, 10, 20)] * 2})
    by_row = loaded.predict_rows(rows, frames())["probability"].to_pylist()
    named = {r["id"]: r["probability"] for r in scored.rows()}
    assert by_row == [named[1], named[2]]


def test_a_fold_at_a_time(database: Database) -> None:
    """Frozen at the start of each fold, the model learns from all of history and is served from its end."""
    model = database.query(QUERY).fit(time_limit=2, model="trees", frozen_at="fold")
    assert model.regime.frozen and model.regime.at is None
    assert parse_instant(str(model.facts["last_cutoff"])) > parse_instant("2024-11-15")
    late = model.predict(database, as_of="2025-04-01")
    assert any("longer than" in n and "that the model was trained for" in n for n in late.notes)
    seed_time = database.query(QUERY).fit(time_limit=2, model="trees")
    assert not any("what is known ends" in n for n in seed_time.predict(database).notes)
    told = seed_time.predict(database, as_of="2025-04-01").notes
    assert any("the backtest's rows knew everything before theirs" in n for n in told)


def test_how_long_it_is_served(database: Database) -> None:
    model = database.query(QUERY).fit(time_limit=2, model="trees", frozen_at="2025-06-01", frozen_for="60d")
    assert model.regime.days == 60


def test_entities_without_a_time_have_no_history_to_freeze() -> None:
    tables = {
        "shelves": pa.table({"shelf_id": range(90), "depth": np.arange(90) % 7, "load": np.arange(90.0)})
    }
    with foretell.connect(tables) as opened, pytest.raises(UsageError, match="no history to freeze"):
        opened.query("PREDICT shelves.load FOR EACH shelves.shelf_id").backtest(frozen_at="fold")
