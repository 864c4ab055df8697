"""A SQLite file, opened read-only; its loose types settled by what each column really holds."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import DataError, SourceError
from foretell.core.text import plural
from foretell.sources.arrow import BATCH, stream, text_array
from foretell.sources.base import Closing, RawColumn, RawKey, RawTable, Reading
from foretell.sources.naming import quote
from foretell.sources.own import own_places, remark
from foretell.sources.state import State

_DATE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_TIME_NAMES = ("DATE", "TIME", "TIMESTAMP")
COLUMNS_AT_ONCE = 150
_RISKY = re.compile(
    r"\b(random|randomblob|now|localtime|utc|current_\w+|changes|total_changes|last_insert_rowid|load_extension)\b"
    r"|\b(date|time|datetime|julianday|unixepoch)\s*\(\s*\)|\bstrftime\s*\([^,]*\)",
    re.IGNORECASE,
)
"""What may answer differently each time it is called."""


@dataclass(frozen=True)
class SQLiteSource:
    """A SQLite database file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def snapshot(self) -> SQLiteSnapshot:
        return SQLiteSnapshot(self.path)

    def state(self) -> State | None:
        beside = [self.path.with_name(self.path.name + end) for end in ("-wal", "-journal")]
        return State.of("sqlite", self.path, [self.path], logs=[f for f in beside if f.exists()])

    def resumed(self, earlier: Mapping[str, Reading], at: Mapping[str, Sequence[int]]) -> None:
        """Rows of SQLite have no lasting order, so all is read again."""


@dataclass(frozen=True)
class Contents:
    """How many values of one column SQLite stores in each way."""

    integer: int
    real: int
    text: int
    blob: int
    empty: int  # '' among the texts
    dates: int  # texts that are ISO dates or times
    zoned: int  # of these, with a time zone

    @property
    def numbers(self) -> int:
        return self.integer + self.real


