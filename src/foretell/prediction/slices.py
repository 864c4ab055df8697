"""The part of a database that a model reads of some entities, and that part as a small open database.

Rows are followed along the paths of the model's plan, hop by hop, each hop one query by keys. What has no
such paths (the level of everybody's labels) is named, and left to whoever holds the whole database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import DataError
from foretell.core.progress import QUIET
from foretell.core.text import plural
from foretell.core.time import Instant
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import FeatureSet
from foretell.graph.tree import tree
from foretell.models.fitted import FittedModel
from foretell.models.net import NetFitted
from foretell.plan import nodes
from foretell.plan.build import SPACE
from foretell.plan.prepare import tie_breakers, used
from foretell.plan.reach import (
    Reach,
    columns_read,
    everybody,
    looks_back,
    reach_of_features,
    reach_of_target,
    with_times,
)
from foretell.prediction.database import OpenDatabase
from foretell.schema.model import Hop, Schema, Table
from foretell.sources.base import RawColumn, RawTable
from foretell.sources.naming import quote
from foretell.sources.rows import ARROW, Keys, Reader, as_key
from foretell.sources.rows_duckdb import ends, select
from foretell.store import Store
from foretell.store.staging import SQL_TYPES
from foretell.store.working import StoredTable
from foretell.task.model import Task

MOST = 200_000
"""A slice has at most so many rows: beyond, the whole database is read as fast."""


class TooWideError(DataError):
    """A slice would hold more rows than it may. `hops` is the path on which the last of them lay."""

    def __init__(self, message: str, hops: tuple[Hop, ...]) -> None:
        super().__init__(message, mend="score with the whole database: model.predict")
        self.hops = hops


@dataclass(frozen=True)
class Footprint:
    """What a model reads of one entity: the tree of hops from its row, and the columns of each table.

    `everybody` are the features that read everybody's rows, which no slice holds.
    """

    task: Task
    features: FeatureSet
    reach: Reach
    columns: Mapping[str, tuple[str, ...]]
    everybody: frozenset[str]
    begins: tuple[str, ...]
    """Tables with whose first row the entity's earlier labels begin."""


def footprint(task: Task, features: FeatureSet, fitted: FittedModel | None = None) -> Footprint:
    """What the features of a task read, and with a fitted model what its nets read as well."""
    plan = feature_plan(task, features)
    far = everybody(plan)
    near = features.select(set(features.names) - far)
    plans: list[nodes.FeaturePlan | nodes.Target] = [feature_plan(task, near)]
    reach = Reach(task.entity.name)
    reach_of_features(reach, feature_plan(task, near))
    plans.append(target_plan(task))
    reach_of_target(reach, target_plan(task))
    relational = fitted is not None and fitted.is_relational
    for fanout in _fanouts(fitted) if fitted is not None else ():
        ends = [reach]
        for branch in tree(task, fanout):
            start = ends[branch.start + 1]
            ends.append(start.walk((branch.hop,)))
    with_times(reach, task.schema)
    begins = {a.events.table for t in looks_back(feature_plan(task, near)) for a in t.aggregates}
    if relational:
        begins |= {a.events.table for a in target_plan(task).aggregates}
    return Footprint(
        task,
        features,
        reach,
        _columns(task.schema, reach, plans, whole=relational),
        far,
        tuple(sorted(begins)),
    )


def walking(task: Task, features: FeatureSet, hops: tuple[Hop, ...]) -> frozenset[str]:
    """The features that read rows along these hops."""
    found = set()
    for feature in features.features:
        reach = Reach(task.entity.name)
        reach_of_features(reach, feature_plan(task, FeatureSet((feature,))))
        with_times(reach, task.schema)
        if hops in reach.paths():
            found.add(feature.name)
    return frozenset(found)


def _fanouts(fitted: FittedModel) -> Iterator[Any]:
    for member in fitted.members:
        if isinstance(member, NetFitted):
            yield member.recipe.fanout


def _columns(
    schema: Schema, reach: Reach, plans: Sequence[nodes.FeaturePlan | nodes.Target], *, whole: bool
) -> dict[str, tuple[str, ...]]:
    """The columns that are fetched of each table: what is read, keys and links, and what orders its rows."""
    read = columns_read(plans, schema)
    ends: dict[str, set[str]] = {name: set() for name in reach.tables}
    for path in reach.paths():
        link = path[-1].link
        ends[link.child] |= set(link.child_columns)
        ends[link.parent] |= set(link.parent_columns)
    found = {}
    for name in reach.tables:
        table = schema.table(name)
        wanted = ends[name] | read.get(name, set()) | set(tie_breakers(table)) | {table.time_column}
        found[name] = tuple(c.name for c in table.columns if used(c, table) and (whole or c.name in wanted))
    return found


