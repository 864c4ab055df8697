"""A small database cut from a large one: some entities, all rows that belong to them, and what those name.

Every part of a database is a database: what must not move there must not move in the whole. Since the rows
that reach an entity are kept together, its features are the ones that the whole database gives it, up to what
its parents have from other entities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from foretell.core.text import plural
from foretell.schema.model import Link, Schema
from foretell.sources.naming import quote
from foretell.store.working import Store

ROWS = 60_000
"""A database of fewer rows is looked at whole; of a larger one about so many are taken."""
ENTITIES = 1_000
FEWEST = 50
DEPTH = 3
_CHOSEN = "\u2205 chosen \u2205"  # a name that no table has


@dataclass(frozen=True)
class Sample:
    """Tables by name, with some of a database's entities and rows."""

    frames: dict[str, pa.Table]
    entities: int
    all_entities: int
    all_rows: int

    @property
    def rows(self) -> int:
        return sum(f.num_rows for f in self.frames.values())

    @property
    def whole(self) -> bool:
        return self.rows == self.all_rows

    def __str__(self) -> str:
        if self.whole:
            return f"the whole database ({plural(self.rows, 'row')})"
        entities = plural(self.entities, "entity", "entities")
        of = f" of {self.all_entities:,}" if self.entities < self.all_entities else ""
        return f"{entities}{of} with rows that reach them ({self.rows:,} of {self.all_rows:,})"


def sample(
    store: Store, schema: Schema, entity: str, keys: pa.Table, *, rows: int = ROWS, seed: int = 0
) -> Sample:
    """The whole database where it is small, else entities with the rows that reach them: half of them from
    `keys` (columns named as in the entity's table), half drawn from the table.

    There are as many entities as `rows` allows; a table that would still be too large keeps a random part of
    its rows.
    """
    if _rows(store, schema) <= rows:
        return whole(store, schema, entity)
    count = ENTITIES
    while True:
        found = closed(store, schema, entity, keys, keyed=count // 2, drawn=count // 2, most=rows, seed=seed)
        if found.rows <= rows or count <= FEWEST:
            return found
        count = max(FEWEST, int(0.8 * count * rows / found.rows))


def whole(store: Store, schema: Schema, entity: str) -> Sample:
    """Every row of every table."""
    frames = {t.name: _read(store.connection, t.name, "") for t in schema.tables}
    count = frames[entity].num_rows
    return Sample(frames, count, count, _rows(store, schema))


def closed(
    store: Store,
    schema: Schema,
    entity: str,
    keys: pa.Table,
    *,
    keyed: int,
    drawn: int = 0,
    most: int | None = None,
    seed: int = 0,
) -> Sample:
    """At most `keyed` entities of `keys`, and `drawn` others, with the rows that reach them.

    A table keeps at most `most` of its rows that belong to the entities. Tables that no entity reaches are
    empty.
    """
    with store.cursor() as cursor:
        kept = _Kept(cursor, schema, seed)
        chosen = _keyed(cursor, entity, keys.slice(0, keyed))
        kept.add(entity, f"{chosen} UNION SELECT r FROM ({_drawn(entity, drawn, seed)})")
        for link in downward(schema, entity):
            kept.add(link.child, _children(link, schema), most)
        for _ in range(DEPTH):
            for link in schema.active_links:
                kept.add(link.parent, _parents(link, schema))
        frames = {t.name: _read(cursor, t.name, kept.where(t.name)) for t in schema.tables}
        kept.drop()
    return Sample(frames, frames[entity].num_rows, store.table(entity).rows, _rows(store, schema))


def _rows(store: Store, schema: Schema) -> int:
    return sum(store.table(t.name).rows for t in schema.tables)


class _Kept:
    """The row ids that are kept of each table, in temporary tables of a cursor."""

    def __init__(self, cursor: Any, schema: Schema, seed: int) -> None:
        self.cursor, self.seed = cursor, seed
        self.tables = [t.name for t in schema.tables]
        for name in self.tables:
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_kept(name)} (r BIGINT)")

    def add(self, name: str, found: str, most: int | None = None) -> None:
        """Keep the row ids that a SELECT of `r` finds, so that at most `most` are kept in all."""
        here = _kept(name)
        limit = ""
        if most is not None:
            count = self.cursor.execute(f"SELECT count(*) FROM {here}").fetchall()[0][0]
            limit = f"ORDER BY hash(r + {self.seed}), r LIMIT {max(0, most - count)}"
        new = f"SELECT DISTINCT r FROM ({found}) WHERE r NOT IN (SELECT r FROM {here}) {limit}"
        self.cursor.execute(f"INSERT INTO {here} {new}")

    def where(self, name: str) -> str:
        return f"WHERE rowid IN (SELECT r FROM {_kept(name)})"

    def drop(self) -> None:
        for name in self.tables:
            self.cursor.execute(f"DROP TABLE {_kept(name)}")


def _keyed(cursor: Any, entity: str, keys: pa.Table) -> str:
    """A SELECT of the row ids of the entities that have these keys."""
    named = ", ".join(quote(k) for k in keys.column_names)
    cursor.register(_CHOSEN, keys)
    held = quote(_CHOSEN + " keys")
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {held} AS SELECT {named} FROM {quote(_CHOSEN)}")
    cursor.unregister(_CHOSEN)
    on = " AND ".join(
        f"CAST(e.{quote(k)} AS VARCHAR) = CAST(g.{quote(k)} AS VARCHAR)" for k in keys.column_names
    )
    return f"SELECT e.rowid AS r FROM {quote(entity)} e JOIN {held} g ON {on}"


def _drawn(entity: str, count: int, seed: int) -> str:
    return f"SELECT rowid AS r FROM {quote(entity)} ORDER BY hash(rowid + {seed}), rowid LIMIT {count}"


def downward(schema: Schema, entity: str) -> list[Link]:
    """Links from the entity down, the nearest first; none leads back to the entity."""
    found: list[Link] = []
    level, reached = [entity], {entity}
    for _ in range(DEPTH):
        links = [k for name in level for k in schema.links_down(name) if k.child != entity]
        found += [k for k in links if k not in found and k.child != k.parent]
        level = list(dict.fromkeys(k.child for k in links if k.child not in reached))
        reached |= set(level)
    return found


def _children(link: Link, schema: Schema) -> str:
    return f"""SELECT c.rowid AS r FROM {quote(link.child)} c
        JOIN {quote(link.parent)} p ON {_met(link, schema)} JOIN {_kept(link.parent)} k ON k.r = p.rowid"""


def _parents(link: Link, schema: Schema) -> str:
    return f"""SELECT p.rowid AS r FROM {quote(link.parent)} p
        JOIN {quote(link.child)} c ON {_met(link, schema)} JOIN {_kept(link.child)} k ON k.r = c.rowid"""


def _met(link: Link, schema: Schema) -> str:
    """The join condition of a link between c, the child, and p, the parent."""
    tests = []
    for ours, theirs in zip(link.child_columns, link.parent_columns):
        left, right = f"c.{quote(ours)}", f"p.{quote(theirs)}"
        if schema.table(link.child).column(ours).dtype != schema.table(link.parent).column(theirs).dtype:
            left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
        tests.append(f"{left} = {right}")
    return " AND ".join(tests)


def _kept(name: str) -> str:
    return quote(f"\u2205 kept \u2205 {name}")


def _read(cursor: Any, name: str, where: str) -> pa.Table:
    """The table's kept rows, in their order."""
    return cursor.sql(f"SELECT * FROM {quote(name)} {where} ORDER BY rowid").to_arrow_table()
