"""Reading a server again gives what reading it whole gives, whatever was changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from world import MYSQL, SERVERS, quoted, shop

from foretell.sources.mysql import MySQLSnapshot
from foretell.sources.open import open_source
from foretell.sources.postgres import PostgresSnapshot
from foretell.sources.remote import Measured
from foretell.store import cached
from foretell.store.cache import Cache
from foretell.store.cached import open_store

SNAPSHOTS = {"postgres": PostgresSnapshot, "mysql": MySQLSnapshot}


class Notes:
    """A progress that keeps its notes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, total: float | None = None) -> None:
        pass

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        self.said.append(text)


class Server:
    """A database on a server, a way to change it, and a cache."""

    def __init__(self, kind: str, url: str, run: Callable[[str], None], folder: Path) -> None:
        self.kind, self.url, self.run = kind, url, run
        self.cache = Cache(folder / "cache")

    def read(self) -> str:
        """Read it by way of the cache, compare with reading it whole, and give what was said."""
        said = Notes()
        store, _ = open_store(open_source(self.url), cache=self.cache, progress=said)
        whole, _ = open_store(open_source(self.url))
        with store, whole:
            assert store.fingerprint == whole.fingerprint
            for name in whole.tables:
                rows = f"SELECT * FROM {quoted(name)} ORDER BY ALL"
                assert store.connection.execute(rows).fetchall() == whole.connection.execute(rows).fetchall()
            assert {n: t.dtypes for n, t in store.tables.items()} == {
                n: t.dtypes for n, t in whole.tables.items()
            }
        (told,) = said.said
        return told

    def name(self, text: str) -> str:
        return quoted(text, "`" if self.kind == "mysql" else '"')


@pytest.fixture(params=[pytest.param(k, marks=pytest.mark.server) for k in SERVERS])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    monkeypatch.setattr(cached, "WORTH_ROWS", 0)
    with SERVERS[request.param](tmp_path, shop()) as url:
        connection: Any
        if request.param == "postgres":
            connection = psycopg.connect(url, autocommit=True)
        else:
            import pymysql

            connection = pymysql.connect(**MYSQL, database=urlsplit(url).path[1:], autocommit=True)

        def run(statement: str) -> None:
            connection.cursor().execute(statement)

        yield Server(request.param, url, run, tmp_path)
        connection.close()


ORDER = "INSERT INTO orders VALUES ({id}, 2, '2024-05-01', 9.5, true, 'new')"


def test_the_first_reading_is_whole_and_the_second_finds_nothing_new(server: Server) -> None:
    assert server.read().startswith("read in full, and a copy kept")
    assert server.read().startswith("nothing changed since the copy")


def test_rows_that_were_added_are_read_alone(server: Server) -> None:
    server.read()
    server.run(ORDER.format(id=900))
    server.run(ORDER.format(id=901))
    assert server.read() == "1 table unchanged; read 2 new rows of orders"
    server.run(ORDER.format(id=902))  # on top of a copy that grew
    assert server.read() == "1 table unchanged; read 1 new row of orders"


CHANGED = {
    "an update": ["UPDATE orders SET amount = amount + 1 WHERE order_id = 104"],
    "an update to NULL": ["UPDATE orders SET note = NULL WHERE order_id = 104"],
    "a deletion": ["DELETE FROM orders WHERE order_id = 104"],
    "a deletion beside a new row": ["DELETE FROM orders WHERE order_id = 104", ORDER.format(id=900)],
    "two values exchanged": [
        "UPDATE orders SET amount = 1.25 WHERE order_id = 100",
        "UPDATE orders SET amount = 0.25 WHERE order_id = 101",
    ],
    "a row before the last": [ORDER.format(id=5)],
    "a new column": ["ALTER TABLE orders ADD COLUMN extra int"],
    "another type": ["ALTER TABLE orders ALTER COLUMN amount TYPE numeric(12, 0)"],
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_table_that_was_changed_is_read_in_full(server: Server, what: str) -> None:
    server.read()
    for statement in CHANGED[what]:
        if server.kind == "mysql":
            statement = statement.replace("ALTER COLUMN amount TYPE numeric", "MODIFY amount decimal")
        server.run(statement)
    assert server.read() == "1 table unchanged; read in full: orders"
    assert server.read().startswith("nothing changed")


def test_tables_that_come_and_go(server: Server) -> None:
    server.read()
    server.run("CREATE TABLE fresh (x int)")
    assert server.read() == "2 tables unchanged; read in full: fresh"
    server.run("INSERT INTO fresh VALUES (1)")  # it has no key: nothing tells new rows from old
    assert server.read() == "2 tables unchanged; read in full: fresh"
    server.run("DROP TABLE fresh")
    assert server.read() == "2 tables unchanged"


def test_later_rows_that_change_how_a_column_is_read(server: Server) -> None:
    server.read()
    infinite = "infinity" if server.kind == "postgres" else "0000-00-00"
    if server.kind == "mysql":
        server.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
    server.run(ORDER.format(id=900).replace("2024-05-01", infinite))
    assert "1 new row of orders" in server.read()
    server.run(ORDER.format(id=901))
    assert server.read().startswith("read in full")  # a note speaks of the values of the copy


def test_hashes_are_what_tells_an_update(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were only rows counted, an update would be missed: what the tests above would then see."""
    kind = SNAPSHOTS[server.kind]
    measure = kind.measure

    def counted(self: Any, *asked: Any) -> Measured | None:
        found = measure(self, *asked)
        assert found is not None
        return Measured(replace(found.whole, hash=0), replace(found.head, hash=0))

    monkeypatch.setattr(kind, "measure", counted)
    server.read()
    server.run(CHANGED["an update"][0])
    with pytest.raises(AssertionError):
        server.read()


def test_a_small_database_keeps_no_copy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "WORTH_ROWS", 1_000_000)
    store, entry = open_store(open_source(server.url), cache=server.cache)
    store.close()
    assert entry is None and server.cache.entries() == []


def test_a_kept_copy_names_no_password(server: Server) -> None:
    server.read()
    (entry,) = server.cache.entries()
    assert entry.place.startswith(f"{urlsplit(server.url).scheme}://")
    assert ":x@" not in entry.place