@dataclass
class Slice:
    """Rows that were read, by table, with the keys by which they were looked for."""

    schema: Schema
    columns: Mapping[str, tuple[str, ...]]
    parts: dict[str, list[pa.Table]] = field(default_factory=dict)
    asked: dict[str, dict[tuple[str, ...], set[tuple[Any, ...]]]] = field(default_factory=dict)
    rows: int = 0

    def table(self, name: str) -> pa.Table:
        """All rows of a table so far, each once."""
        parts = self.parts.get(name)
        if not parts:
            return _empty(self.schema.table(name), self.columns[name])
        if len(parts) > 1:
            self.parts[name] = parts = [pa.concat_tables(parts).combine_chunks()]
        return parts[0]

    def frames(self) -> dict[str, pa.Table]:
        """What was read, by table."""
        return {name: self.table(name) for name in self.columns}


def read_slice(
    reader: Reader, print_: Footprint, keys: Keys, *, most: int = MOST, wide: Mapping[Any, Any] | None = None
) -> dict[str, pa.Table]:
    """The rows of every table that a model reads of the entities with these keys, as they are now.

    Columns have the types of the schema. More than `most` rows are TooWideError.
    """
    schema, task = print_.task.schema, print_.task
    taken = Slice(schema, print_.columns)
    own = schema.table(task.entity.name)
    wanted = [tuple(as_key(v, own.column(c).dtype) for v, c in zip(k, task.entity_key)) for k in keys]
    wanted = [k for k in wanted if None not in k]
    with reader.reading():
        _fetch(reader, taken, own, task.entity_key, wanted, most, ())
        start = _those(taken.table(own.name), task.entity_key, set(wanted))
        level: list[tuple[tuple[Hop, ...], Reach, pa.Table]] = [((), print_.reach, start)]
        while level:
            _read_level(reader, taken, level, most)
            level = [
                ((*path, hop), after, _reached(taken, hop, rows))
                for path, at, rows in level
                for hop, after in at.steps.items()
            ]
    return taken.frames()


def _read_level(
    reader: Reader, taken: Slice, level: Sequence[tuple[tuple[Hop, ...], Reach, pa.Table]], most: int
) -> None:
    """Fetch what the hops from these rows lead to, one query for each table and its columns."""
    wanted: dict[tuple[str, tuple[str, ...]], tuple[set[tuple[Any, ...]], tuple[Hop, ...]]] = {}
    for path, at, rows in level:
        for hop in at.steps:
            ours, theirs = _sides(hop)
            keys = _values(taken.schema, hop, rows, ours, theirs)
            known, _ = wanted.setdefault((hop.end, theirs), (set(), (*path, hop)))
            known |= keys
    for (name, by), (keys, path) in wanted.items():
        keys = keys - taken.asked.get(name, {}).get(by, set())
        if keys:
            _fetch(reader, taken, taken.schema.table(name), by, sorted(keys, key=repr), most, path)


def _fetch(
    reader: Reader,
    taken: Slice,
    table: Table,
    by: tuple[str, ...],
    keys: Keys,
    most: int,
    path: tuple[Hop, ...],
) -> None:
    if not keys:
        return
    left = most - taken.rows
    found = reader.rows(table, taken.columns[table.name], by, keys, left + 1)
    if found.num_rows > left:
        walked = " → ".join(str(h) for h in path)
        raise TooWideError(
            f"more than {plural(most, 'row')} would be read of {table.name!r} by {walked}", path
        )
    asked = taken.asked.setdefault(table.name, {})
    for columns, seen in asked.items():
        if columns != by:  # rows that were found by other columns are there already
            found = _those(found, columns, seen, without=True)
    asked.setdefault(by, set()).update(keys)
    taken.parts.setdefault(table.name, []).append(found)
    taken.rows += found.num_rows


