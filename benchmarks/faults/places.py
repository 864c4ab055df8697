"""Places to write to, made fresh and asked by other means than foretell's own; and a proxy that hangs up."""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from foretell.sinks.base import Sink
from foretell.sinks.duckdb import DuckDBSink
from foretell.sinks.files import FolderSink
from foretell.sinks.mysql import MySQLSink
from foretell.sinks.postgres import PostgresSink
from foretell.sinks.sqlite import SQLiteSink

POSTGRES, MYSQL = ("127.0.0.1", 5432), ("127.0.0.1", 3306)
STATE = (
    "SELECT (SELECT count(*) FROM {to} WHERE run_id = '{run}'),"
    " (SELECT count(DISTINCT id) FROM {to} WHERE run_id = '{run}'),"
    " (SELECT count(*) FROM {to}_runs WHERE run_id = '{run}')"
)


COMMIT = -1
"""Where a connection is cut: with the answer to COMMIT."""


class Place:
    """An empty database of some kind. Close it, and it is gone."""

    kind = ""
    server: tuple[str, int] | None = None

    def sink(self, port: int | None = None) -> Sink:
        """The sink; of a server by way of another port."""
        raise NotImplementedError

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def state(self, to: str, run: str) -> tuple[int, int, int]:
        """Rows of a run, different keys among them, and records of it; all 0 where there is no table."""
        try:
            (found,) = self.ask(STATE.format(to=to, run=run))
        except Exception as error:
            if "exist" in str(error).lower() or "no such table" in str(error).lower():
                return 0, 0, 0
            raise
        return int(found[0]), int(found[1]), int(found[2])

    def close(self) -> None:
        pass


class InFolder(Place):
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="foretell-place-"))

    def mount(self, size: int) -> None:
        """Let the folder be a disk of so many bytes; a PermissionError where that takes more rights."""
        if not self.folder.is_mount():
            command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.folder)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                raise PermissionError("a disk cannot be mounted here")

    def close(self) -> None:
        if self.folder.is_mount():
            subprocess.run(["umount", str(self.folder)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class SQLite(InFolder):
    kind = "sqlite"

    def sink(self, port: int | None = None) -> Sink:
        return SQLiteSink(self.folder / "x.sqlite")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / "x.sqlite")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


class DuckDB(InFolder):
    kind = "duckdb"

    def sink(self, port: int | None = None) -> Sink:
        return DuckDBSink(self.folder / "x.duckdb")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "x.duckdb")) as connection:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        return found


class Parquet(InFolder):
    kind = "files"

    def sink(self, port: int | None = None) -> Sink:
        return FolderSink(self.folder)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Over views of what a reader of Parquet sees, with a record where the run's folder has one."""
        with duckdb.connect() as connection:
            for place in self.folder.iterdir():
                files = list(place.glob("run_id=*/*.parquet"))
                if files:
                    pattern = f"{place}/run_id=*/*.parquet"
                    connection.execute(
                        f"CREATE VIEW {place.name} AS SELECT * FROM "
                        f"read_parquet('{pattern}', hive_partitioning = true, union_by_name = true)"
                    )
                    records = [r.parent.name.partition("=")[2] for r in place.glob("run_id=*/_run.json")]
                    connection.execute(f"CREATE TABLE {place.name}_runs (run_id VARCHAR)")
                    connection.executemany(
                        f"INSERT INTO {place.name}_runs VALUES (?)", [[r] for r in records] or [[None]]
                    )
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
        return found

    def state(self, to: str, run: str) -> tuple[int, int, int]:
        try:
            return super().state(to, run)
        except duckdb.InvalidInputException:  # half a file, in its place
            return 1, 1, 0


class Postgres(Place):
    kind = "postgres"
    server = POSTGRES

    def __init__(self) -> None:
        self.database = f"foretell_{os.getpid()}_{random.getrandbits(32):x}"
        self._at("postgres", f"CREATE DATABASE {self.database} ENCODING 'UTF8' TEMPLATE template0")

    def url(self, port: int | None = None) -> str:
        return f"postgresql://postgres:x@127.0.0.1:{port or POSTGRES[1]}/{self.database}"

    def sink(self, port: int | None = None) -> Sink:
        return PostgresSink(self.url(port))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url()) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self._at("postgres", f"DROP DATABASE {self.database} WITH (FORCE)")

    def _at(self, database: str, sql: str) -> None:
        import psycopg

        url = f"postgresql://postgres:x@127.0.0.1:5432/{database}"
        with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
            connection.execute(sql.encode())


class MySQL(Place):
    kind = "mysql"
    server = MYSQL

    def __init__(self) -> None:
        self.database = f"foretell_{os.getpid()}_{random.getrandbits(32):x}"
        self._at(None, f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")

    def url(self, port: int | None = None) -> str:
        return f"mysql://root@127.0.0.1:{port or MYSQL[1]}/{self.database}"

    def sink(self, port: int | None = None) -> Sink:
        return MySQLSink(self.url(port))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._at(self.database, sql)

    def close(self) -> None:
        self._at(None, f"DROP DATABASE {self.database}")

    def _at(self, database: str | None, sql: str) -> list[tuple[Any, ...]]:
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1", user="root", database=database, charset="utf8mb4", autocommit=True
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()


PLACES: dict[str, type[Place]] = {p.kind: p for p in (SQLite, DuckDB, Parquet, Postgres, MySQL)}


class Proxy:
    """A way to a server that hangs up on its first connection once so many bytes have passed, both ways
    together, or once COMMIT is answered; the chunk that is then on its way is lost. Later connections are
    left alone.
    """

    def __init__(self, server: tuple[str, int], after: int | None) -> None:
        self.server = server
        self.after = after
        self.passed = 0
        self._committing = False
        self.passed_later = 0  # by way of later connections
        self.connections = 0
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            first = self.connections == 1
            far = socket.create_connection(self.server)
            for a, b, asks in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=(a, b, first, asks), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket, first: bool, asks: bool) -> None:
        with suppress(OSError):
            while data := a.recv(1 << 16):
                with self._lock:
                    if not first:
                        self.passed_later += len(data)
                    elif self._ends(data, asks):
                        break
                b.sendall(data)
        for end in (a, b):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _ends(self, data: bytes, asks: bool) -> bool:
        """Whether to hang up before this chunk is passed on."""
        self.passed += len(data)
        if self.after == COMMIT:
            answered = self._committing and not asks
            self._committing |= asks and b"COMMIT" in data
            return answered
        return self.after is not None and self.passed > self.after

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@contextmanager
def proxied(server: tuple[str, int], after: int | None) -> Iterator[Proxy]:
    proxy = Proxy(server, after)
    try:
        yield proxy
    finally:
        proxy.close()
