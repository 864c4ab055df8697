"""A canary: a coin is tossed for every entity, and only its future tells how it fell.

Entities with heads get rows one tick after the cutoff and loud values in all that is not known yet; those
with tails get silence. A model that sees the past alone cannot tell them apart (AUROC 0.5); whatever brings
the future to it, by whichever way, lets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.random import derive, generator
from foretell.core.time import Instant
from foretell.evaluation.futures import (
    Frames,
    Keys,
    Moments,
    Row,
    keys_of,
    loose,
    read_instant,
    stored,
    visible_from,
)
from foretell.evaluation.sample import downward
from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.plan.prepare import one_row_keys
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.model import TaskKind

LOUD = 1_000_000
FEWEST = 25  # rows of either side that a model can be judged on
STRICT = 4.0  # standard errors above 0.5: by chance once in 30,000 audits
_HEADS, _TAILS = "heads", "tails"

Coins = npt.NDArray[np.bool_]


def coins(keys: list[tuple[Any, ...]], cutoff: Instant, *, seed: int = 0) -> Coins:
    """How the coin of each entity fell at a cutoff; the same for a key, a cutoff and a seed."""
    return np.array([derive(seed, "canary", cutoff, *key) & 1 for key in keys], dtype=np.bool_)


def plant(
    frames: Frames,
    schema: Schema,
    entity: str,
    key: tuple[str, ...],
    cutoff: Instant,
    *,
    hidden: tuple[str, ...] = (),
    own: bool = False,
    seed: int = 0,
) -> dict[str, pa.Table]:
    """The same past with a future that tells the coins.

    With `own` (a static target) each entity's future begins with its own row, whose `hidden` columns tell.
    """
    planting = _Planting(frames, schema, entity, key, cutoff, own, seed)
    planting.root(hidden)
    for link in downward(schema, entity):
        planting.child(link)
    return planting.settled()


class _Planting:
    """The tables as they are planted, from the entity's downward."""

    def __init__(
        self,
        frames: Frames,
        schema: Schema,
        entity: str,
        key: tuple[str, ...],
        cutoff: Instant,
        own: bool,
        seed: int,
    ) -> None:
        self.frames, self.schema, self.entity, self.cutoff = frames, schema, entity, cutoff
        self.visible = visible_from(frames, schema)
        self.heads = coins(keys_of(frames[entity], key), cutoff, seed=seed)
        born = self.visible[entity]
        # The last instant of the past, for each entity.
        self.until = np.full(len(born), cutoff)
        if own and schema.is_timed(entity):
            self.until = np.where(born <= cutoff, born - 1, cutoff)
        self.rng = generator(seed, "canary", cutoff)
        self.made: dict[str, pa.Table] = dict(frames)
        # The entity that each row of the tables as they were belongs to; -1: none.
        self.owners: dict[str, list[int]] = {entity: list(range(len(born)))}
        self.added: dict[str, dict[int, Row]] = {}  # the row that an entity got in a table
        self.marks: dict[str, list[int]] = {}  # whose row each added one is

    def root(self, hidden: tuple[str, ...]) -> None:
        """The entities' own rows: what is not known of them yet tells."""
        table, frame = self.schema.table(self.entity), self.frames[self.entity]
        rows = frame.to_pylist()
        fixed = self.fixed(table)
        for i, row in enumerate(rows):
            for column in table.columns:
                if column.name in fixed:
                    continue
                # Who is asked about may depend on all that is known of a row when it is asked.
                if column.name in hidden or self.unknown(table, row, column, self.cutoff):
                    row[column.name] = told(column, bool(self.heads[i]), row[column.name])
        self.made[self.entity] = pa.Table.from_pylist(rows, frame.schema)

    def unknown(self, table: Table, row: Row, column: Column, until: Instant) -> bool:
        """Whether a value of a row is known later than `until`."""
        if column.known_at is None or column.known_at == column.name:
            return False
        at = read_instant(row[column.known_at], table.column(column.known_at), self.schema.timezone)
        return at is None or at > until

    def child(self, link: Link) -> None:
        """The rows that point at rows of the entities."""
        if link.child not in self.owners:
            self.planted(link)
        elif self.added.get(link.child):
            return
        self.grown(link)

    def planted(self, link: Link) -> None:
        """Rows after the cutoff become loud for heads, and go for tails."""
        name = link.child
        table, frame = self.schema.table(name), self.frames[name]
        parents = keys_of(self.frames[link.parent], link.parent_columns)
        theirs = {loose(k): owner for k, owner in zip(parents, self.owners[link.parent])}
        theirs[None] = -1
        owners = [theirs.get(loose(k), -1) for k in keys_of(frame, link.child_columns)]
        self.owners[name] = owners
        fixed = self.fixed(table)
        kept = []
        for row, owner, at in zip(frame.to_pylist(), owners, self.visible[name].tolist()):
            later = owner >= 0 and at > int(self.until[owner])
            if later and not self.heads[owner]:
                continue
            if owner >= 0:
                for column in table.columns:
                    if column.name in fixed:
                        continue
                    if later or self.unknown(table, row, column, int(self.until[owner])):
                        row[column.name] = told(column, bool(self.heads[owner]), row[column.name])
            kept.append(row)
        self.made[name] = pa.Table.from_pylist(kept, frame.schema)

    def fixed(self, table: Table) -> set[str]:
        """Columns that keys, links and times are read from."""
        links = {c for k in self.schema.links_up(table.name) for c in k.child_columns}
        return links.union(*one_row_keys(table.name, self.schema))

    def grown(self, link: Link) -> None:
        """A row one tick after the cutoff for each entity with heads; where rows come late, one tick late."""
        name = link.child
        table, frame = self.schema.table(name), self.frames[name]
        models = frame.slice(0, 200).to_pylist()
        if not models or not self.schema.is_timed(name):
            return
        keys = Keys(table, self.schema, self.made[name])
        parents: Mapping[int, Row] = self.added.get(link.parent, {})
        if link.parent == self.entity:
            parents = dict(enumerate(self.frames[self.entity].to_pylist()))
        rows: list[Row] = []
        fixed = self.fixed(table)
        for owner, parent in parents.items():
            if not self.heads[owner]:
                continue
            row = dict(models[int(self.rng.integers(len(models)))])
            for column in table.columns:
                if column.name not in fixed:
                    row[column.name] = told(column, True, row[column.name])
            for ours, theirs in zip(link.child_columns, link.parent_columns):
                text = table.column(ours).dtype is DType.TEXT and parent[theirs] is not None
                row[ours] = str(parent[theirs]) if text else parent[theirs]
            keys.renew(row, 2 * 10**9 + owner)
            self.date(table, row, int(self.until[owner]) + 1, frame)
            if not keys.claim(row):
                continue
            rows.append(row)
            self.added.setdefault(name, {})[owner] = row
            self.marks.setdefault(name, []).append(owner)
        self.made[name] = pa.concat_tables([self.made[name], pa.Table.from_pylist(rows, frame.schema)])

    def date(self, table: Table, row: Row, at: Instant, frame: pa.Table) -> None:
        if table.time_column is None:
            return
        late = table.available_after
        if late is not None and late.unit.microseconds is not None:
            at -= round(late.microseconds)
        column = table.column(table.time_column)
        kind = frame.schema.field(column.name).type
        row[column.name] = stored(at, column, kind, self.schema.timezone)

    def settled(self) -> dict[str, pa.Table]:
        """The tables without those new rows that turned out to lie in the past."""
        visible = visible_from(self.made, self.schema)
        for name, owners in self.marks.items():
            kept = np.ones(self.made[name].num_rows, dtype=np.bool_)
            kept[-len(owners) :] = visible[name][-len(owners) :] > self.until[owners]
            self.made[name] = self.made[name].filter(pa.array(kept))
        return self.made