def _sides(hop: Hop) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns by which a hop leaves a row, and those by which it finds the next."""
    link = hop.link
    ours, theirs = link.child_columns, link.parent_columns
    return (ours, theirs) if hop.up else (theirs, ours)


def _values(
    schema: Schema, hop: Hop, rows: pa.Table, ours: tuple[str, ...], theirs: tuple[str, ...]
) -> set[tuple[Any, ...]]:
    """The different keys of rows, as the columns at the other end have them; a NULL leads nowhere."""
    if len(ours) == 1:
        parts = [rows.column(ours[0]).unique().to_pylist()]
        pairs = [(v,) for v in parts[0]]
    else:
        pairs = list(dict.fromkeys(zip(*(rows.column(c).to_pylist() for c in ours))))
    kinds = [schema.table(hop.end).column(c).dtype for c in theirs]
    own = [schema.table(hop.start).column(c).dtype for c in ours]
    if kinds != own:
        pairs = [tuple(as_key(v, k) for v, k in zip(p, kinds)) for p in pairs]
    return {p for p in pairs if None not in p}


def _reached(taken: Slice, hop: Hop, rows: pa.Table) -> pa.Table:
    """The rows that a hop leads to from these."""
    ours, theirs = _sides(hop)
    return _those(taken.table(hop.end), theirs, _values(taken.schema, hop, rows, ours, theirs))


def _those(
    rows: pa.Table, by: tuple[str, ...], keys: set[tuple[Any, ...]], *, without: bool = False
) -> pa.Table:
    """The rows that have one of the keys, or all but those."""
    if not rows.num_rows:
        return rows
    if len(by) == 1:
        kind = rows.schema.field(by[0]).type
        mask = pc.is_in(rows.column(by[0]), pa.array([k[0] for k in keys], kind))
        return rows.filter(pc.invert(mask) if without else mask)
    there = [k in keys for k in zip(*(rows.column(c).to_pylist() for c in by))]
    return rows.filter(pa.array([not t for t in there] if without else there, pa.bool_()))


def _empty(table: Table, columns: Sequence[str]) -> pa.Table:
    return pa.table({c: pa.array([], ARROW[table.column(c).dtype]) for c in columns})


class WorkingRows:
    """Rows of an open database's working copy, as they were when it was opened."""

    def __init__(self, database: OpenDatabase) -> None:
        self.name = database.name
        self._connection = database.store.cursor()
        self._natives = {
            name: {c: RawColumn(c, SQL_TYPES[dtype]) for c, dtype in table.dtypes.items()}
            for name, table in database.store.tables.items()
        }

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        raw = self._natives[table.name]
        return select(self._connection, quote(table.name), raw, table, columns, by, keys, most)

    def ends(self, table: Table, column: str) -> pa.Table:
        return ends(self._connection, quote(table.name), self._natives[table.name], table, column)

    def close(self) -> None:
        self._connection.close()


class SliceStore(Store):
    """A working copy of a few rows that are held as Arrow; SQL sees a table once something asks for it."""

    def __init__(self, connection: Any, frames: Mapping[str, pa.Table], schema: Schema) -> None:
        super().__init__(connection, Path())
        for table in schema.tables:
            held = frames.get(table.name)
            columns = [c for c in table.columns if used(c, table)]
            rows = held.num_rows if held is not None else 0
            arrays = [
                held.column(c.name)
                if held is not None and c.name in held.column_names
                else pa.chunked_array([pa.nulls(rows, ARROW[c.dtype])])
                for c in columns
            ]
            self._held[table.name] = pa.Table.from_arrays(arrays, names=[c.name for c in columns])
            raw = RawTable(table.name, tuple(RawColumn(c.name, c.native) for c in columns))
            self.tables[table.name] = StoredTable(table.name, raw, {c.name: c.dtype for c in columns}, rows)
        self._shown = False

    def cursor(self) -> Any:
        """The one connection, in which the tables go under their names."""
        if not self._shown:
            self._shown = True
            for name, table in self._held.items():
                self.connection.register(name, table)
        return self.connection

    def close(self) -> None:
        """Nothing to do: the connection is lent."""


class Benches:
    """In-memory DuckDBs to open slices in. Each is lent to one slice at a time, and kept for the next: making
    one takes longer than all else.
    """

    def __init__(self) -> None:
        self._free: list[Any] = []

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """A connection of one's own; what was made on it is gone afterwards."""
        try:
            home = self._free.pop()
        except IndexError:
            home = duckdb.connect(config={"threads": 1})
            home.execute("SET TimeZone = 'UTC'")
        try:
            with home.cursor() as connection:
                yield connection
            home.execute(f"DROP SCHEMA IF EXISTS {SPACE} CASCADE")
        except BaseException:
            home.close()
            raise
        self._free.append(home)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()


@contextmanager
def open_slice(
    frames: Mapping[str, pa.Table],
    schema: Schema,
    *,
    name: str = "a slice",
    begins: Mapping[str, Instant] | None = None,
    benches: Benches | None = None,
) -> Iterator[OpenDatabase]:
    """A few rows as an open database with a model's own schema: nothing is discovered, nothing is checked.

    `begins` are the first instants of tables in the whole database: labels are made from there on.
    """
    place = Benches() if benches is None else benches
    try:
        with place.lent() as connection:
            store = SliceStore(connection, frames, schema)
            opened = OpenDatabase(name, store, schema, threads=1, now=None, progress=QUIET)
            opened.engine.begins = begins or {}
            yield opened
    finally:
        if benches is None:
            place.close()
