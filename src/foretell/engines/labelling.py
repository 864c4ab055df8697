"""Labels and populations: who exists at each cutoff, and the formulas over aggregates, by SQL.

How the entity's table and the aggregates come about is the engine's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.time import Instant
from foretell.engines.base import Labels, Rows
from foretell.engines.past_labels import NUMERIC
from foretell.engines.workbench import Workbench, as_rows
from foretell.plan import nodes, target
from foretell.plan.build import create
from foretell.query import ast
from foretell.schema.model import DType, Schema

Entities: TypeAlias = Callable[[str, frozenset[str]], str]
"""Gives the name of a work table with the rows of a table as `plan/prepare.py` has them, and at least these
columns.
"""
Aggregates: TypeAlias = Callable[[Mapping[str, nodes.TargetAggregate], str, str | None], None]
"""Makes a work table (entity, cutoff, value) of each aggregate, by its name, for the rows (entity, cutoff) of
a work table. Their cutoffs are those of another (cutoff), or without one each row's own.
"""


@dataclass(frozen=True)
class Labelling:
    """Makes labels of proven plans. See `engines.base.Engine` for the methods."""

    bench: Workbench
    schema: Schema
    entities: Entities
    aggregates: Aggregates

    def labels(self, plan: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        made = self._labelled(plan, cutoffs, future=True)
        chosen, assumed, known = (
            _flags(c) for c in (made["chosen"], made["assumed"], made["label"].is_valid())
        )
        kept = made.filter(pa.array(chosen & assumed & known))
        dropped = {
            "not chosen by WHERE": int(np.count_nonzero(~chosen)),
            "not held under ASSUMING": int(np.count_nonzero(chosen & ~assumed)),
            "no value": int(np.count_nonzero(chosen & assumed & ~known)),
        }
        return Labels(
            as_rows(kept), _values(kept["label"], plan.target.dtype), {r: n for r, n in dropped.items() if n}
        )

    def population(self, plan: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        static = plan.horizon is None
        made = self._labelled(plan, cutoffs, future=static)
        chosen = _flags(made["chosen"])
        if static:
            chosen &= _flags(made["label"].is_null())
        return as_rows(made.filter(pa.array(chosen)))

    def _labelled(self, plan: nodes.Target, cutoffs: Sequence[Instant], *, future: bool) -> pa.Table:
        """(entity, cutoff, label, chosen, assumed) of everyone who exists; without the future no label."""
        entities, rows, values = self.evaluate(plan, cutoffs, future=future)
        made = self.bench.arrow(target.labelled(plan, rows, values, self.schema, entities))
        self.bench.drop(rows, *values.values())
        return made

    def evaluate(
        self, plan: nodes.Target, cutoffs: Sequence[Instant], *, future: bool
    ) -> tuple[str, str, dict[int, str]]:
        """Work tables: the entities, the population, and the aggregates that are needed, by index."""
        bench = self.bench
        bench.many_threads()
        entities = self.entities(plan.population.table, _columns_read(plan, self.schema))
        grid, rows = bench.name("cutoffs"), bench.name("population")
        moments = sorted(set(cutoffs))
        if plan.horizon is None:
            moments = moments[-1:]
        column = pa.array(np.array(moments, dtype=np.int64)).cast(pa.timestamp("us"))
        bench.load(grid, pa.table({"cutoff": column}))
        bench.execute(create(rows, target.population(plan, grid, self.schema, entities)))
        values = {
            i: bench.name("value")
            for i, aggregate in enumerate(plan.aggregates)
            if future or not aggregate.window.is_future
        }
        # The last cutoff alone stands for a static target's; its rows each have their own.
        shared = None if plan.horizon is None else grid
        self.aggregates({name: plan.aggregates[i] for i, name in values.items()}, rows, shared)
        bench.drop(grid)
        return entities, rows, values


def _columns_read(plan: nodes.Target, schema: Schema) -> frozenset[str]:
    """The columns of the entity's own row that a target reads."""
    formulas = [f for f in (plan.target, plan.where, plan.assuming) if f is not None]
    names = {c.name for f in formulas for c in ast.columns(f.expr) if c.table}
    known = {schema.table(plan.population.table).column(n).known_at for n in names}
    return frozenset(n for n in (*names, *known, plan.end_time) if n is not None)


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.array(column.to_numpy(), dtype=np.bool_)


def _values(column: pa.ChunkedArray, dtype: DType) -> npt.NDArray[Any]:
    if dtype in NUMERIC and not pa.types.is_nested(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    made = np.empty(len(column), dtype=object)
    made[:] = column.to_pylist()
    return made
