"""Every sink writes the same rows, whole and once, and touches nothing that is not its own."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from places import PLACES, Place

from foretell.core.errors import UsageError, WriteError
from foretell.sinks.base import BATCH, Column, Names, Run, tried
from foretell.sinks.duckdb import DuckDBSink
from foretell.sinks.mysql import label
from foretell.sinks.open import kind_of, open_sink
from foretell.sinks.postgres import PostgresSink
from foretell.sinks.sqlite import SQLiteSink
from foretell.sources.open import open_source
from foretell.store import load

T = 1_700_000_000_000_000
SERVERS = ("postgres", "mysql")
KINDS = [pytest.param(k, id=k, marks=pytest.mark.server if k in SERVERS else ()) for k in PLACES]
SQL_KINDS = [p for p in KINDS if p.values[0] != "files"]
COLUMNS = (
    Column("id", pa.int64(), key=True),
    Column("part", pa.string(), key=True),
    Column("cutoff", pa.timestamp("us")),
    Column("probability", pa.float64()),
    Column("prediction", pa.bool_()),
    Column("reasons", pa.string()),
)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    kind = request.param
    try:
        made = PLACES[kind]()
    except Exception as error:
        if kind not in SERVERS:
            raise
        pytest.skip(f"no {kind} server answers on loopback: {error}")
    yield made
    made.close()


everywhere = pytest.mark.parametrize("place", KINDS, indirect=True)
in_tables = pytest.mark.parametrize("place", SQL_KINDS, indirect=True)


def a_run(run_id: str = "r1", *, model: str = "churn", cutoff: int = T, rows: int = 3) -> Run:
    return Run(run_id, model, 2, "ab" * 32, "PREDICT 'x'", cutoff, "data", rows, T + 5)


def table(rows: int = 3) -> pa.Table:
    at = [datetime(2023, 11, 14, 22, 13, 20, 7)] * rows
    reasons = [["it's", 'a "b", \n\\c 🍺'], [], None]
    return pa.table(
        {
            "id": pa.array(range(rows)),
            "part": pa.array(["", "a,b\\n", "Ünï 🍺"][:rows] + ["z"] * (rows - 3)),
            "cutoff": pa.array(at, pa.timestamp("us")),
            "probability": pa.array([0.1 + 0.2, 1e-300, float("nan")][:rows] + [0.5] * (rows - 3)),
            "prediction": pa.array([True, False, None][:rows] + [True] * (rows - 3)),
            "reasons": pa.array(reasons[:rows] + [["z"]] * (rows - 3), pa.list_(pa.string())),
        }
    )


def plain(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as any database may give it: truths as numbers, times as text."""
    return tuple(int(v) if isinstance(v, bool) else str(v) if isinstance(v, datetime) else v for v in values)


@everywhere
def test_rows_come_back_as_they_were(place: Place) -> None:
    assert place.sink().write("predictions", a_run(), COLUMNS, table()) is True
    found = place.ask(
        "SELECT run_id, model, version, id, part, cutoff, probability, prediction, reasons "
        "FROM predictions ORDER BY id"
    )
    at = "2023-11-14 22:13:20.000007"
    assert [plain(r) for r in found] == [
        ("r1", "churn", 2, 0, "", at, 0.1 + 0.2, 1, '["it\'s", "a \\"b\\", \\n\\\\c 🍺"]'),
        ("r1", "churn", 2, 1, "a,b\\n", at, 1e-300, 0, None),
        ("r1", "churn", 2, 2, "Ünï 🍺", at, None, None, None),
    ]


@everywhere
def test_a_run_is_written_once(place: Place) -> None:
    sink = place.sink()
    assert [sink.write("predictions", a_run(), COLUMNS, table()) for _ in range(3)] == [True, False, False]
    assert sink.write("predictions", a_run("r2"), COLUMNS, table()) is True
    assert place.ask("SELECT run_id, count(*) FROM predictions GROUP BY run_id ORDER BY run_id") == [
        ("r1", 3),
        ("r2", 3),
    ]


@in_tables
def test_the_runs_are_recorded(place: Place) -> None:
    place.sink().write("predictions", a_run(), COLUMNS, table())
    (found,) = place.ask("SELECT * FROM predictions_runs")
    assert plain(found)[:5] == ("r1", "churn", 2, "ab" * 32, "PREDICT 'x'")
    assert (found[6], found[7], found[9]) == ("data", 3, 1)


