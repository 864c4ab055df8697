"""What a person gets when a database cannot be read, and what is noted when values had to be bent."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from world import in_mysql, in_postgres, mysql, postgres, shop

from foretell.core.errors import DataError, SchemaError, SourceError, UsageError
from foretell.schema.model import DType
from foretell.sources.files import FilesSource
from foretell.sources.open import open_source
from foretell.store import Store, load


def notes_of(store: Store, part: str) -> list[str]:
    return [n for n in store.notes if part in n]


# Opening


def test_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "shop.duckdb").touch()
    with pytest.raises(SourceError, match="no file or folder") as caught:
        open_source(tmp_path / "shpo.duckdb")
    assert "shop.duckdb" in str(caught.value)


def test_unknown_scheme_lists_what_is_supported() -> None:
    with pytest.raises(UsageError, match="not supported") as caught:
        open_source("oracle://db/x")
    assert "postgresql://" in str(caught.value)


def test_a_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (x)").connection.close()
    duckdb.connect(str(tmp_path / "b.db")).close()
    assert type(open_source(tmp_path / "a.db")).__name__ == "SQLiteSource"
    assert type(open_source(tmp_path / "b.db")).__name__ == "DuckDBSource"
    assert type(open_source(f"sqlite:///{tmp_path / 'a.db'}")).__name__ == "SQLiteSource"
    with pytest.raises(SourceError, match="no duckdb database"):
        open_source(f"duckdb:///{tmp_path / 'a.db'}")
    (tmp_path / "c.db").write_bytes(b"something else")
    with pytest.raises(SourceError, match="cannot tell"):
        open_source(tmp_path / "c.db")


def test_a_damaged_duckdb_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"x" * 5000)
    with pytest.raises(SourceError, match="not a valid DuckDB"):
        load(open_source(tmp_path / "x.duckdb"))


def test_an_empty_database_is_an_error(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "x.duckdb")).close()
    with pytest.raises(SourceError, match="no table"):
        load(open_source(tmp_path / "x.duckdb"))
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no data file"):
        load(open_source(tmp_path / "none"))


def test_a_locked_database_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT 1 AS a").close()
    code = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(SourceError, match=f"locked by .*PID {other.pid}"):
            load(open_source(path))
        other.communicate("")
    load(open_source(path)).close()


def test_a_database_open_in_this_process_can_be_read(tmp_path: Path) -> None:
    held = duckdb.connect(str(tmp_path / "x.duckdb"))
    held.execute("CREATE TABLE t AS SELECT 1 AS a")
    with load(open_source(tmp_path / "x.duckdb")) as store:
        assert store.tables["t"].rows == 1
    held.execute("INSERT INTO t VALUES (2)")


def test_sources_are_not_written_to(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (x)").connection.close()
    (tmp_path / "a.db").chmod(0o444)
    before = (tmp_path / "a.db").read_bytes()
    load(open_source(tmp_path / "a.db")).close()
    assert (tmp_path / "a.db").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


# Names


def test_names_equal_after_case_folding_are_refused() -> None:
    frames = {"Orders": pa.table({"a": [1]}), "orders": pa.table({"a": [1]})}
    with pytest.raises(SchemaError, match="'Orders' and 'orders'"):
        load(open_source(frames))
    with pytest.raises(SchemaError, match="'Id' and 'ID'"):
        load(open_source({"t": pa.table({"Id": [1], "ID": [2]})}))


def test_twin_columns_in_parquet_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Id": [1], "ID": [2]}), tmp_path / "t.parquet")
    with pytest.raises(SchemaError, match="'Id' and 'ID'"):
        load(open_source(tmp_path))


def test_other_schemas_are_named_where_ambiguous(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "x.duckdb"))
    connection.execute(
        "CREATE TABLE a (x INT); CREATE SCHEMA s; CREATE TABLE s.a (x INT); CREATE TABLE s.b (x INT)"
    )
    connection.close()
    with load(open_source(tmp_path / "x.duckdb")) as store:
        assert set(store.tables) == {"a", "s.a", "b"}


# Declared shape


def test_duckdb_declares_keys_and_views(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "x.duckdb"))
    connection.execute("CREATE TABLE p (a INT, b INT, u INT UNIQUE, PRIMARY KEY (a, b))")
    connection.execute("CREATE TABLE c (x INT, y INT, FOREIGN KEY (x, y) REFERENCES p (a, b))")
    connection.execute("CREATE VIEW v AS SELECT * FROM p")
    connection.execute("CREATE TABLE gone (a INT); CREATE VIEW broken AS SELECT a FROM gone; DROP TABLE gone")
    connection.close()
    with open_source(tmp_path / "x.duckdb").snapshot() as snapshot:
        tables = {t.name: t for t in snapshot.tables}
        assert tables["p"].primary_key == ("a", "b")
        assert tables["p"].unique == (("u",),)
        assert [(k.columns, k.parent, k.parent_columns) for k in tables["c"].foreign_keys] == [
            (("x", "y"), "p", ("a", "b"))
        ]
        assert tables["v"].is_view
        assert "broken" not in tables
        assert any("broken" in n for n in snapshot.notes)


def test_sqlite_declares_keys_and_views(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.sqlite")
    connection.executescript(
        "CREATE TABLE p (a INTEGER PRIMARY KEY, u TEXT UNIQUE);"
        "CREATE TABLE c (x INT REFERENCES P, y TEXT REFERENCES p (U));"
        "CREATE VIEW v AS SELECT * FROM p; CREATE VIEW broken AS SELECT * FROM nowhere;"
        "CREATE TABLE g (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED);"
    )
    connection.execute("INSERT INTO g (a) VALUES (4)")
    connection.commit()
    connection.close()
    with open_source(tmp_path / "x.sqlite").snapshot() as snapshot:
        tables = {t.name: t for t in snapshot.tables}
        assert tables["p"].primary_key == ("a",)
        assert ("u",) in tables["p"].unique
        assert {(k.columns, k.parent, k.parent_columns) for k in tables["c"].foreign_keys} == {
            (("x",), "p", ("a",)),
            (("y",), "p", ("u",)),
        }
        assert tables["v"].is_view and "broken" not in tables
        assert snapshot.read("g").read_all().to_pylist() == [{"a": 4, "b": 8}]


# SQLite's loose types


def sqlite_column(folder: Path, declared: str, *values: Any) -> tuple[Store, list[Any]]:
    connection = sqlite3.connect(folder / "x.sqlite")
    connection.execute(f"CREATE TABLE t (v {declared})")
    for value in values:
        if isinstance(value, bytes):  # text that is not UTF-8
            connection.execute("INSERT INTO t VALUES (CAST(? AS TEXT))", (value,))
        else:
            connection.execute("INSERT INTO t VALUES (?)", (value,))
    connection.commit()
    connection.close()
    store = load(open_source(folder / "x.sqlite"))
    return store, [r[0] for r in store.connection.execute("SELECT v FROM t").fetchall()]


def test_sqlite_mixed_types_become_text_with_a_note(tmp_path: Path) -> None:
    store, found = sqlite_column(tmp_path, "", 1, 2.5, "three", None)
    assert found == ["1", "2.5", "three", None]
    assert notes_of(store, "t.v mixes types")
    store.close()


def test_sqlite_whole_numbers_and_fractions_become_floats(tmp_path: Path) -> None:
    store, found = sqlite_column(tmp_path, "", 1, 2.5, "")
    assert found == [1.0, 2.5, None]
    assert notes_of(store, "empty text")
    store.close()


def test_sqlite_declared_times_are_read(tmp_path: Path) -> None:
    store, _ = sqlite_column(
        tmp_path, "DATETIME", "2024-02-29", "2024-02-29T10:00:00", "2024-02-29 10:00:00.5"
    )
    assert store.tables["t"].dtypes["v"] is DType.TIMESTAMP
    store.close()


def test_sqlite_zoned_times_are_utc(tmp_path: Path) -> None:
    store, found = sqlite_column(tmp_path, "TIMESTAMP", "2024-02-29 01:00:00+02:00", "2024-02-29T01:00:00Z")
    assert [str(v) for v in found] == ["2024-02-28 23:00:00", "2024-02-29 01:00:00"]
    store.close()


def test_sqlite_naive_and_zoned_times_mixed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mixes times with a zone"):
        sqlite_column(tmp_path, "DATETIME", "2024-02-29 01:00:00+02:00", "2024-02-29 01:00:00")


def test_sqlite_times_that_are_none_stay_text(tmp_path: Path) -> None:
    store, found = sqlite_column(tmp_path, "DATE", "2024-02-29", "2024-02-30", "soon")
    assert found[2] == "soon"
    assert notes_of(store, "cannot be read as a time")
    store.close()


def test_bad_utf8_is_replaced_with_a_note(tmp_path: Path) -> None:
    store, found = sqlite_column(tmp_path, "TEXT", "fine", b"caf\xe9")
    assert found == ["fine", "caf�"]
    assert notes_of(store, "not in UTF-8")
    store.close()


# Files


def test_csv_in_latin_1_is_read_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("id,city\n1,Köln\n2,Malmö\n".encode("latin-1"))
    with load(open_source(tmp_path)) as store:
        assert store.connection.execute("SELECT city FROM t ORDER BY id").fetchall() == [
            ("Köln",),
            ("Malmö",),
        ]
        assert notes_of(store, "not UTF-8")


def test_tsv_gz_and_single_files(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.tsv").write_text("id\tv\n1\tx\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("id,v\n1,x\n")
    with load(open_source(tmp_path)) as store:
        assert set(store.tables) == {"a", "b"}
    with load(open_source(tmp_path / "b.csv.gz")) as store:
        assert store.connection.execute("SELECT * FROM b").fetchall() == [(1, "x")]


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(10)}), tmp_path / "t.parquet")
    snapshot = FilesSource(tmp_path).snapshot()
    pq.write_table(pa.table({"a": range(500)}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="changed while it was being read"):
        Store.load(snapshot)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(SchemaError, match="two tables are called 't'"):
        load(open_source(tmp_path))


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(SourceError, match=r"t\.parquet"):
        load(open_source(tmp_path))


# Frames


def test_pandas_mixed_objects_become_text_with_a_note() -> None:
    frame = pandas.DataFrame({"v": pandas.Series([1, "two", None], dtype=object)})
    with load(open_source({"t": frame})) as store:
        assert store.connection.execute("SELECT v FROM t").fetchall() == [("1",), ("two",), (None,)]
        assert notes_of(store, "t.v mixes types")


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(SourceError, match="found int for table 't'"):
        load(open_source({"t": 3}))
    with pytest.raises(SourceError, match="empty dict"):
        load(open_source({}))


# Servers


@pytest.mark.server
def test_postgres_wrong_password_is_masked() -> None:
    postgres().close()
    url = "postgresql://nobody_such:s3cret-w0rd@127.0.0.1:5432/test"
    with pytest.raises(SourceError, match="cannot connect") as caught:
        load(open_source(url))
    assert "s3cret" not in str(caught.value) and "nobody_such:***@" in str(caught.value)
    assert "s3cret" not in repr(open_source(url)) + open_source(url).name


@pytest.mark.server
def test_postgres_types_and_infinity(tmp_path: Path) -> None:
    with in_postgres(tmp_path, shop()) as url:
        connection = postgres()
        schema = url.rsplit("%3D", 1)[1]
        connection.execute(f"CREATE TYPE {schema}.mood AS ENUM ('ok', 'bad')")
        connection.execute(
            f"CREATE TABLE {schema}.t (id int PRIMARY KEY, d date, z timestamptz, n numeric(10, 2), "
            f"m {schema}.mood, u uuid, tags int[], s text)"
        )
        connection.execute(
            f"INSERT INTO {schema}.t VALUES (1, 'infinity', '2024-01-01 00:00+02', 'NaN', 'ok', "
            "'00000000-0000-0000-0000-000000000001', '{1}', ''), "
            "(2, NULL, NULL, 1.25, NULL, NULL, NULL, NULL)"
        )
        connection.execute(f"CREATE TABLE {schema}.k (tid int REFERENCES {schema}.t (id))")
        connection.execute(f"CREATE VIEW {schema}.v AS SELECT id, n FROM {schema}.t")
        with load(open_source(url)) as store:
            row = store.connection.execute(
                "SELECT d, z::VARCHAR, n, m, tags, s FROM t ORDER BY id"
            ).fetchall()
            assert row == [
                (None, "2023-12-31 22:00:00", None, "ok", None, ""),
                (None, None, 1.25, None, None, None),
            ]
            assert notes_of(store, "infinite time") and notes_of(store, "t.tags is of type integer[]")
            assert store.tables["v"].raw.is_view
            assert store.tables["k"].raw.foreign_keys[0].parent == "t"
        connection.close()


@pytest.mark.server
def test_postgres_one_snapshot_while_others_write(tmp_path: Path) -> None:
    with in_postgres(tmp_path, shop()) as url:
        snapshot = open_source(url).snapshot()
        snapshot.read("customers").read_all()
        other = postgres()
        other.execute(f"DELETE FROM {url.rsplit('%3D', 1)[1]}.orders")
        assert snapshot.read("orders").read_all().num_rows == 40
        snapshot.close()
        with open_source(url).snapshot() as later:
            assert later.read("orders").read_all().num_rows == 0
        other.close()


@pytest.mark.server
def test_postgres_dropped_connection_is_never_half_a_snapshot(tmp_path: Path) -> None:
    with in_postgres(tmp_path, shop()) as url:
        snapshot: Any = open_source(url).snapshot()
        snapshot.read("customers").read_all()
        other = postgres()
        other.execute("SELECT pg_terminate_backend(%s)", (snapshot._connection.info.backend_pid,))
        other.close()
        with pytest.raises(SourceError, match="lost the connection") as caught:
            Store.load(snapshot)
        assert caught.value.fields["connection_lost"] is True


@pytest.mark.server
def test_a_lost_connection_is_tried_once_more(tmp_path: Path) -> None:
    with in_postgres(tmp_path, shop()) as url:
        inner, opened = open_source(url), []

        class Flaky:
            name = inner.name

            def snapshot(self) -> Any:
                snapshot: Any = inner.snapshot()
                opened.append(snapshot)
                if len(opened) == 1:
                    snapshot._connection.close()
                return snapshot

        with load(Flaky()) as store:
            assert store.tables["orders"].rows == 40
        assert len(opened) == 2


@pytest.mark.server
def test_postgres_timeout_is_an_error(tmp_path: Path) -> None:
    with in_postgres(tmp_path, shop()) as url:
        schema = url.rsplit("%3D", 1)[1]
        connection = postgres()
        connection.execute(
            f"CREATE VIEW {schema}.slow AS SELECT i, pg_sleep(0.05)::text FROM generate_series(1, 99) i"
        )
        connection.close()
        with pytest.raises(SourceError, match="ran out of time"):
            load(open_source(url + "%20-cstatement_timeout%3D300"))


@pytest.mark.server
def test_mysql_wrong_password_is_masked() -> None:
    mysql().close()
    with pytest.raises(SourceError, match="cannot connect") as caught:
        load(open_source("mysql://nobody_such:s3cret-w0rd@127.0.0.1:3306/test"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.server
def test_mysql_types_and_zero_dates(tmp_path: Path) -> None:
    with in_mysql(tmp_path, shop()) as url:
        connection = mysql()
        cursor = connection.cursor()
        cursor.execute(f"USE {url.rsplit('/', 1)[1]}")
        cursor.execute("SET sql_mode = ''")
        cursor.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, d DATE, u BIGINT UNSIGNED, f TINYINT(1), g TINYINT(1), "
            "n DECIMAL(10,2), b BIT(1), x BLOB)"
        )
        cursor.execute(
            "INSERT INTO t VALUES (1, '0000-00-00', 5, 1, 7, 1.25, 1, 'z'), "
            "(2, '2024-02-29', 6, 0, 1, 2, 0, NULL)"
        )
        cursor.execute("CREATE TABLE k (tid INT, FOREIGN KEY (tid) REFERENCES t (id))")
        connection.commit()
        with load(open_source(url)) as store:
            found = store.connection.execute("SELECT d::VARCHAR, u, f, g, n, b FROM t ORDER BY id").fetchall()
            assert found == [(None, 5, True, 7, 1.25, True), ("2024-02-29 00:00:00", 6, False, 1, 2.0, False)]
            assert (
                notes_of(store, "zero date")
                and notes_of(store, "more than 0 and 1")
                and notes_of(store, "blob")
            )
            assert store.tables["k"].raw.foreign_keys[0].parent == "t"
        connection.close()


@pytest.mark.server
def test_mysql_dropped_connection_is_never_half_a_snapshot(tmp_path: Path) -> None:
    with in_mysql(tmp_path, shop()) as url:
        snapshot: Any = open_source(url).snapshot()
        other = mysql()
        other.cursor().execute(f"KILL {snapshot._connection.thread_id()}")
        other.close()
        with pytest.raises(SourceError, match="lost the connection"):
            Store.load(snapshot)


def test_mysql_url_options_are_checked() -> None:
    with pytest.raises(UsageError, match="names no database"):
        open_source("mysql://root@127.0.0.1").snapshot()
    with pytest.raises(UsageError, match="read_timeout"):
        open_source("mysql://root@127.0.0.1/test?read_timeot=3").snapshot()
