"""Numbers that say where a row stands in a sequence (the minute of a goal, the innings of a ball).

They run along with the rows of one parent, so their mean says little and their total nothing: they describe
a row, and are no outcome of it.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from foretell.core.time import Instant
from foretell.patterns.mine.statement import moment
from foretell.patterns.rows import RowsOf, text_of
from foretell.plan.build import col
from foretell.schema.model import Schema, Semantic

PARENTS = 2  # links that are looked along, those to the most parents
ROWS = 200_000  # looked at, about
STEPS = 50  # changes from one row to the next, at least
UP = 0.9  # of which go up


def positions(cursor: Any, schema: Schema, table: str, split: Instant) -> frozenset[str]:
    """The numeric columns of a table that rise along the rows of a parent, judged before the split."""
    source = schema.table(table)
    numbers = [c.name for c in source.columns if c.semantic is Semantic.NUMERIC and not c.ignored]
    links = sorted(schema.links_up(table), key=lambda k: (-schema.table(k.parent).rows, k.name))
    if not numbers or not source.primary_key:
        return frozenset()
    found: set[str] = set()
    for link in links[:PARENTS]:
        rows = RowsOf(schema, table)
        asked: dict[str, exp.Expr] = {"parent": rows.key((link,))}
        asked |= {f"k{i}": col("t", key) for i, key in enumerate(source.primary_key)}
        asked |= {
            f"x{i}": exp.TryCast(this=rows.value((), n), to=exp.DataType.build("DOUBLE"))
            for i, n in enumerate(numbers)
        }
        one_in = max(1, source.rows // ROWS)
        some = f"md5_number_lower(CAST(parent AS VARCHAR)) % {one_in} = 0 AND " if one_in > 1 else ""
        order = ", ".join(['"time"', *(f"k{i}" for i in range(len(source.primary_key)))])
        before = ", ".join(f"lag(x{i}) OVER w AS b{i}" for i in range(len(numbers)))
        told = ", ".join(
            f"count(*) FILTER (x{i} > b{i}), count(*) FILTER (x{i} <> b{i})" for i in range(len(numbers))
        )
        query = (
            f"WITH sheet AS (\n{text_of(rows.select(asked))}\n), steps AS (SELECT *, {before} FROM sheet\n"
            f'WHERE {some}parent IS NOT NULL AND CAST("time" AS TIMESTAMP) < {moment(split)}\n'
            f"WINDOW w AS (PARTITION BY parent ORDER BY {order})) SELECT {told} FROM steps"
        )
        (counts,) = cursor.execute(query).fetchall()
        for i, number in enumerate(numbers):
            up, changed = counts[2 * i], counts[2 * i + 1]
            if changed >= STEPS and up >= UP * changed:
                found.add(number)
    return frozenset(found)