@in_tables
def test_the_latest_follows_each_models_cutoffs(place: Place) -> None:
    sink = place.sink()

    def latest() -> list[tuple[Any, ...]]:
        return place.ask("SELECT DISTINCT model, run_id FROM predictions_latest ORDER BY model")

    sink.write("predictions", a_run("r1"), COLUMNS, table())
    assert latest() == [("churn", "r1")]
    sink.write("predictions", a_run("r0", cutoff=T - 10), COLUMNS, table())  # a late one of an earlier cutoff
    assert latest() == [("churn", "r1")]
    sink.write("predictions", a_run("r2", cutoff=T + 10), COLUMNS, table())
    sink.write("predictions", a_run("r3", cutoff=T + 10), COLUMNS, table())  # by the next champion
    sink.write("predictions", a_run("s1", model="spend", cutoff=T - 99), COLUMNS, table())
    assert latest() == [("churn", "r3"), ("spend", "s1")]
    sink.write("predictions", a_run("r1"), COLUMNS, table())
    assert latest() == [("churn", "r3"), ("spend", "s1")]


def test_in_a_folder_the_latest_is_a_file(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "out")
    for run_id, cutoff in (("r1", T), ("r2", T + 10), ("r0", T - 10)):
        sink.write("predictions", a_run(run_id, cutoff=cutoff), COLUMNS, table())
    told = tmp_path / "out" / sink.latest("predictions", "churn")
    assert '"run_id": "r2"' in told.read_text()
    told.unlink()  # as if the writer had been killed before it
    assert sink.write("predictions", a_run("r2", cutoff=T + 10), COLUMNS, table()) is False
    assert '"run_id": "r2"' in told.read_text()


# What is not ours


@in_tables
@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE predictions (id INTEGER)",
        "CREATE TABLE Predictions (id INTEGER)",
        "CREATE TABLE predictions_runs (run_id INTEGER, model INTEGER)",
        "CREATE VIEW predictions_latest AS SELECT 1 AS run_id",
        "CREATE VIEW predictions AS SELECT 'a' AS run_id, 'b' AS model, 1 AS version",
        "CREATE TABLE predictions_pointers (model INTEGER)",
    ],
)
def test_a_strangers_table_is_never_touched(place: Place, made: str) -> None:
    connection = _connection(place)
    connection(made)
    with pytest.raises(UsageError, match="already"):
        place.sink().write("predictions", a_run(), COLUMNS, table())
    with pytest.raises(Exception, match=r"(?i)exist|no such table"):
        place.ask("SELECT * FROM predictions_runs WHERE sha256 = ''") if "_runs" not in made else place.ask(
            "SELECT * FROM predictions"
        )


def _connection(place: Place) -> Any:
    """Runs a statement that changes something."""

    def run(sql: str) -> None:
        if place.kind == "sqlite":
            with sqlite3.connect(place.folder / "x.sqlite") as connection:  # type: ignore[attr-defined]
                connection.execute(sql)
        else:
            place.ask(sql + (" " if place.kind != "mysql" else ""))

    return run


def test_a_strangers_folder_is_never_touched(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table(), tmp_path / "orders.parquet")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "mine.txt").write_text("mine")
    sink = open_sink(tmp_path)
    for to in ("orders", "Orders", "predictions"):
        with pytest.raises(UsageError, match="not written by foretell"):
            sink.write(to, a_run(), COLUMNS, table())
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["mine.txt", "orders.parquet", "predictions"]


@everywhere
def test_predictions_of_other_entities_take_another_table(place: Place) -> None:
    sink = place.sink()
    sink.write("predictions", a_run(), COLUMNS, table())
    other = [replace(COLUMNS[0], name="store_id"), *COLUMNS[1:]]
    with pytest.raises(UsageError, match="by id and part, these are by store_id and part"):
        sink.write("predictions", a_run("r2"), other, table())
    assert sink.write("stores", a_run("r2"), other, table())