def told(column: Column, heads: bool, old: Any) -> Any:
    """The value by which a column tells a coin; keys and times tell nothing."""
    if column.semantic in (Semantic.TIME, Semantic.IDENTIFIER):
        return old
    match column.dtype:
        case DType.INTEGER:
            return LOUD if heads else -LOUD
        case DType.FLOAT:
            return float(LOUD if heads else -LOUD)
        case DType.BOOLEAN:
            return heads
        case DType.TEXT:
            return _HEADS if heads else _TAILS
    return old


@dataclass(frozen=True)
class Heard:
    """How well a model told the coins; by chance AUROC stays below `limit`.

    `biased`: there are so many more heads than tails that they must have chosen who is asked about.
    """

    auroc: float
    limit: float
    rows: int
    biased: bool = False

    @property
    def silent(self) -> bool:
        return self.auroc <= self.limit and not self.biased


def listen(
    parts: list[tuple[Matrix, Coins, npt.NDArray[np.int64], Moments]], *, seed: int = 0
) -> Heard | None:
    """Train on half of the entities, judge on the other half, both ways; None with too few rows.

    `parts` are (features, coins, entities, cutoffs) of each cutoff.
    """
    data: Dataset | None = None
    for X, heads, entities, cutoffs in parts:
        part = Dataset(X, heads.astype(np.float64), cutoffs, entities)
        data = part if data is None else concat(data, part)
    if data is None:
        return None
    lean = abs(float(data.y.mean()) - 0.5) * 2 * np.sqrt(data.rows)  # in standard deviations
    if lean > STRICT:
        return Heard(float("nan"), float("nan"), data.rows, biased=True)
    names, member = np.unique(data.groups, return_inverse=True)
    half = (generator(seed, "canary", "half").permutation(len(names)) % 2 == 0)[member]
    sides = [data.take(half), data.take(~half)]
    if any(min((s.y == 1).sum(), (s.y == 0).sum()) < FEWEST for s in sides):
        return None
    context = Context(TaskKind.BINARY, METRICS["logloss"], seed=seed, threads=1)
    learner = TreeLearner(TreeRecipe("small", "binary"))
    found, errors = [], []
    for train, test in (sides, sides[::-1]):
        found.append(_auroc(test.y, learner.fit(train, None, context).predict(test.X)))
        ones = float((test.y == 1).sum())
        zeros = test.rows - ones
        errors.append(np.sqrt((test.rows + 1) / (12 * ones * zeros)))  # Mann and Whitney (1947)
    # The two halves err together, so their mean is trusted no more than one of them.
    return Heard(float(np.mean(found)), 0.5 + STRICT * float(np.max(errors)), data.rows)


def _auroc(y: Floats, score: Floats) -> float:
    return float(METRICS["auroc"].score(y, score))
