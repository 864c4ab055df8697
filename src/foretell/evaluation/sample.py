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
    frames = {t.name: _fetch(store.connection, f"SELECT * FROM {quote(t.name)}") for t in schema.tables}
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
    cursor = store.cursor()
    kept = _Kept(cursor, schema, seed)
    try:
        kept.entities(entity, keys.slice(0, keyed), drawn)
        links = downward(schema, entity)
        for child in dict.fromkeys(k.child for k in links):
            kept.children(child, [k for k in links if k.child == child and k.parent in kept.made], most)
        for _ in range(DEPTH):
            for link in schema.active_links:
                if link.child in kept.made:
                    kept.parents(link)
        frames = {t.name: kept.read(t.name) for t in schema.tables}
    finally:
        kept.drop()
        cursor.close()
    return Sample(frames, frames[entity].num_rows, store.table(entity).rows, _rows(store, schema))


def _rows(store: Store, schema: Schema) -> int:
    return sum(store.table(t.name).rows for t in schema.tables)


class _Kept:
    """The rows that are kept of each table, in temporary tables of a cursor."""

    def __init__(self, cursor: Any, schema: Schema, seed: int) -> None:
        self.cursor, self.schema, self.seed = cursor, schema, seed
        self.made: list[str] = []

    def entities(self, name: str, keys: pa.Table, drawn: int) -> None:
        """The rows of the entities with these keys, and of `drawn` others."""
        named = ", ".join(quote(k) for k in keys.column_names)
        table, chosen = quote(name), quote(_CHOSEN)
        self.cursor.register(_CHOSEN, keys)
        others = f"SELECT {named} FROM {table} ORDER BY hash({named}, {self.seed}) LIMIT {drawn}"
        on = " AND ".join(
            f"CAST(c.{quote(k)} AS VARCHAR) = CAST(k.{quote(k)} AS VARCHAR)" for k in keys.column_names
        )
        both = f"SELECT {named} FROM {chosen} UNION ALL SELECT {named} FROM ({others})"
        self.add(name, f"SELECT c.* FROM {table} c SEMI JOIN ({both}) k ON {on}")
        self.cursor.unregister(_CHOSEN)

    def children(self, name: str, links: list[Link], most: int | None) -> None:
        """The rows that point at a kept row by any of the links, at most `most` of them."""
        tests = [f"EXISTS (SELECT 1 FROM {_kept(k.parent)} p WHERE {_met(k, self.schema)})" for k in links]
        limit = f" ORDER BY hash(c, {self.seed}) LIMIT {most}" if most is not None else ""
        self.add(name, f"SELECT c.* FROM {quote(name)} c WHERE {' OR '.join(tests)}{limit}")

    def parents(self, link: Link) -> None:
        """The rows that a link's kept rows point at."""
        wanted = f"EXISTS (SELECT 1 FROM {_kept(link.child)} c WHERE {_met(link, self.schema)})"
        query = f"SELECT p.* FROM {quote(link.parent)} p WHERE {wanted}"
        if link.parent in self.made:
            same = " AND ".join(f"h.{quote(k)} = p.{quote(k)}" for k in link.parent_columns)
            query += f" AND NOT EXISTS (SELECT 1 FROM {_kept(link.parent)} h WHERE {same})"
        self.add(link.parent, query)

    def add(self, name: str, query: str) -> None:
        if name in self.made:
            self.cursor.execute(f"INSERT INTO {_kept(name)} {query}")
        else:
            self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {_kept(name)} AS {query}")
            self.made.append(name)

    def read(self, name: str) -> pa.Table:
        """The kept rows, in the same order each time."""
        if name not in self.made:
            return _fetch(self.cursor, f"SELECT * FROM {quote(name)} LIMIT 0")
        return _fetch(self.cursor, f"SELECT * FROM {_kept(name)} c ORDER BY hash(c)")

    def drop(self) -> None:
        for name in self.made:
            self.cursor.execute(f"DROP TABLE {_kept(name)}")


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


def _fetch(cursor: Any, query: str) -> pa.Table:
    return cursor.sql(query).to_arrow_table()
