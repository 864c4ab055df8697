"""What comes out of the cache is what reading the database gives: the same rows, types, notes and schema."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from foretell.cli.app import main
from foretell.core.errors import ForetellError, UsageError
from foretell.core.time import parse_instant
from foretell.prediction.database import open_database
from foretell.sources.naming import quote
from foretell.sources.state import State
from foretell.store import cached
from foretell.store.cache import COPY, MANIFEST, Cache
from foretell.testing.random_databases import make_database

NOW = parse_instant("2024-06-01")
START = datetime(2024, 1, 1)


class Said:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str, total: float | None = None) -> None:
        self.stages.append(name)

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        self.stages.append(text)

    @property
    def how(self) -> str:
        """Whether all was read, only what is new, or nothing."""
        if any(s.startswith("using the cached copy") for s in self.stages):
            return "cached"
        return "new rows" if "reading what is new" in self.stages else "all"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, which takes databases of any size and age."""
    monkeypatch.setenv("FORETELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cached, "WORTH_ROWS", 1)
    monkeypatch.setattr(cached, "WORTH_BYTES", 0)
    monkeypatch.setattr(cached, "SETTLED_NS", 0)
    return tmp_path / "cache"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def facts(target: Any, *, cache: bool, now: int | None = NOW, config: Path | None = None) -> dict[str, Any]:
    """All that opening a database finds out, and how it was found."""
    said = Said()
    with open_database(target, cache=cache, now=now, config=config, progress=said) as opened:
        store = opened.store
        rows = {
            name: store.connection.execute(f"SELECT * FROM {quote(name)}").fetchall() for name in store.tables
        }
        return {
            "how": said.how,
            "schema": opened.schema,
            "notes": (opened.notes, opened.schema.notes, store.notes),
            "fingerprint": opened.fingerprint,
            "types": {n: (t.dtypes, t.rows, t.zoned, t.raw) for n, t in store.tables.items()},
            "rows": rows,
        }


def agree(target: Any, how: str, **settings: Any) -> None:
    """Opened by way of the cache, which goes as `how` says, all is as it is without one."""
    found, expected = facts(target, cache=True, **settings), facts(target, cache=False, **settings)
    assert found.pop("how") == how
    expected.pop("how")
    for what, value in expected.items():
        assert repr(found[what]) == repr(value), what


# Databases, written in four ways


def in_duckdb(folder: Path, frames: dict[str, pa.Table]) -> Path:
    path = folder / "data.duckdb"
    with duckdb.connect(str(path)) as connection:
        for name, frame in frames.items():
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM frame")
    return path


def in_sqlite(folder: Path, frames: dict[str, pa.Table]) -> Path:
    path = folder / "data.sqlite"
    connection = sqlite3.connect(path)
    for name, frame in frames.items():
        connection.execute(f"CREATE TABLE {quote(name)} ({', '.join(map(quote, frame.column_names))})")
        rows = [
            tuple(str(v) if isinstance(v, datetime | Decimal) else v for v in r)
            for r in zip(*(c.to_pylist() for c in frame.columns))
        ]
        connection.executemany(
            f"INSERT INTO {quote(name)} VALUES ({', '.join('?' * frame.num_columns)})", rows
        )
    connection.commit()
    connection.close()
    return path


def in_parquet(folder: Path, frames: dict[str, pa.Table], part: int = 0) -> Path:
    for name, frame in frames.items():
        (folder / name).mkdir(exist_ok=True)
        pq.write_table(frame, folder / name / f"part-{part}.parquet")
    return folder


def in_csv(folder: Path, frames: dict[str, pa.Table], part: int = 0) -> Path:
    for name, frame in frames.items():
        (folder / name).mkdir(exist_ok=True)
        pacsv.write_csv(frame, folder / name / f"part-{part}.csv")
    return folder


WAYS = (in_duckdb, in_sqlite, in_parquet, in_csv)


def shop(orders: int = 60, first: int = 0) -> dict[str, pa.Table]:
    """Customers, and orders from `first` on whose links are text, whose times have zones, and so on."""
    at = [START + timedelta(hours=7 * i) for i in range(first, orders)]
    return {
        "customers": pa.table({"customer_id": range(1, 13), "city": [f"Øl {i % 3}" for i in range(12)]}),
        "orders": pa.table(
            {
                "order_id": pa.array(range(first, orders), pa.uint64()),
                "customer_id": [str(1 + i % 12) for i in range(first, orders)],
                "placed_at": [t.isoformat() + "+02:00" for t in at],
                "amount": [float("nan") if i % 9 == 0 else i / 4 for i in range(first, orders)],
                "cost": pa.array([Decimal(i) for i in range(first, orders)], pa.decimal128(20, 2)),
                "note": [None if i % 5 == 0 else "x" * (i % 7) for i in range(first, orders)],
            }
        ),
    }


@pytest.mark.parametrize("write", WAYS)
def test_the_second_opening_reads_nothing_and_finds_the_same(write: Callable[..., Path], place: Path) -> None:
    target = write(place, shop())
    agree(target, "all")
    agree(target, "cached")


@pytest.mark.parametrize("seed", range(int(os.environ.get("FORETELL_LONG", "0")) * 100 + 8))
def test_random_databases_are_the_same(seed: int, place: Path) -> None:
    frames = {n.replace("/", "_"): f for n, f in make_database(seed, tables=4, rows=30).frames.items()}
    target = (in_duckdb, in_parquet)[seed % 2](place, frames)
    try:
        facts(target, cache=False)
    except ForetellError as error:  # what discovery refuses it refuses by way of the cache too
        for _ in range(2):
            with pytest.raises(type(error), match=re.escape(error.message)):
                facts(target, cache=True)
        return
    agree(target, "all")
    agree(target, "cached" if any(f.num_rows for f in frames.values()) else "all")


# What is new is read alone


@pytest.mark.parametrize("write", [in_parquet, in_csv])
def test_files_that_are_added_are_read_alone(write: Callable[..., Path], place: Path) -> None:
    agree(write(place, shop(60)), "all")
    for part, (last, first) in enumerate([(80, 60), (200, 80)], start=1):
        write(place, {"orders": shop(last, first)["orders"]}, part)
        agree(place, "new rows")
        agree(place, "cached")


def test_a_new_table_is_read_beside_the_others(place: Path) -> None:
    agree(in_parquet(place, shop()), "all")
    pq.write_table(pa.table({"item_id": [1, 2]}), place / "items.parquet")
    agree(place, "new rows")


def grown(path: Path, sql: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.register("more", shop(150, 60)["orders"])
        connection.execute(sql)
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders SELECT * FROM more",
        "INSERT INTO orders SELECT * FROM more; UPDATE customers SET city = 'x' WHERE customer_id = 3",
        "INSERT INTO orders SELECT * FROM more; CREATE TABLE items AS SELECT range AS item_id FROM range(9)",
        "INSERT INTO orders SELECT * FROM more; DROP TABLE customers",
        "INSERT INTO orders SELECT * FROM more; ALTER TABLE customers ADD COLUMN age INTEGER DEFAULT 7",
        "INSERT INTO customers SELECT 99, 'y'",
    ],
)
def test_a_duckdb_file_that_grew_is_read_from_where_it_grew(sql: str, place: Path) -> None:
    path = in_duckdb(place, shop())
    agree(path, "all")
    agree(grown(path, sql), "new rows")
    agree(path, "cached")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders SET note = 'changed' WHERE order_id = 3; UPDATE customers SET city = 'x'",
        "DELETE FROM orders WHERE order_id = 3; DELETE FROM customers WHERE customer_id = 2",
        # 2^63 and beyond: what were whole numbers are float64 now, in rows read before too.
        "INSERT INTO orders SELECT 9223372036854775808, '1', '2024-09-01T00:00:00+02:00', 1, 1, NULL",
    ],
)
def test_any_other_change_reads_all_again(sql: str, place: Path) -> None:
    path = in_duckdb(place, shop())
    agree(path, "all")
    found = facts(grown(path, sql), cache=True)
    assert found["how"] == "all" or "INSERT" in sql
    assert found["rows"] == facts(path, cache=False)["rows"]
    agree(path, "cached")


