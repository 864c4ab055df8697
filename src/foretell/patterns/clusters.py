"""Whom the rows of a table are about: the parent by which they are counted as alike.

It is the one through which most rows repeat: the customer of an order line rather than its order, so that
errors are not too small. Parents that are too few to resample from are passed over, unless there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from foretell.core.time import Instant
from foretell.patterns.mine.statement import moment
from foretell.patterns.rows import Path, RowsOf, text_of
from foretell.schema.model import Schema

ENOUGH = 30.0  # parents, counted as if they had equally many rows
LINKS = 2  # up


def paths_up(schema: Schema, table: str, most: int = LINKS) -> Iterator[Path]:
    """The ways up from a table, nearest first; none goes through the same table twice."""
    nearest: list[Path] = [()]
    for _ in range(most):
        further: list[Path] = []
        for path in nearest:
            seen = {table, *(k.parent for k in path)}
            start = path[-1].parent if path else table
            further += [(*path, k) for k in schema.links_up(start) if k.parent not in seen]
        yield from further
        nearest = further


def entity_of(cursor: Any, schema: Schema, table: str, split: Instant, paths: list[Path]) -> Path:
    """The path to the parent that rows before the split are grouped by; () where none repeats.

    Parents are counted as 1 / Σ share², which is their number where each has equally many rows.
    """
    held = []
    for path in paths:
        rows = RowsOf(schema, table)
        if not rows.can_reach(path):
            continue
        source = text_of(rows.select({"entity": rows.key(path)}))
        counted = (
            f"WITH sheet AS (\n{source}\n), counts AS (SELECT count(*) AS n FROM sheet\n"
            f'WHERE entity IS NOT NULL AND CAST("time" AS TIMESTAMP) < {moment(split)} GROUP BY entity)\n'
            "SELECT sum(n), sum(CAST(n AS DOUBLE) * n), count(*) FROM counts"
        )
        ((total, square, parents),) = cursor.execute(counted).fetchall()
        if parents and parents > 1 and total > 1.5 * parents:
            held.append((float(total) ** 2 / float(square), len(path), path))
    enough = [h for h in held if h[0] >= ENOUGH]
    if enough:
        return min(enough, key=lambda h: h[:2])[2]
    return max(held, key=lambda h: (h[0], -h[1]))[2] if held else ()


def has_repeats(cursor: Any, schema: Schema, table: str, columns: tuple[str, ...]) -> bool:
    """Whether a key names several rows, so that joining by it would multiply others."""
    names = [exp.column(exp.to_identifier(c, quoted=True)) for c in columns]
    known = exp.and_(*(exp.Not(this=exp.Is(this=n.copy(), expression=exp.Null())) for n in names))
    query = exp.select(*names).from_(exp.Table(this=exp.to_identifier(table, quoted=True))).where(known)
    several = exp.GT(this=exp.func("COUNT", exp.Star()), expression=exp.Literal.number(1))
    query = query.group_by(*(n.copy() for n in names)).having(several).limit(1)
    return bool(cursor.execute(text_of(query)).fetchall())
