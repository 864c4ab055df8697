"""A scorer says what a batch over the same database says, whatever the source, and sees new rows at once."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from foretell.core.errors import DataError, SourceError, UsageError
from foretell.core.time import DAY, parse_instant
from foretell.pipeline import connect
from foretell.prediction.model import Model
from foretell.prediction.online import Scorer
from foretell.testing.databases import events

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from world import EVERY, in_postgres

CUTOFF = parse_instant("2024-04-20")


@dataclass(frozen=True)
class Learned:
    """A model of yes or no, one of a value, and the tables that they learned from."""

    lapse: Model
    spend: Model
    tables: dict[str, pa.Table]


@pytest.fixture(scope="module")
def learned() -> Iterator[Learned]:
    tables = events(entities=60, rows=900)
    with connect(tables) as db:
        lapse = db.query("PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.id")
        spend = db.query("PREDICT SUM(orders.amount, 0, 14, days) FOR EACH customers.id")
        yield Learned(lapse.fit(time_limit=3), spend.fit(time_limit=3), tables)


def batch(model: Model, target: Any) -> dict[Any, dict[str, Any]]:
    """What a batch says of everyone."""
    found = model.predict(target, as_of=CUTOFF)
    return {r["id"]: {n: v for n, v in r.items() if n not in ("id", "cutoff")} for r in found.rows()}


def same(scored: Any, wanted: dict[str, Any]) -> bool:
    return dict(scored.values) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("write", EVERY)
def test_every_source_gives_what_a_batch_gives(write: Any, learned: Learned, tmp_path: Path) -> None:
    for model in (learned.lapse, learned.spend):
        folder = tmp_path / model.task.kind
        folder.mkdir()
        with write(folder, learned.tables) as target:
            wanted = batch(model, target)
            with model.scorer(target) as scorer:
                found = scorer.score(list(wanted)[:12], as_of=CUTOFF)
                assert [s.entity["id"] for s in found] == list(wanted)[:12]
                assert all(same(s, wanted[s.entity["id"]]) for s in found)
                assert same(scorer.score(7, as_of="2024-04-20"), wanted[7])


def test_rows_that_are_written_later_are_seen_at_once(learned: Learned, tmp_path: Path) -> None:
    place = tmp_path / "shop.db"
    connection = sqlite3.connect(place)
    connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, joined_at TIMESTAMP, segment TEXT)")
    connection.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, at TIMESTAMP, amount REAL)"
    )
    for name, table in learned.tables.items():
        marks = ", ".join("?" * table.num_columns)
        rows = [[str(v) if hasattr(v, "year") else v for v in r.values()] for r in table.to_pylist()]
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    connection.commit()
    with learned.lapse.scorer(place) as scorer:
        before = scorer.score(7, as_of=CUTOFF)
        new = [(9_000 + i, 7, f"2024-04-{19 - i} 10:00:00", 50.0) for i in range(4)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", new)
        connection.commit()
        after = scorer.score(7, as_of=CUTOFF)
        connection.executemany("DELETE FROM orders WHERE id = ?", [(n[0],) for n in new])
        connection.execute("INSERT INTO orders VALUES (9999, 7, '2024-04-20 00:00:01', 1e6)")
        connection.commit()
        later = scorer.score(7, as_of=CUTOFF)
    connection.close()
    assert after.rows == before.rows + 4 and after.probability != before.probability
    assert later.probability == before.probability  # a row after the cutoff changes nothing


def test_a_file_is_let_go_and_one_that_was_replaced_is_opened_anew(learned: Learned, tmp_path: Path) -> None:
    def write(place: Path, orders: pa.Table) -> None:
        with duckdb.connect(str(place)) as connection:
            for name, table in {**learned.tables, "orders": orders}.items():
                connection.register("given", table)
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
                connection.unregister("given")

    orders = learned.tables["orders"]
    write(tmp_path / "one.duckdb", orders)
    write(tmp_path / "two.duckdb", orders.filter(pc.not_equal(orders["customer_id"], 7)))
    with learned.lapse.scorer(tmp_path / "one.duckdb") as scorer:
        before = scorer.score(7, as_of=CUTOFF)
        (tmp_path / "two.duckdb").replace(tmp_path / "one.duckdb")
        assert scorer.score(7, as_of=CUTOFF).rows < before.rows


def test_who_is_not_there_is_refused(learned: Learned) -> None:
    with learned.lapse.scorer(learned.tables) as scorer:
        with pytest.raises(UsageError, match="1 id not found in 'customers'"):
            scorer.score(777)
        with pytest.raises(DataError, match="not among those that are scored then"):
            scorer.score(7, as_of="2020-01-01")
        with pytest.raises(UsageError, match="has 1 parts: id"):
            scorer.score((7, 8))


def test_now_is_what_the_clock_says_and_an_old_database_is_noted(learned: Learned) -> None:
    with Scorer(learned.lapse, learned.tables, clock=lambda: CUTOFF + 90 * DAY) as scorer:
        scored = scorer.score(7)
    assert scored.as_of == CUTOFF + 90 * DAY
    assert any("days before the cutoff" in note for note in scored.notes)


def test_what_is_read_of_everybody_is_as_of_the_copy(learned: Learned) -> None:
    with learned.lapse.scorer(learned.tables) as scorer:
        scored = scorer.score(7, as_of=CUTOFF)
        assert all(name.startswith("label.everyone.") for name in scored.copied)
        scorer.renew()
        assert scorer.score(7, as_of=CUTOFF).values == scored.values


def test_more_rows_than_a_call_may_read_come_from_the_copy_or_are_refused(learned: Learned) -> None:
    with Scorer(learned.lapse, learned.tables, most=3) as scorer, pytest.raises(DataError, match="by ↓"):
        scorer.score(7, as_of=CUTOFF)


def test_several_threads_score_at_once(learned: Learned) -> None:
    wanted = batch(learned.lapse, learned.tables)
    wrong: list[Any] = []
    with learned.lapse.scorer(learned.tables) as scorer:

        def work(first: int) -> None:
            for key in list(wanted)[first::4][:5]:
                if not same(scorer.score(key, as_of=CUTOFF), wanted[key]):
                    wrong.append(key)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_reasons_come_with_their_rows(learned: Learned) -> None:
    with connect(learned.tables) as db, learned.lapse.scorer(db) as scorer:
        scored = scorer.score(7, as_of=CUTOFF, explain=True)
        told = learned.lapse.explain(7, db, as_of=CUTOFF, hints=False)
    assert [str(r) for r in scored.reasons] == [str(r) for r in told]
    assert [r.without for r in scored.reasons] == pytest.approx([r.without for r in told], nan_ok=True)
    assert any(r.count and r.without is not None for r in scored.reasons)


@pytest.mark.server
def test_a_lost_connection_is_made_anew(learned: Learned, tmp_path: Path) -> None:
    with in_postgres(tmp_path, learned.tables) as target, learned.lapse.scorer(target) as scorer:
        before = scorer.score(7, as_of=CUTOFF)
        reader: Any = scorer._readers[0]
        reader._snapshot.connection.close()
        with pytest.raises(SourceError):
            scorer.score(7, as_of=CUTOFF)
        assert scorer.score(7, as_of=CUTOFF).values == before.values


HOSTILE = "or%s d`er"


@pytest.fixture(scope="module")
def hostile() -> tuple[dict[str, pa.Table], Model]:
    """Tables whose names need quoting everywhere, and a model of them."""
    tables = events(entities=20, rows=200)
    names = {"id": "i%d", "customer_id": "customer_id", "at": 'a`"t', "amount": "am'ount"}
    orders = tables["orders"].rename_columns([names[c] for c in tables["orders"].column_names])
    made = {"customers": tables["customers"], HOSTILE: orders}
    with connect(made) as db:
        question = db.query(f'PREDICT COUNT("{HOSTILE}".*, 0, 14, days) = 0 FOR EACH customers.id')
        return made, question.fit(time_limit=2)


@pytest.mark.parametrize("write", EVERY)
def test_names_with_anything_in_them_are_read(write: Any, hostile: Any, tmp_path: Path) -> None:
    tables, model = hostile
    with write(tmp_path, tables) as target:
        wanted = batch(model, target)
        with model.scorer(target) as scorer:
            assert same(scorer.score(7, as_of=CUTOFF), wanted[7])


def test_an_old_copy_is_renewed_behind_the_callers_back(learned: Learned) -> None:
    with Scorer(learned.lapse, learned.tables, renew=0.0) as scorer:
        split = next(iter(scorer._splits.values()))
        if split.copied is None:
            pytest.skip("nothing of this model reads everybody")
        first = split.copied.read_at
        before = scorer.score(7, as_of=CUTOFF)
        assert split.copied._renewing is not None
        split.copied._renewing.join()
        assert split.copied.read_at > first
        assert scorer.score(7, as_of=CUTOFF).values == before.values
