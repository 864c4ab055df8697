"""The native engine under a memory cap: large tables are gone through in parts, or left to DuckDB.

What it gives is what the native engine gives, bit for bit, but for what DuckDB has to make: of entities whose
own table is large, and of paths between two large tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from sqlglot import exp

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant
from foretell.engines.base import Entities, Keys, Labels, Rows, matrix_of
from foretell.engines.duckdb import DuckDBEngine
from foretell.engines.native.engine import NativeEngine
from foretell.engines.native.parted import Parted, Split
from foretell.engines.native.streamed import Streamed
from foretell.engines.workbench import as_rows
from foretell.features.matrix import Matrix, Precision, Values
from foretell.plan import nodes
from foretell.plan.begun import telling_links
from foretell.plan.build import col, table
from foretell.plan.proof import prove
from foretell.schema.model import Link, Schema
from foretell.store.memory import Memory
from foretell.store.scan import Scan
from foretell.store.working import Store

LABEL_BYTES = 150
"""About what one label takes while it is made."""


class PartedEngine(NativeEngine):
    """Runs plans on one snapshot, whatever its size. See `engines.base.Engine` for the methods."""

    reads_ahead = False
    tables = None

    def __init__(
        self,
        store: Store,
        schema: Schema,
        memory: Memory,
        *,
        threads: int = 2,
        progress: Progress = QUIET,
        precision: Precision = np.float32,
    ) -> None:
        super().__init__(
            store,
            schema,
            threads=threads,
            progress=progress,
            precision=precision,
            most=memory.arrays // 4,
        )
        self._store = store
        self._memory = memory
        self._parted = Parted(store, schema, self._frames, memory)
        self._streamed = Streamed(Scan(store, schema, self._threads), schema)

    @cached_property
    def _on_disk(self) -> DuckDBEngine:
        """Makes what cannot be parted."""
        return DuckDBEngine(
            self._store,
            self._schema,
            threads=self._threads,
            progress=self._progress,
            precision=self._precision,
        )

    def labels(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        if self._is_left(target):
            return self._on_disk.labels(target, cutoffs)
        if target.horizon is None:
            return super().labels(target, cutoffs)
        # A few cutoffs at a time: labels are few bytes, what they are made of is many.
        moments = sorted(set(cutoffs))
        people = max(1, self._tables.rows(target.population.table))
        step = max(1, self._memory.arrays // (people * LABEL_BYTES))
        make = super().labels
        made = [make(target, moments[i : i + step]) for i in range(0, len(moments), step)]
        return joined(made) if made else make(target, cutoffs)

    def population(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        if self._is_left(target):
            return self._on_disk.population(target, cutoffs)
        return super().population(target, cutoffs)

    def _is_left(self, target: nodes.Target) -> bool:
        """Whether a target is DuckDB's: its entities, or a path to them, cannot be parted."""
        if self._parted.needs([target.population.table]):
            return True
        events = [a.events for a in target.aggregates]
        return any(self._parted.needs(self._parted.tables(e)) and not self._parted.links(e) for e in events)

    def features(self, plan: nodes.FeaturePlan, rows: Rows) -> Matrix:
        prove(plan, self._schema)
        whole: list[nodes.Block] = []
        splits: list[Split] = []
        left: list[nodes.Block] = []
        for block in plan.blocks:
            if not self._parted.needs(_tables(block)):
                whole.append(block)
            elif (split := self._parted.split(block)) is not None:
                splits.append(split)
            else:
                left.append(block)
        blocks_alone = replace(plan, contrasts=(), passing=frozenset())
        made = [super().features(replace(blocks_alone, blocks=tuple(whole)), rows)]
        if left:
            made.append(self._on_disk.features(replace(blocks_alone, blocks=tuple(left)), rows))
        found: dict[str, Values] = {n: c for m in made for n, c in zip(m.names, m.columns)}
        found |= self._parted.features(splits, rows, self._precision)
        return matrix_of(plan, found, len(rows), self._precision)

    def _aggregates(self, wanted: Mapping[str, nodes.TargetAggregate], rows: str, grid: str | None) -> None:
        query = exp.select(col("r", "entity"), col("r", "cutoff")).from_(table(rows, "r"))
        people = as_rows(self._bench.arrow(query.order_by(col("r", "cutoff"), col("r", "entity"))))
        for name, made in self._parted.aggregates(wanted, people):
            self._bench.load(name, made)

    def keys(self, table: str, columns: Sequence[str], entities: Entities) -> dict[str, list[object]]:
        if self._parted.needs([table]):
            return self._on_disk.keys(table, columns, entities)
        return super().keys(table, columns, entities)

    def find(self, table: str, keys: Keys) -> Entities:
        if self._parted.needs([table]):
            return self._on_disk.find(table, keys)
        return super().find(table, keys)

    def frequent(self, table: str, column: str, *, until: Instant | None, limit: int) -> tuple[str, ...]:
        if self._parted.needs([table]):
            return self._streamed.frequent(table, column, until=until, limit=limit)
        return super().frequent(table, column, until=until, limit=limit)

    def span(
        self, table: str, *, until: Instant | None = None, trim: float = 0.0
    ) -> tuple[Instant, Instant] | None:
        if self._parted.needs([table]):
            return self._streamed.span(table, until=until, trim=trim)
        return super().span(table, until=until, trim=trim)

    def later_share(self, table: str, column: str, until: Instant) -> float:
        if self._parted.needs([table, *(k.child for k in telling_links(self._schema, table))]):
            return self._streamed.later_share(table, column, until)
        return super().later_share(table, column, until)

    def fellows(self, link: Link) -> float:
        if self._parted.needs([link.child]):
            return self._streamed.fellows(link)
        return super().fellows(link)


def joined(labels: Sequence[Labels]) -> Labels:
    """Labels at ascending cutoffs, in one."""
    dropped: dict[str, int] = {}
    for made in labels:
        for reason, count in made.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    rows = Rows(
        np.concatenate([made.rows.entities for made in labels]),
        np.concatenate([made.rows.cutoffs for made in labels]),
    )
    return Labels(rows, np.concatenate([made.values for made in labels]), dropped)


def _tables(block: nodes.Block) -> set[str]:
    """Every table that a block reads; past labels see to theirs themselves."""
    match block:
        case nodes.AsOf():
            return {step.end for step in nodes.steps(block.source)}
        case nodes.Aggregate(events=nodes.Events() as events):
            ups = {hop.end for value in events.inputs for hop in value.hops}
            steps = (*nodes.steps(block.anchor), *nodes.steps(events.rows))
            return ups | {step.end for step in steps}
        case nodes.Nested(members=members, inner=inner):
            return _tables(replace(inner, anchor=block.anchor)) | {s.end for s in nodes.steps(members.rows)}
    return set()
