"""The graph of a database for one task: proven paths, and neighbourhoods drawn along them when asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell import kernel
from foretell.core.errors import DataError, UsageError
from foretell.core.time import DAY
from foretell.features.matrix import Instants
from foretell.graph.fields import Field, Use, fields_by_table, own_fields
from foretell.graph.past import Labeller, PastLabels, Places, RowsOf, Selection, past_labels
from foretell.graph.sample import Nodes, Sample, sample
from foretell.graph.tree import Fanout, Tree, plan, tree
from foretell.plan.proof import prove
from foretell.store.columns import FIRST_RANK, Tables
from foretell.store.words import Words
from foretell.task.model import Task


class Graph:
    """What a relational net may see of a database: proven, and drawn lazily.

    `later` are time columns ('table.column') that were written after their row came to be. `engine` makes
    the earlier labels.
    """

    def __init__(self, tables: Tables, task: Task, engine: Labeller, later: Collection[str] = ()) -> None:
        if not kernel.AVAILABLE:
            raise UsageError(
                f"the relational net needs the compiled kernel, which is missing: {kernel.REASON}",
                mend="install foretell where a C compiler is found, or choose --model trees",
            )
        self.tables = tables
        self.task = task
        self._engine = engine
        self.fields = fields_by_table(task, later)
        self.own_fields = own_fields(task, self.fields)
        self._trees: dict[Fanout, Tree] = {}

    def tree(self, fanout: Fanout) -> Tree:
        """The paths of a fan-out; LeakError unless the proof finds that they end at the cutoff."""
        if fanout not in self._trees:
            branches = tree(self.task, fanout)
            prove(plan(self.task, branches, self.fields), self.task.schema)
            self._trees[fanout] = branches
        return self._trees[fanout]

    def around(self, rows: RowsOf) -> Neighbourhood:
        """The neighbourhoods of rows of (entity, cutoff)."""
        return Neighbourhood(
            self, rows.entities - FIRST_RANK, rows.cutoffs, past_labels(self._engine, self.task, rows)
        )

    def numbers(self, field: Field, nodes: Nodes) -> npt.NDArray[np.float64]:
        """A number of each node, or the days from a moment to its cutoff; NaN where it is not known."""
        if field.use is Use.TIME:
            found = self.tables.instants(field.table, field.name)[nodes.rows]
            past = (found != kernel.MISSING) & (found <= nodes.cutoffs)
            values = np.where(past, (nodes.cutoffs - np.where(past, found, 0)) / DAY, np.nan)
        else:
            values = self.tables.numbers(field.table, field.expr)[nodes.rows]
        return np.where(self._known(field, nodes), values, np.nan)

    def codes(self, field: Field, nodes: Nodes) -> Places:
        """The place of each node's word among `words`; -1 where it is not known."""
        found = self.words(field).codes[nodes.rows].astype(np.int64)
        return np.where(self._known(field, nodes), found, -1)

    def words(self, field: Field) -> Words:
        """The words of a field."""
        return self.tables.words(field.table, field.expr)

    def ages(self, table: str, nodes: Nodes) -> npt.NDArray[np.float64] | None:
        """The days from each node's own time to its cutoff; None for a table without a time."""
        times = self.tables.times(table)
        return None if times is None else (nodes.cutoffs - times[nodes.rows]) / DAY

    def _known(self, field: Field, nodes: Nodes) -> npt.NDArray[np.bool_]:
        known = np.ones(len(nodes), dtype=np.bool_)
        for column in field.known_at:
            if column is not None:
                at = self.tables.instants(field.table, column)[nodes.rows]
                known &= (at != kernel.MISSING) & (at <= nodes.cutoffs)
        return known


@dataclass(frozen=True)
class Neighbourhood:
    """Where rows of (entity, cutoff) find what is related to them; nothing is drawn before `sample`."""

    graph: Graph
    entities: Places  # (rows,): positions in the entity's table
    cutoffs: Instants  # (rows,)
    past: PastLabels

    def __len__(self) -> int:
        return len(self.entities)

    def take(self, index: Selection) -> Neighbourhood:
        """Those of the rows at `index` (positions or a mask)."""
        return Neighbourhood(self.graph, self.entities[index], self.cutoffs[index], self.past.take(index))

    def join(self, other: Neighbourhood) -> Neighbourhood:
        """Those of these rows, then those of the other's."""
        if other.graph is not self.graph:
            raise DataError("neighbourhoods of two graphs cannot be joined")
        return Neighbourhood(
            self.graph,
            np.concatenate([self.entities, other.entities]),
            np.concatenate([self.cutoffs, other.cutoffs]),
            self.past.join(other.past),
        )

    def sample(self, fanout: Fanout) -> Sample:
        """Draw the neighbourhoods: the same ones each time."""
        graph = self.graph
        return sample(
            graph.tables,
            graph.task.schema,
            graph.tree(fanout),
            self.entities,
            self.cutoffs,
            spread=fanout.spread,
        )