@in_tables
def test_a_table_of_one_kind_holds_no_other(place: Place) -> None:
    sink = place.sink()
    sink.write("predictions", a_run(), COLUMNS, table())
    changed = [*COLUMNS[:4], Column("prediction", pa.string()), COLUMNS[5]]
    texts = table().set_column(4, "prediction", pa.array(["a", "b", "c"]))
    with pytest.raises(UsageError, match="'prediction'"):
        sink.write("predictions", a_run("r2"), changed, texts)


@in_tables
def test_a_later_version_may_say_more(place: Place) -> None:
    sink = place.sink()
    sink.write("predictions", a_run(), COLUMNS, table())
    more = [*COLUMNS, Column("p(teal)", pa.float64())]
    sink.write(
        "predictions", a_run("r2", cutoff=T + 1), more, table().append_column("p", pa.array([1.0, 2.0, 3.0]))
    )
    name = "`p(teal)`" if place.kind == "mysql" else '"p(teal)"'
    assert place.ask(f"SELECT {name} FROM predictions WHERE run_id = 'r1'") == [(None,)] * 3
    assert sorted(place.ask(f"SELECT {name} FROM predictions_latest")) == [(1.0,), (2.0,), (3.0,)]


@in_tables
def test_what_a_newer_release_wrote_is_left(place: Place) -> None:
    sink = place.sink()
    sink.write("predictions", a_run(), COLUMNS, table())
    _connection(place)("UPDATE predictions_runs SET foretell_format = 99")
    with pytest.raises(UsageError, match="newer release"):
        sink.write("predictions", a_run("r2"), COLUMNS, table())


# Names


HOSTILE = ["select", "Ünï ↯", "a]b", 'say "hi"', "it's", "100%s", "back`tick", "; DROP TABLE x --", "🍺"]


@everywhere
def test_any_name_will_do(place: Place) -> None:
    sink = place.sink()
    for number, to in enumerate(HOSTILE):
        named = [replace(COLUMNS[0], name=to if to != "🍺" or place.kind != "mysql" else "x"), *COLUMNS[1:]]
        named[3] = replace(COLUMNS[3], name=f"p({to}{number})")
        if to == "🍺" and place.kind == "mysql":
            with pytest.raises(UsageError, match="U\\+FFFF"):
                sink.write(to, a_run(), named, table())
            to = "beer"
        assert sink.write(to, a_run(), named, table()) is True
        assert sink.write(to, a_run(), named, table()) is False


@pytest.mark.parametrize("to", ["", "a.b", "a/b", "..", "a\nb", "x" * 60, " a", "a\x00b"])
def test_names_that_no_database_holds_are_refused(to: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        Names.of(to)
    with pytest.raises(UsageError, match="cannot be the name"):
        open_sink(tmp_path / "x.duckdb").write(to, a_run(), COLUMNS, table())
    assert not list(tmp_path.iterdir())


def test_mysql_spells_out_what_it_cannot_hold() -> None:
    assert label("p(🍺)") == "p(U+1F37A)"


# What is read leaves them out


@everywhere
def test_a_reading_leaves_them_out_and_keeps_strangers(place: Place) -> None:
    target = getattr(place, "url", lambda: None)()
    if place.kind == "files":
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"id": [1]}), place.folder / "orders.parquet")  # type: ignore[attr-defined]
        pq.write_table(pa.table({"id": [1]}), place.folder / "forecasts.parquet")  # type: ignore[attr-defined]
        target = place.folder  # type: ignore[attr-defined]
    else:
        for name in ("orders", "forecasts", "forecasts_runs"):
            _connection(place)(f"CREATE TABLE {name} (run_id INTEGER, model INTEGER, version INTEGER)")
        target = target or next(place.folder.iterdir())  # type: ignore[attr-defined]
    with load(open_source(target)) as store:
        before, names = store.fingerprint, set(store.tables)
    assert {"orders", "forecasts"} <= names
    place.sink().write("predictions", a_run(), COLUMNS, table())
    with load(open_source(target)) as store:
        assert (store.fingerprint, set(store.tables)) == (before, names)
        assert [n for n in store.notes if "foretell wrote" in n and "predictions" in n]


def test_frames_of_them_are_left_out_too(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "x.duckdb")
    sink.write("predictions", a_run(), COLUMNS, table())
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        frames = {
            n: connection.sql(f"SELECT * FROM {n}").to_arrow_table()
            for n in ("predictions", "predictions_runs")
        }
    with load(open_source({**frames, "orders": pa.table({"id": [1]})})) as store:
        assert set(store.tables) == {"orders"}
    with load(open_source({"predictions": frames["predictions"]})) as store:  # nothing says that it is ours
        assert set(store.tables) == {"predictions"}


