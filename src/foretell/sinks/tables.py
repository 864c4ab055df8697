"""What the SQL sinks share: the tables of a destination, and the one transaction that a run is written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from foretell.core.errors import UsageError
from foretell.core.time import Instant
from foretell.sinks.base import (
    FORMAT,
    Column,
    Names,
    Run,
    head_columns,
    other_key,
    taken_by_others,
    tried,
    whole,
)
from foretell.sources.own import HEAD, MARK, POINTERS, RUNS, own_places

CUTOFF = "cutoff"


@dataclass(frozen=True)
class Held:
    """A table or view that is there: its columns, and their types in the database's words."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    is_view: bool = False


@dataclass(frozen=True)
class Dialect:
    """How a database writes what all of them are asked.

    `types` are the SQL types of id, key, text, integer, number, truth and moment; `value` stands for a bound
    value, `view` begins the statement that makes or replaces a view, `after` ends that which makes a table.
    """

    types: Mapping[str, str]
    value: str = "?"
    view: str = "CREATE OR REPLACE VIEW"
    after: str = ""


class Session(Protocol):
    """An open connection that a run is written through. Its errors are WriteErrors."""

    @property
    def dialect(self) -> Dialect: ...

    def place(self, name: str) -> str:
        """A table's name as SQL."""
        ...

    def quote(self, name: str) -> str:
        """A column's name as SQL."""
        ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; what it gives."""
        ...

    def moment(self, instant: Instant) -> Any:
        """An instant as a bound value."""
        ...

    def native(self, column: Column) -> str | None:
        """A key column's own type, if a key here can have it."""
        ...

    def begin(self, to: str) -> None:
        """Wait until nobody else writes to the destination, and begin the transaction that holds all that
        this database can do in one.
        """
        ...

    def there(self, names: Sequence[str]) -> dict[str, Held]:
        """Which of the names are taken, whatever their case; under the names that they have."""
        ...

    def start(self) -> None:
        """The tables are there, rows follow: begin their transaction, where making tables ended the first."""
        ...

    def append(self, to: str, columns: Sequence[str], parts: Iterator[pa.Table]) -> None:
        """Add rows to a table."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


def write_through(
    opened: Callable[[], Session], to: str, run: Run, columns: Sequence[Column], table: pa.Table
) -> bool:
    """Write a run through a session that is opened for it, and again where its end is uncertain."""

    def once() -> bool:
        with closing(opened()) as session:
            return write_run(session, to, run, columns, table)

    return tried(once)


def write_run(session: Session, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
    """Write a run through an open session, whole or not at all; False if it was there."""
    names = Names.of(to)
    all_columns = [*head_columns(), *columns]
    session.begin(to)
    try:
        held = _own(session, names)
        if names.rows in held:
            _same_key(names, held[names.rows], columns)
        if names.runs in held and _is_written(session, names, run.run_id):
            session.rollback()
            return False
        _make(session, names, held, all_columns)
        session.start()
        session.append(names.rows, [c.name for c in all_columns], whole(run, table))
        _record(session, names, run)
        _point(session, names, run)
        session.commit()
    except BaseException:
        with suppress(Exception):
            session.rollback()
        raise
    return True


def _own(session: Session, names: Names) -> dict[str, Held]:
    """The destination's tables that are there; a UsageError where one is not foretell's."""
    held = session.there(names.all)
    spelt = [n for n in held if n not in names.all]
    if spelt:
        raise UsageError(
            f"{names.rows!r} cannot be written: {spelt[0]!r} is there already, which differs in case alone",
            mend="write the name as it is there, or choose another",
        )
    own = {table for _, table in own_places({("", n): h.columns for n, h in held.items()})}
    views = {n for n, h in held.items() if h.is_view}
    others = [n for n in held if n not in own or (n in views) != (n == names.latest)]
    if others:
        raise taken_by_others(others)
    if names.runs in held:
        newest = session.rows(f"SELECT max({session.quote(MARK)}) FROM {session.place(names.runs)}")[0][0]
        if newest is not None and newest > FORMAT:
            raise UsageError(
                f"{names.rows!r} was written by a newer release of foretell (format {newest})",
                mend="pip install --upgrade foretell",
            )
    return held


def _same_key(names: Names, held: Held, columns: Sequence[Column]) -> None:
    end = held.columns.index(CUTOFF) if CUTOFF in held.columns else len(HEAD)
    found, wanted = held.columns[len(HEAD) : end], [c.name for c in columns if c.key]
    if [f.casefold() for f in found] != [w.casefold() for w in wanted]:
        raise other_key(names.rows, found, wanted)
    types = {n.casefold(): t for n, t in zip(held.columns, held.types)}
    for column in columns:
        there = types.get(column.name.casefold())
        if there is not None and not column.key and _rough(there) != _rough_of(column.type):
            raise UsageError(
                f"column {column.name!r} of {names.rows!r} is {there}, these predictions are {column.type}",
                mend="write them to another table: --to NAME",
            )


def _rough(native: str) -> str:
    """What kind of values a declared type is of.

    >>> [_rough(t) for t in ("double precision", "tinyint(1)", "DATETIME(6)", "VARCHAR", "BIGINT")]
    ['number', 'truth', 'moment', 'text', 'integer']
    """
    name = native.upper()
    for kind, parts in (
        ("truth", ("BOOL", "TINYINT(1)")),
        ("moment", ("DATE", "TIME")),
        ("number", ("DOUB", "REAL", "FLOA")),
        ("integer", ("INT",)),
    ):
        if any(p in name for p in parts):
            return kind
    return "text"


def _rough_of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "truth"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    return "moment" if pa.types.is_timestamp(kind) else "text"


def _is_written(session: Session, names: Names, run_id: str) -> bool:
    asked = f"SELECT count(*) FROM {session.place(names.runs)} WHERE run_id = {session.dialect.value}"
    return bool(session.rows(asked, (run_id,))[0][0])


def _make(session: Session, names: Names, held: Mapping[str, Held], columns: Sequence[Column]) -> None:
    """Make the tables that are missing, the runs first, by which the others are known; add new columns."""
    types = session.dialect.types
    if names.runs not in held:
        kinds = ("id", "id", "integer", "id", "text", "moment", "id", "integer", "moment", "integer")
        fields = [f"{session.quote(n)} {types[k]} NOT NULL" for n, k in zip(RUNS, kinds)]
        _create(session, names.runs, fields, ["run_id"])
    if names.pointers not in held:
        fields = [f"{session.quote(n)} {types[k]} NOT NULL" for n, k in zip(POINTERS, ("id", "id", "moment"))]
        _create(session, names.pointers, fields, ["model"])
    new: list[Column] = []
    if names.rows not in held:
        fields = [f"{session.quote(c.name)} {_type(session, c)}" for c in columns]
        _create(session, names.rows, fields, ["run_id", *(c.name for c in columns if c.key)])
    else:
        known = {n.casefold() for n in held[names.rows].columns}
        new = [c for c in columns if c.name.casefold() not in known]
        for column in new:
            added = f"{session.quote(column.name)} {_type(session, column)}"
            session.rows(f"ALTER TABLE {session.place(names.rows)} ADD COLUMN {added}")
    if names.latest not in held or new:
        session.rows(
            f"{session.dialect.view} {session.place(names.latest)} AS SELECT p.* "
            f"FROM {session.place(names.rows)} AS p "
            f"JOIN {session.place(names.pointers)} AS l ON l.run_id = p.run_id"
        )


def _create(session: Session, name: str, fields: Sequence[str], key: Sequence[str]) -> None:
    parts = ", ".join([*fields, f"PRIMARY KEY ({', '.join(session.quote(k) for k in key)})"])
    session.rows(f"CREATE TABLE {session.place(name)} ({parts}){session.dialect.after}")


def _type(session: Session, column: Column) -> str:
    types = session.dialect.types
    if column.name in HEAD[:2]:
        return f"{types['id']} NOT NULL"
    rough = _rough_of(column.type)
    if not column.key:
        return types[rough]
    return session.native(column) or types["key" if rough == "text" else rough]


def _record(session: Session, names: Names, run: Run) -> None:
    values = (
        run.run_id,
        run.model,
        run.version,
        run.sha256,
        run.query or "",
        session.moment(run.cutoff),
        run.snapshot,
        run.rows,
        session.moment(run.written_at),
        FORMAT,
    )
    marks = ", ".join([session.dialect.value] * len(values))
    fields = ", ".join(map(session.quote, RUNS))
    session.rows(f"INSERT INTO {session.place(names.runs)} ({fields}) VALUES ({marks})", values)


def _point(session: Session, names: Names, run: Run) -> None:
    """Let the latest be this run, unless the model has one of a later cutoff."""
    place, v = session.place(names.pointers), session.dialect.value
    cutoff = session.moment(run.cutoff)
    there = session.rows(f"SELECT count(*) FROM {place} WHERE model = {v}", (run.model,))[0][0]
    if not there:
        session.rows(
            f"INSERT INTO {place} (model, run_id, cutoff) VALUES ({v}, {v}, {v})",
            (run.model, run.run_id, cutoff),
        )
        return
    session.rows(
        f"UPDATE {place} SET run_id = {v}, cutoff = {v} WHERE model = {v} AND cutoff <= {v}",
        (run.run_id, cutoff, run.model, cutoff),
    )
