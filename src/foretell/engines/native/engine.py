"""The native engine: plans by passes of a compiled kernel over columns in memory.

Results are the same bit for bit whatever the number of threads: the kernel goes through an anchor's events
in their order, on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant
from foretell.engines.base import Entities, Keys, Labels, Rows, begun, matrix_of
from foretell.engines.labelling import Labelling
from foretell.engines.native import lookup
from foretell.engines.native.aggregates import aggregate
from foretell.engines.native.asof import anchors, as_of
from foretell.engines.native.edges import calendar
from foretell.engines.native.frames import KEPT, Frames
from foretell.engines.native.inputs import parts, read_ahead
from foretell.engines.native.labels import Aggregated
from foretell.engines.native.nested import nested
from foretell.engines.native.past import past_input, past_part
from foretell.engines.native.quick import is_plain
from foretell.engines.native.quick import labels as quick_labels
from foretell.engines.past_labels import anchors_of, lattice_of, moved, past_events
from foretell.engines.workbench import Workbench, as_rows
from foretell.features.matrix import Matrix, Numeric, Precision, Values
from foretell.plan import nodes
from foretell.plan.build import ROW, TIME, col, table
from foretell.plan.proof import prove
from foretell.schema.model import Link, Schema
from foretell.store.columns import FIRST_RANK, Tables
from foretell.store.working import Store


def _events(plan: nodes.FeaturePlan) -> list[nodes.Events]:
    """The events that aggregates of a plan read."""
    aggregates = [b for b in plan.blocks if isinstance(b, nodes.Aggregate)]
    return [b.events for b in aggregates if isinstance(b.events, nodes.Events)]


class NativeEngine:
    """Runs plans on one snapshot's columns. See `engines.base.Engine` for the methods.

    Columns are encoded once each; events, and what is read of them, are kept up to `most` bytes. The formulas
    of labels are evaluated in DuckDB, over aggregates that are made here.
    """

    sweeps = True
    reads_ahead = True
    """Whether the columns of a plan are read side by side, which takes memory."""

    def __init__(
        self,
        store: Store,
        schema: Schema,
        *,
        threads: int = 2,
        progress: Progress = QUIET,
        precision: Precision = np.float32,
        most: int = KEPT,
    ) -> None:
        self.begins: Mapping[str, Instant] = {}
        self._schema = schema
        self._threads = max(1, threads)
        self._progress = progress
        self._precision = precision
        self._tables = Tables(store, schema, threads=self._threads)
        self._frames = Frames(self._tables, schema, threads=self._threads, most=most)
        self._aggregated = Aggregated(self._frames)
        self._bench = Workbench(store, schema, self._threads)
        self._labelling = Labelling(self._bench, schema, self._entities, self._aggregates)
        self._loaded: dict[str, tuple[str, frozenset[str]]] = {}

    @property
    def tables(self) -> Tables | None:
        return self._tables

    def labels(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        prove(target, self._schema)
        if is_plain(target):
            made = quick_labels(target, self._everyone(target, cutoffs), self._aggregated.over)
            if made is not None:
                return made
        return self._labelling.labels(target, cutoffs)

    def population(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        prove(target, self._schema)
        if target.horizon is not None and target.where is None and target.end_time is None:
            return self._everyone(target, cutoffs)
        return self._labelling.population(target, cutoffs)

    def _everyone(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        """Who exists at each cutoff, where no condition chooses among them: no SQL is needed to tell."""
        name = target.population.table
        times, count = self._tables.times(name), self._tables.rows(name)
        moments = sorted(set(cutoffs))
        seen = [count if times is None else int(np.searchsorted(times, c, side="right")) for c in moments]
        ranks = [np.arange(n, dtype=np.int64) + FIRST_RANK for n in seen]
        return Rows(
            np.concatenate([np.empty(0, dtype=np.int64), *ranks]),
            np.repeat(np.array(moments, dtype=np.int64), seen),
        )

    def features(self, plan: nodes.FeaturePlan, rows: Rows) -> Matrix:
        prove(plan, self._schema)
        self._frames.kept.begin()
        found: dict[str, Values] = {}
        earlier = self._earlier(plan, rows)
        if self.reads_ahead and self._threads > 1:
            read_ahead(self._frames, _events(plan), self._threads)
        for block in plan.blocks:
            match block:
                case nodes.AsOf():
                    found |= as_of(self._frames, block, rows, self._precision)
                case nodes.Calendar():
                    for name, part in block.outputs:
                        found[name] = Numeric.of(calendar(rows.cutoffs, part), self._precision)
                case nodes.Aggregate(events=nodes.PastLabels() as past):
                    found |= self._past_labels(block, past, rows, earlier)
                case nodes.Aggregate(events=nodes.Events() as events):
                    at = anchors(self._frames, block.anchor, rows).astype(np.int64)
                    found |= aggregate(
                        block,
                        events.inputs,
                        parts(self._frames, events),
                        at,
                        rows.cutoffs,
                        threads=self._threads,
                        precision=self._precision,
                    )
                case nodes.Nested():
                    found |= nested(
                        self._frames,
                        block,
                        anchors(self._frames, block.anchor, rows).astype(np.int64),
                        rows.cutoffs,
                        threads=self._threads,
                        precision=self._precision,
                    )
            self._progress.advance()
        return matrix_of(plan, found, len(rows), self._precision)

    def _past_labels(
        self,
        block: nodes.Aggregate,
        past: nodes.PastLabels,
        rows: Rows,
        earlier: Mapping[nodes.Target, Labels],
    ) -> dict[str, Values]:
        """Aggregates of the labels at earlier cutoffs, which blocks share."""
        seen = moved(rows, block.ago)
        lattice = lattice_of(past, seen, self.span)
        known = earlier.get(past.target) if lattice.earlier else None
        if known is not None and not past.everyone:
            known = _of(known, rows)
        part, at = past_part(past_events(past, lattice, known), anchors_of(past, lattice, seen))
        return aggregate(
            block,
            [past_input(block, past)],
            [part],
            at,
            rows.cutoffs,
            threads=self._threads,
            precision=self._precision,
        )

    def _earlier(self, plan: nodes.FeaturePlan, rows: Rows) -> dict[nodes.Target, Labels]:
        """The labels at all earlier cutoffs that the blocks of a plan look back on, made once."""
        wanted: dict[nodes.Target, set[Instant]] = {}
        for block in plan.blocks:
            if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.PastLabels):
                lattice = lattice_of(block.events, moved(rows, block.ago), self.span)
                wanted.setdefault(block.events.target, set()).update(at for at, _, _ in lattice.earlier)
        return {target: self.labels(target, sorted(at)) for target, at in wanted.items() if at}

    def _entities(self, name: str, columns: frozenset[str]) -> str:
        """A work table of a table's rows, with the columns that formulas read."""
        made, held = self._loaded.get(name, ("", frozenset()))
        if made and columns <= held:
            return made
        columns |= held
        count, times = self._tables.rows(name), self._tables.times(name)
        arrays = {ROW: pa.array(np.arange(count, dtype=np.int64) + FIRST_RANK)}
        if times is not None:
            arrays[TIME] = pa.array(times).cast(pa.timestamp("us"))
        arrays |= {c: self._tables.arrow(name, c) for c in sorted(columns)}
        if made:
            self._bench.drop(made)
        made = self._bench.name("entities")
        self._bench.load(made, pa.table(arrays))
        self._loaded[name] = made, columns
        return made

    def _aggregates(self, wanted: Mapping[str, nodes.TargetAggregate], rows: str, grid: str | None) -> None:
        """Work tables of the aggregates of labels, by their names."""
        if not wanted:
            return
        query = exp.select(col("r", "entity"), col("r", "cutoff")).from_(table(rows, "r"))
        people = as_rows(self._bench.arrow(query.order_by(col("r", "cutoff"), col("r", "entity"))))
        for name, node in wanted.items():
            self._bench.load(name, self._aggregated(node, people))

    def keys(self, table: str, columns: Sequence[str], entities: Entities) -> dict[str, list[object]]:
        return lookup.keys(self._tables, table, columns, entities)

    def find(self, table: str, keys: Keys) -> Entities:
        return lookup.find(self._tables, table, keys)

    def frequent(self, table: str, column: str, *, until: Instant | None, limit: int) -> tuple[str, ...]:
        return lookup.frequent(self._tables, self._schema, table, column, until=until, limit=limit)

    def span(
        self, table: str, *, until: Instant | None = None, trim: float = 0.0
    ) -> tuple[Instant, Instant] | None:
        found = lookup.span(self._tables, table, until=until, trim=trim)
        return found if until is not None or trim else begun(found, self.begins.get(table))

    def later_share(self, table: str, column: str, until: Instant) -> float:
        return lookup.later_share(self._tables, self._schema, table, column, until)

    def fellows(self, link: Link) -> float:
        return lookup.fellows(self._tables, link)


def _of(labels: Labels, rows: Rows) -> Labels:
    """The labels of those entities alone that the rows are of."""
    most = max(int(e.max(initial=0)) for e in (labels.rows.entities, rows.entities))
    there = np.zeros(most + 1, dtype=np.bool_)
    there[rows.entities] = True
    asked = there[labels.rows.entities]
    return Labels(labels.rows.take(asked), labels.values[asked], labels.dropped)