def test_a_duckdb_file_stays_worth_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT 1 AS a").close()
    DuckDBSink(path).write("predictions", a_run(), COLUMNS, table())
    source = open_source(path)
    with source.snapshot() as snapshot:
        assert snapshot.self_contained  # type: ignore[attr-defined]
    duckdb.connect(str(path)).execute("CREATE VIEW v AS SELECT random() AS r").close()
    with source.snapshot() as snapshot:
        assert not snapshot.self_contained  # type: ignore[attr-defined]


# Types


def test_duckdb_keys_keep_their_type(tmp_path: Path) -> None:
    key = "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    columns = [Column("id", pa.string(), "UUID", key=True), *COLUMNS[2:]]
    rows = table(1).drop_columns(["part"]).set_column(0, "id", pa.array([key]))
    DuckDBSink(tmp_path / "x.duckdb").write("predictions", a_run(rows=1), columns, rows)
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        assert connection.execute("SELECT typeof(id), id::VARCHAR FROM predictions").fetchall() == [
            ("UUID", key)
        ]


@pytest.mark.server
@pytest.mark.parametrize("place", [KINDS[3]], indirect=True)
def test_postgres_keys_keep_their_type_and_schema(place: Place) -> None:
    key = "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    columns = [Column("id", pa.string(), "uuid", key=True), *COLUMNS[2:]]
    rows = table(1).drop_columns(["part"]).set_column(0, "id", pa.array([key]))
    place.ask("CREATE SCHEMA ml")
    place.ask("CREATE TABLE public.predictions (mine INTEGER)")
    sink = PostgresSink(place.url() + "?options=-csearch_path%3Dml,public")  # type: ignore[attr-defined]
    assert sink.write("predictions", a_run(rows=1), columns, rows)
    assert place.ask("SELECT pg_typeof(id)::text, id::text FROM ml.predictions_latest") == [("uuid", key)]
    assert place.ask("SELECT * FROM public.predictions") == []
    with load(open_source(place.url())) as store:  # type: ignore[attr-defined]
        assert set(store.tables) == {"predictions"}


@pytest.mark.server
@pytest.mark.parametrize("place", [KINDS[3]], indirect=True)
def test_postgres_says_which_right_is_missing(place: Place) -> None:
    role = f"reader_{os.getpid()}"
    place.ask(f"CREATE ROLE {role} LOGIN PASSWORD 's3cret'")
    try:
        url = re.sub(r"//[^@]*@", f"//{role}:s3cret@", place.url())  # type: ignore[attr-defined]
        with pytest.raises(WriteError) as found:
            PostgresSink(url).write("predictions", a_run(), COLUMNS, table())
    finally:
        place.ask(f"DROP ROLE {role}")
    assert found.value.message.endswith("permission denied for schema public")  # and none of our SQL
    assert "s3cret" not in str(found.value) and "grant CREATE" in (found.value.mend or "")


@pytest.mark.server
@pytest.mark.parametrize("place", [KINDS[4]], indirect=True)
def test_mysql_keys_are_told_apart_by_case(place: Place) -> None:
    rows = table(3).set_column(0, "id", pa.array([1, 1, 1])).set_column(1, "part", pa.array(["a", "A", "ä"]))
    assert place.sink().write("predictions", a_run(), COLUMNS, rows)
    assert place.ask("SELECT count(*) FROM predictions") == [(3,)]
    wide = [COLUMNS[0], replace(COLUMNS[1], native="varchar(36)"), *COLUMNS[2:]]
    assert place.sink().write("narrow", a_run(), wide, rows)
    (found,) = place.ask(
        "SELECT column_type FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = 'narrow' AND column_name = 'part'"
    )
    assert found == ("varchar(36)",)