@dataclass
class SQLiteSnapshot(Closing):
    """One read transaction on a SQLite file."""

    path: Path
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)
    kept: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        location = f"file:{url_quote(str(self.path.absolute()))}?mode=ro"
        try:
            self._connection = sqlite3.connect(
                location, uri=True, isolation_level=None, check_same_thread=False
            )
            self._connection.text_factory = bytes
            self._connection.execute("BEGIN")
            self.tables = self._without_own(tuple(self._declared()))
        except sqlite3.Error as error:
            raise self._failed(error) from None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, in whose transaction all is read."""
        return self._connection

    def _failed(self, error: Exception) -> SourceError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return SourceError(
                f"the database {str(self.path)!r} is locked by another process",
                mend="let it finish writing, or read a copy of the file",
            )
        return SourceError(f"cannot read {str(self.path)!r}: {text}")

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        found = self._connection.execute(sql).fetchall()
        return [tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in r) for r in found]

    def _declared(self) -> Iterator[RawTable]:
        listed = self._rows(
            "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
        )
        shadows = self._shadow_tables()
        keys = {name: self._key(name) for name, kind in listed if kind == "table"}
        for name, kind in listed:
            if name in shadows:
                continue
            try:
                self._connection.execute(f"SELECT * FROM {quote(name)} LIMIT 0").fetchall()
                info = self._rows(f"PRAGMA table_xinfo({quote(name)})")
            except sqlite3.Error as error:
                if kind == "table" and "no such module" not in str(error):
                    raise
                self.notes.append(f"{kind} {name!r} cannot be read and is left out: {error}")
                continue
            columns = tuple(RawColumn(r[1], r[2] or "", not r[3]) for r in info if r[6] != 1)
            if kind == "view":
                yield RawTable(name, columns, is_view=True)
            else:
                yield RawTable(
                    name, columns, keys[name], tuple(self._unique(name)), tuple(self._foreign(name, keys))
                )

    def _without_own(self, tables: tuple[RawTable, ...]) -> tuple[RawTable, ...]:
        own = own_places({("", t.name): [c.name for c in t.columns] for t in tables})
        self.notes += remark(name for _, name in own)
        return tuple(t for t in tables if ("", t.name) not in own)

    def _shadow_tables(self) -> set[str]:
        """Tables that a full-text or spatial index keeps for itself."""
        try:
            return {r[0] for r in self._rows("SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
        except sqlite3.Error:
            return set()

    def _key(self, table: str) -> tuple[str, ...]:
        parts = [(r[5], r[1]) for r in self._rows(f"PRAGMA table_info({quote(table)})") if r[5]]
        return tuple(name for _, name in sorted(parts))

    def _unique(self, table: str) -> Iterator[tuple[str, ...]]:
        for row in self._rows(f"PRAGMA index_list({quote(table)})"):
            if row[2] and row[3] == "u" and not row[4]:
                names = [r[2] for r in self._rows(f"PRAGMA index_info({quote(row[1])})")]
                if all(names):
                    yield tuple(names)

    def _foreign(self, table: str, keys: dict[str, tuple[str, ...]]) -> Iterator[RawKey]:
        folded = {name.casefold(): name for name in keys}
        grouped: dict[int, list[tuple[Any, ...]]] = {}
        for row in self._rows(f"PRAGMA foreign_key_list({quote(table)})"):
            grouped.setdefault(row[0], []).append(row)
        for rows in reversed(grouped.values()):
            rows.sort(key=lambda r: r[1])
            parent = folded.get(rows[0][2].casefold())
            if parent is None:
                self.notes.append(f"{table!r} declares a link to {rows[0][2]!r}, which does not exist")
                continue
            theirs = tuple(r[4] for r in rows) if rows[0][4] is not None else keys[parent]
            if len(theirs) == len(rows):
                yield RawKey(
                    self._as_written(table, [r[3] for r in rows]), parent, self._as_written(parent, theirs)
                )

    def _as_written(self, table: str, names: Sequence[str]) -> tuple[str, ...]:
        """A foreign key may spell a column in another case than its table does."""
        known = {r[1].casefold(): r[1] for r in self._rows(f"PRAGMA table_xinfo({quote(table)})")}
        return tuple(known.get(n.casefold(), n) for n in names)

    @property
    def self_contained(self) -> bool:
        views = self._rows("SELECT sql FROM sqlite_master WHERE type = 'view'")
        return not any(_RISKY.search(sql) for (sql,) in views)

    def complete(self, table: str) -> bool:
        return False

    def mark(self, table: str) -> str | None:
        return None

    def estimate(self, table: str) -> int | None:
        try:
            found = self._rows(f"SELECT max(rowid) FROM {quote(table)}")
        except sqlite3.Error:
            return None
        return int(found[0][0] or 0) if isinstance(found[0][0], int | None) else None

    def read(self, table: str) -> pa.RecordBatchReader:
        raw = next(t for t in self.tables if t.name == table)
        try:
            contents = self._contents(raw)
        except sqlite3.Error as error:
            raise self._failed(error) from None
        makers = [self._maker(table, c, held) for c, held in zip(raw.columns, contents)]
        schema = pa.schema([(c.name, kind) for c, (kind, _) in zip(raw.columns, makers)])
        names = ", ".join(quote(c.name) for c in raw.columns)

        def batches() -> Iterator[pa.RecordBatch]:
            cursor = self._connection.execute(f"SELECT {names} FROM {quote(table)}")
            while rows := cursor.fetchmany(BATCH):
                columns = [make(values) for (_, make), values in zip(makers, zip(*rows))]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

        return stream(schema, batches(), self._failed)

    def _contents(self, raw: RawTable) -> list[Contents]:
        found: list[Contents] = []
        for start in range(0, len(raw.columns), COLUMNS_AT_ONCE):
            asked = []
            for column in raw.columns[start : start + COLUMNS_AT_ONCE]:
                c = quote(column.name)
                date = f"typeof({c}) = 'text' AND {c} GLOB '{_DATE}*' AND julianday({c}) IS NOT NULL"
                zone = f"({c} LIKE '%Z' OR {c} GLOB '*:[0-9][0-9]*[+-][0-9][0-9]:[0-9][0-9]')"
                asked += [f"total(typeof({c}) = '{kind}')" for kind in ("integer", "real", "text", "blob")]
                asked += [f"total({c} = '')", f"total({date})", f"total({date} AND {zone})"]
            row = self._connection.execute(f"SELECT {', '.join(asked)} FROM {quote(raw.name)}").fetchone()
            found += [Contents(*(int(n) for n in row[i : i + 7])) for i in range(0, len(row), 7)]
        return found

    def _maker(
        self, table: str, column: RawColumn, held: Contents
    ) -> tuple[pa.DataType, Callable[[Sequence[Any]], Any]]:
        """The Arrow type of one column and how its values become an array of it."""
        declared, here = column.native.upper(), f"{table}.{column.name}"
        texts = held.text - held.empty
        if held.blob and not held.text and not held.numbers:
            return pa.binary(), lambda values: pa.nulls(len(values), pa.binary())
        if not texts and held.numbers and not held.blob:
            if held.empty:
                self.notes.append(f"{here}: {plural(held.empty, 'empty text')} among numbers, read as NULL")
            if "BOOL" in declared and not held.real:
                return pa.bool_(), lambda values: pa.array([_number(v) for v in values]).cast(pa.bool_())
            is_float = held.real or any(n in declared for n in ("REAL", "FLOA", "DOUB", "DEC"))
            kind = pa.float64() if is_float else pa.int64()
            make = float if is_float else int
            return kind, lambda values: pa.array(
                [None if v is None or isinstance(v, bytes) else make(v) for v in values], kind
            )
        if any(n in declared for n in _TIME_NAMES) and texts and not held.numbers and not held.blob:
            if held.dates == texts:
                return self._time_maker(here, held)
            if held.dates:
                self.notes.append(
                    f"{here} is declared {column.native}, but {plural(texts - held.dates, 'value')} "
                    f"of {texts:,} cannot be read as a time: all of it is read as text"
                )
        if held.text and (held.numbers or held.blob):
            self.notes.append(
                f"{here} mixes types ({plural(held.numbers, 'number')}, {plural(held.text, 'text')}"
                + (f", {plural(held.blob, 'blob')}" if held.blob else "")
                + "): all of it is read as text"
            )
        return pa.string(), lambda values: self._texts(here, values)

    def _time_maker(self, here: str, held: Contents) -> tuple[pa.DataType, Callable[[Sequence[Any]], Any]]:
        if 0 < held.zoned < held.dates:
            raise DataError(
                f"{here} mixes times with a zone ({held.zoned:,}) and times without "
                f"({held.dates - held.zoned:,})",
                mend="write all of them in one way",
            )
        kind = pa.timestamp("us", tz="UTC" if held.zoned else None)
        if held.empty:
            self.notes.append(f"{here}: {plural(held.empty, 'empty text')} among times, read as NULL")

        def make(values: Sequence[Any]) -> Any:
            texts = text_array([v or None for v in values])[0]
            if held.zoned:
                texts = pc.replace_substring_regex(
                    texts, pattern="^([^ T]+)[ T]([0-9:]{5})", replacement=r"\1T\2"
                )
            return texts.cast(kind)

        return kind, make

    def _texts(self, here: str, values: Sequence[Any]) -> Any:
        array, bad = text_array([v if isinstance(v, bytes | None) else str(v).encode() for v in values])
        if bad:
            self.notes.append(f"{here}: {plural(bad, 'value')} not in UTF-8; the bad bytes are replaced")
        return array

    def close(self) -> None:
        self._connection.close()


def _number(value: Any) -> Any:
    return None if isinstance(value, bytes) else value