def test_files_that_change_the_types_read_all_again(place: Path) -> None:
    agree(in_csv(place, shop()), "all")
    more = shop(80, 60)["orders"]
    more = more.set_column(0, "order_id", pa.array([f"N{i}" for i in range(20)]))
    in_csv(place, {"orders": more}, part=1)
    facts(place, cache=True)
    agree(place, "cached")


def test_a_file_before_the_others_or_written_anew_reads_all_again(place: Path) -> None:
    frames = shop()
    agree(in_parquet(place, frames, part=5), "all")
    in_parquet(place, {"orders": shop(80, 60)["orders"]}, part=4)
    agree(place, "new rows")  # the customers are as they were
    in_parquet(place, {"orders": shop(80, 60)["orders"], "customers": frames["customers"]}, part=5)
    agree(place, "all")
    (place / "customers" / "part-5.parquet").unlink()
    agree(place, "all")


def test_a_write_ahead_log_is_part_of_the_state(place: Path) -> None:
    path = in_sqlite(place, shop())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    agree(path, "all")
    connection.execute("UPDATE customers SET city = 'elsewhere' WHERE customer_id = 1")
    agree(path, "all")
    agree(path, "cached")
    connection.close()


def test_a_stale_copy_would_be_seen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of this module can fail: it does where every state passes for the same."""
    path = in_duckdb(place, shop())
    agree(path, "all")
    monkeypatch.setattr(State, "digest", "always the same")
    facts(path, cache=True)
    grown(path, "UPDATE orders SET note = 'changed' WHERE order_id = 3")
    with pytest.raises(AssertionError):
        agree(path, "cached")


# The present, the configuration, views


def test_the_present_is_looked_at_anew(place: Path) -> None:
    path = in_duckdb(
        place, {"orders": pa.table({"id": range(40), "at": [START + timedelta(days=i) for i in range(40)]})}
    )
    early, late = parse_instant("2024-01-20 12:00:00"), parse_instant("2024-03-01")
    for now in (late, early, early + 1, parse_instant("2024-01-21 12:00:00"), late + 1, None):
        facts(path, cache=True, now=now)
        agree(path, "cached", now=now)
    futures = [n for n in facts(path, cache=True, now=early)["notes"][0] if "lie in the future" in n]
    assert futures == ["orders.at: 20 rows lie in the future (up to 2024-02-09)"]


def test_another_configuration_shares_the_copy(place: Path, tmp_path: Path) -> None:
    path = in_duckdb(place, shop())
    config = tmp_path / "mine.toml"
    config.write_text('[tables.orders]\nignore = ["customer_id"]\n')
    agree(path, "all")
    agree(path, "cached", config=config)
    agree(path, "cached", config=config)
    agree(path, "cached")


@pytest.mark.parametrize(
    "sql, is_kept",
    [
        ("CREATE VIEW v AS WITH c AS (SELECT * FROM orders) SELECT customer_id AS i FROM c", True),
        ("CREATE VIEW v AS SELECT *, now() AS read_at FROM orders", False),
        ("CREATE VIEW v AS SELECT *, random() AS r FROM orders", False),
        ("CREATE VIEW v AS SELECT *, current_date AS d FROM orders", False),
        ("CREATE VIEW v AS SELECT * FROM read_csv('{other}')", False),
        ("CREATE VIEW v AS SELECT * FROM '{other}'", False),
        ("CREATE MACRO today2() AS today(); CREATE VIEW v AS SELECT today2() AS d FROM orders", False),
    ],
)  # fmt: skip
def test_views_of_the_clock_or_of_other_files_are_not_kept(
    sql: str, is_kept: bool, place: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    path = grown(in_duckdb(place, shop()), sql.format(other=other))
    facts(path, cache=True)
    assert facts(path, cache=True)["how"] == ("cached" if is_kept else "all")


def test_sqlite_views_of_the_clock_are_not_kept(place: Path) -> None:
    path = in_sqlite(place, shop())
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIEW v AS SELECT *, datetime('now') AS read_at FROM orders")
    connection.close()
    for _ in range(2):
        assert facts(path, cache=True)["how"] == "all"


# The folder


def entry_of(path: Path) -> Path:
    cache = Cache.default()
    assert cache is not None
    (entry,) = cache.entries(str(path.resolve()))
    return entry.folder


@pytest.mark.parametrize("file", [COPY, MANIFEST])
@pytest.mark.parametrize("harm", ["short", "garbage", "gone"])
def test_a_damaged_entry_is_made_again(file: str, harm: str, place: Path) -> None:
    path = in_duckdb(place, shop())
    agree(path, "all")
    victim = entry_of(path) / file
    if harm == "short":
        victim.write_bytes(victim.read_bytes()[:-100])
    elif harm == "garbage":
        victim.write_bytes(b"\x00" * victim.stat().st_size)
    else:
        victim.unlink()
    agree(path, "all")
    agree(path, "cached")


def test_of_two_that_make_an_entry_one_wins(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = in_duckdb(place, shop())
    put, inside = Cache.put, []

    def slow(self: Cache, *arguments: Any) -> Any:
        monkeypatch.setattr(Cache, "put", put)
        inside.append(facts(path, cache=True))  # another, from beginning to end
        return put(self, *arguments)

    monkeypatch.setattr(Cache, "put", slow)
    agree(path, "all")
    assert inside[0]["how"] == "all"
    agree(path, "cached")
    assert [f.name for f in entry_of(path).parent.parent.iterdir()] == [entry_of(path).parent.name]


def test_a_copy_in_use_survives_its_removal(place: Path) -> None:
    path = in_duckdb(place, shop())
    facts(path, cache=True)
    with open_database(path, cache=True) as opened:
        shutil.rmtree(entry_of(path))
        assert opened.store.connection.execute("SELECT count(*) FROM orders").fetchall() == [(60,)]


def test_only_its_owner_can_look_in(place: Path, folder: Path) -> None:
    facts(in_duckdb(place, shop()), cache=True)
    for found in [folder, *folder.rglob("*")]:
        assert found.stat().st_mode & 0o077 == 0, found


def test_a_folder_that_others_write_to_is_refused(place: Path, folder: Path) -> None:
    path = in_duckdb(place, shop())
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="can be written to by others"):
        facts(path, cache=True)
    assert not list(folder.iterdir())


def test_small_and_changing_databases_leave_nothing(
    place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_duckdb(place, shop())
    monkeypatch.setattr(cached, "SETTLED_NS", 10**12)
    assert facts(path, cache=True)["how"] == "all"
    assert not folder.exists()
    monkeypatch.setattr(cached, "SETTLED_NS", 0)
    monkeypatch.setattr(cached, "WORTH_ROWS", 1_000)
    assert facts(path, cache=True)["how"] == "all"
    assert not list(folder.rglob(COPY))


def test_the_least_recently_used_go_when_there_is_no_room(tmp_path: Path, folder: Path) -> None:
    paths = []
    for i in range(3):
        (tmp_path / str(i)).mkdir()
        paths.append(in_duckdb(tmp_path / str(i), shop()))
        facts(paths[i], cache=True)
        os.utime(entry_of(paths[i]) / MANIFEST, (i, i))
    size = (entry_of(paths[0]) / COPY).stat().st_size
    cache = Cache(folder, limit=2 * size + 1000)
    cache.tidy(entry_of(paths[0]))
    assert [e.place for e in cache.entries()] == [str(paths[2]), str(paths[0])]
    paths[2].unlink()
    cache.tidy(entry_of(paths[0]))
    assert [e.place for e in cache.entries()] == [str(paths[0])]
    assert Cache(folder, limit=10).clear() and not cache.entries()


def test_an_entry_larger_than_the_cache_is_not_kept(
    place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORETELL_CACHE_LIMIT", "1kB")
    for _ in range(2):
        agree(in_duckdb(place, shop()) if not list(place.iterdir()) else place / "data.duckdb", "all")
    assert not list(folder.rglob("*"))


@pytest.fixture
def no_prompt(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        assert left.value.code == 0
        said = capsys.readouterr()
        return said.out + said.err

    yield run


def test_the_command_lists_and_clears(place: Path, no_prompt: Callable[..., str]) -> None:
    path = str(in_duckdb(place, shop()))
    no_prompt("schema", path, "--no-cache")
    assert "none" in no_prompt("cache")
    assert "using the cached copy" not in no_prompt("schema", path)
    assert "using the cached copy" in no_prompt("schema", path, "-v")
    listed = no_prompt("cache", "--format", "json")
    assert json.loads(listed)[0]["database"] == path and json.loads(listed)[0]["rows"] == 72
    assert "removed 1 copy" in no_prompt("cache", path, "--clear")
    assert "none" in no_prompt("cache")
