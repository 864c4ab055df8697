"""The rows of a table as a SELECT over the database as it is: with their parents, and the time of each row.

Parents are joined as they were known at the row's time. One that takes its own time from further up is left
out. What a sheet is made of and what a finding prints is this same SELECT.
"""

from __future__ import annotations

from typing import TypeAlias

from sqlglot import exp

from foretell.plan.build import DIALECT, col, joined_on, raw
from foretell.plan.prepare import read, visible_from
from foretell.schema.model import Column, DType, Link, Schema

Path: TypeAlias = tuple[Link, ...]
"""Links up from a table: to a parent, to the parent's parent."""


class RowsOf:
    """A SELECT of one row per visible row of a timed table; columns are added one by one."""

    def __init__(self, schema: Schema, table: str) -> None:
        self.schema = schema
        self.table = table
        self._aliases: dict[Path, str] = {(): "t"}
        self._joins: list[tuple[exp.Expr, exp.Expr]] = []
        found = schema.time_path(table)
        assert found is not None, f"{table} has no time"
        self.time_links: Path = tuple(h.link for h in found[0])
        for n in range(1, len(self.time_links) + 1):
            self._join(self.time_links[:n], as_known=False)
        moment = self._read(self.time_links, schema.table(self.end(self.time_links)).column(found[1]))
        for n in range(len(self.time_links), -1, -1):
            moment = visible_from(schema.table(self.end(self.time_links[:n])), moment)
        self.time = moment

    def end(self, path: Path) -> str:
        """The table that a path leads to."""
        return path[-1].parent if path else self.table

    def can_reach(self, path: Path) -> bool:
        """Whether the parents on a path have times of their own, or none."""
        ends = [self.end(path[:n]) for n in range(1, len(path) + 1)]
        return path == self.time_links[: len(path)] or all(
            self.schema.table(e).time_column is not None or not self.schema.is_timed(e) for e in ends
        )

    def value(self, path: Path, column: str) -> exp.Expr:
        """A column of the row, or of a parent as it was known at the row's time."""
        for n in range(1, len(path) + 1):
            self._join(path[:n], as_known=True)
        return self._read(path, self.schema.table(self.end(path)).column(column))

    def key(self, path: Path) -> exp.Expr:
        """What names the parent at the end of a path: the key that points at it, as text if of several
        columns.
        """
        *before, link = path
        parts = [self.value(tuple(before), c) for c in link.child_columns]
        if len(parts) == 1:
            return parts[0]
        texts = [exp.cast(p, "VARCHAR") for p in parts]
        known = exp.and_(*(exp.Not(this=exp.Is(this=p.copy(), expression=exp.Null())) for p in parts))
        return exp.Case().when(known, exp.func("CONCAT_WS", exp.Literal.string(" "), *texts))

    def join(self, relation: exp.Expr, on: exp.Expr) -> None:
        """Join something else, of at most one row for each."""
        self._joins.append((relation, on))

    def select(self, columns: dict[str, exp.Expr]) -> exp.Select:
        """The SELECT with these columns, after "time"; rows without a time are never visible."""
        named = [v.copy().as_(n, quoted=True) for n, v in {"time": self.time, **columns}.items()]
        query = exp.select(*named).from_(raw(self.table, "t"))
        for relation, on in self._joins:
            query = query.join(relation.copy(), on=on.copy(), join_type="LEFT")
        return query.where(exp.Not(this=exp.Is(this=self.time.copy(), expression=exp.Null())))

    def sampled(self, query: exp.Select, one_in: int) -> exp.Select:
        """One in so many of the rows, chosen by a hash of the key: the same ones in each run."""
        source = self.schema.table(self.table)
        names = source.primary_key or tuple(c.name for c in source.columns if c.dtype is not DType.OTHER)
        empty = exp.Literal.string("")
        texts = [exp.func("COALESCE", exp.cast(col("t", c), "VARCHAR"), empty) for c in names]
        hashed = exp.Anonymous(
            this="md5_number_lower", expressions=[exp.func("CONCAT_WS", exp.Literal.string(" "), *texts)]
        )
        left = exp.Mod(this=hashed, expression=exp.Literal.number(one_in))
        return query.where(exp.EQ(this=left, expression=exp.Literal.number(0)))

    def _join(self, path: Path, *, as_known: bool) -> None:
        if path in self._aliases:
            return
        link, alias = path[-1], f"p{len(self._aliases)}"
        child = self._aliases[path[:-1]]
        self._aliases[path] = alias
        on = self._as_read(
            joined_on(link, child, alias, self.schema), {child: link.child, alias: link.parent}
        )
        parent = self.schema.table(link.parent)
        if as_known and parent.time_column is not None:
            known = visible_from(parent, self._read(path, parent.column(parent.time_column)))
            on = exp.and_(on, exp.LTE(this=known, expression=self.time.copy()))
        self._joins.append((raw(link.parent, alias), on))

    def _read(self, path: Path, column: Column) -> exp.Expr:
        return _of(read(column, self.schema), self._aliases[path])

    def _as_read(self, condition: exp.Expr, tables: dict[str, str]) -> exp.Expr:
        """A join condition whose columns are read as times where they are times."""

        def change(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and node.table in tables:
                return _of(
                    read(self.schema.table(tables[node.table]).column(node.name), self.schema), node.table
                )
            return node

        return condition.transform(change)


def _of(value: exp.Expr, alias: str) -> exp.Expr:
    """An expression over a raw row `r`, of the row `alias`."""

    def change(node: exp.Expr) -> exp.Expr:
        return col(alias, node.name) if isinstance(node, exp.Column) and node.table == "r" else node

    return value.transform(change)


def text_of(query: exp.Expr) -> str:
    """A query as DuckDB reads it."""
    return query.sql(dialect=DIALECT, pretty=True)