def test_many_rows_go_in_parts(tmp_path: Path) -> None:
    rows = BATCH + 1
    for name in ("x.duckdb", "x.sqlite"):
        sink = open_sink(tmp_path / name)
        assert sink.write("predictions", a_run(rows=rows), COLUMNS, table(rows))
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        assert connection.execute("SELECT count(*), sum(id) FROM predictions").fetchall() == [
            (rows, rows * (rows - 1) // 2)
        ]


# Several at once, and destinations that fail


@everywhere
def test_of_two_that_write_the_same_run_one_writes(place: Place) -> None:
    for number in range(3):
        both = threading.Barrier(4)
        said: list[bool] = []

        def write(run_id: str = f"r{number}", both: Any = both, said: list[bool] = said) -> None:
            both.wait()
            said.append(place.sink().write("predictions", a_run(run_id), COLUMNS, table()))

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said) == [False, False, False, True]
    assert place.ask("SELECT count(*) FROM predictions") == [(9,)]


def test_a_locked_duckdb_file_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    code = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(WriteError, match=f"locked by .*PID {other.pid}"):
            DuckDBSink(path, patience=0.1).write("predictions", a_run(), COLUMNS, table())
        other.communicate("")
    assert DuckDBSink(path).write("predictions", a_run(), COLUMNS, table())


def test_a_duckdb_file_read_in_this_process_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    duckdb.connect(str(path)).close()
    held = duckdb.connect(str(path), read_only=True)
    with pytest.raises(WriteError, match="open for reading in this process"):
        DuckDBSink(path).write("predictions", a_run(), COLUMNS, table())
    held.close()


def test_a_busy_or_foreign_sqlite_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    with pytest.raises(WriteError, match="locked by another process"):
        SQLiteSink(path, patience=0.05).write("predictions", a_run(), COLUMNS, table())
    held.close()
    (tmp_path / "no.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(WriteError, match="not a database"):
        SQLiteSink(tmp_path / "no.sqlite").write("predictions", a_run(), COLUMNS, table())


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(WriteError):
        open_sink(tmp_path / "out").write("predictions", a_run(), COLUMNS, table())
    tmp_path.chmod(0o755)


@pytest.mark.parametrize("url", ["postgresql://a:s3cret@127.0.0.1:1/x", "mysql://a:s3cret@127.0.0.1:1/x"])
def test_a_server_that_is_not_there_is_an_error_without_the_password(url: str) -> None:
    with pytest.raises(WriteError, match="cannot connect") as caught:
        open_sink(url).write("predictions", a_run(), COLUMNS, table())
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(open_sink(url))


def test_a_doubt_is_settled_by_the_next_attempt_or_told() -> None:
    lost = WriteError("lost", uncertain=True)
    unreached, refused = WriteError("cannot connect", unreached=True), WriteError("the disk is full")

    def after(*ends: WriteError | bool) -> bool:
        told = iter(ends)

        def attempt() -> bool:
            end = next(told)
            if isinstance(end, WriteError):
                raise end
            return end

        return tried(attempt, pause=0.0)

    assert after(True) is True and after(False) is False
    assert (
        after(lost, False) is True and after(lost, unreached, True) is True
    )  # the first did write; the last
    for certain in (refused, unreached):
        with pytest.raises(WriteError) as caught:
            after(certain)
        assert caught.value is certain
    for ends in ((lost, refused), (lost, lost, lost, lost), (lost, unreached, unreached, unreached)):
        with pytest.raises(WriteError, match="whether the rows are there is not known"):
            after(*ends)


# Which sink


def test_the_sink_follows_from_the_target(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (x)").connection.close()
    for target, kind in (
        (tmp_path / "a.db", "sqlite"),
        (tmp_path / "new.duckdb", "duckdb"),
        (tmp_path / "new.sqlite", "sqlite"),
        (tmp_path / "new", "files"),
        (tmp_path, "files"),
        ("postgresql://u@h/x", "postgres"),
        ("mysql://u@h/x", "mysql"),
    ):
        assert open_sink(target).kind == kind
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.db"]
    assert kind_of(open_source(tmp_path / "a.db")) == "sqlite"
    assert kind_of(open_source({"t": pa.table({"a": [1]})})) is None


def test_what_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    for target, said in (
        ({"t": 1}, "frames"),
        (tmp_path / "a.csv", "one file"),
        (tmp_path / "x.odd", "cannot tell"),
        (tmp_path / "no" / "x.duckdb", "no folder"),
    ):
        with pytest.raises(UsageError, match=said):
            open_sink(target)  # type: ignore[arg-type]
