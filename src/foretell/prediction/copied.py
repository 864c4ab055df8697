"""What a model reads of everybody, from a copy of those tables alone that is kept warm and renewed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from foretell.core.errors import DataError, ForetellError
from foretell.core.progress import QUIET
from foretell.core.time import Instant
from foretell.discovery.conform import conform
from foretell.engines.base import Entities, Rows
from foretell.features.matrix import Instants, Matrix, Numeric
from foretell.features.model import FeatureSet, OwnLabels
from foretell.prediction.database import OpenDatabase, Target
from foretell.prediction.history import features_at
from foretell.schema.model import Schema
from foretell.sources.open import open_source
from foretell.store.columns import FIRST_RANK
from foretell.store.working import load
from foretell.task.model import Task

KEPT = 32
"""So many cutoffs' levels of everybody are kept."""


@dataclass(frozen=True)
class Copy:
    """Tables as they were at `read_at`, open with the model's schema."""

    database: OpenDatabase
    read_at: Instant
    owned: bool


class Copied:
    """Features of everybody, as of a copy that is at most `renew` seconds old, or is being renewed.

    `tables` are those that are copied. An open database is its own copy, and never renewed.
    """

    def __init__(
        self,
        target: Target | OpenDatabase,
        task: Task,
        features: FeatureSet,
        tables: frozenset[str],
        *,
        renew: float,
        clock: Callable[[], Instant],
    ) -> None:
        self._target = target
        self._task = task
        self.features = features
        self._schema = _part(task.schema, tables)
        self._renew = renew
        self._clock = clock
        self._lock = threading.RLock()
        self._renewing: threading.Thread | None = None
        self._levels: OrderedDict[tuple[Instant, Instant | None], Matrix] = OrderedDict()
        self._copy = self._read()
        self._since = time.monotonic()

    @property
    def read_at(self) -> Instant:
        """When the copy was read, by the clock."""
        return self._copy.read_at

    @property
    def age(self) -> float:
        """Seconds since then."""
        return 0.0 if not self._copy.owned else time.monotonic() - self._since

    def has(self, table: str) -> bool:
        """Whether a table is in the copy."""
        return self._schema.has(table)

    def span(self, table: str) -> tuple[Instant, Instant] | None:
        """The first and the last instant of a table."""
        with self._lock:
            return self._copy.database.engine.span(table)

    def values(
        self, keys: Sequence[tuple[Any, ...]], cutoffs: Instants, known: Instants | None, *, is_now: bool
    ) -> Matrix:
        """The features of entities (rows,) at their cutoffs. With `is_now` the levels of everybody may be as
        of the time of the copy. DataError where an entity is newer than the copy, and more is read of it.
        """
        if self.age > self._renew:
            self._renew_behind()
        with self._lock:
            shared = self.features.select(f.name for f in self.features.features if _is_shared(f.definition))
            own = self.features.select(set(self.features.names) - set(shared.names))
            parts = [self._shared(shared, cutoffs, known, is_now=is_now)] if len(shared) else []
            if len(own):
                entities = self._entities(keys)
                if (entities < 0).any():
                    raise DataError("an entity is newer than the copy of what is read of everybody")
                engine = self._copy.database.engine
                parts.append(features_at(engine, self._task, own, Rows(entities, cutoffs), known))
        names = tuple(n for p in parts for n in p.names)
        return Matrix(names, tuple(c for p in parts for c in p.columns), len(cutoffs))

    def _entities(self, keys: Sequence[tuple[Any, ...]]) -> Entities:
        columns = {c: [k[i] for k in keys] for i, c in enumerate(self._task.entity_key)}
        return self._copy.database.engine.find(self._task.entity.name, columns)

    def _shared(
        self, features: FeatureSet, cutoffs: Instants, known: Instants | None, *, is_now: bool
    ) -> Matrix:
        """Levels of everybody, which are one entity's as much as another's: once for each cutoff."""
        found = []
        for row, cutoff in enumerate(cutoffs.tolist()):
            at = min(cutoff, self._copy.read_at) if is_now and self._copy.owned else cutoff
            until = None if known is None else int(known[row])
            key = (at, until)
            if key not in self._levels:
                anyone = Rows(np.array([FIRST_RANK]), np.array([at]))
                seen = None if until is None else np.array([min(until, at)])
                engine = self._copy.database.engine
                self._levels[key] = features_at(engine, self._task, features, anyone, seen)
                while len(self._levels) > KEPT:
                    self._levels.popitem(last=False)
            found.append(self._levels[key])
        return _stacked(found)

    def renew(self) -> None:
        """Read the tables again, now."""
        if not self._copy.owned:
            return
        fresh = self._read()
        with self._lock:
            old, self._copy, self._since = self._copy, fresh, time.monotonic()
            self._levels.clear()
            old.database.close()

    def _renew_behind(self) -> None:
        with self._lock:
            if self._renewing is None or not self._renewing.is_alive():
                self._renewing = threading.Thread(target=self._try, name="foretell-copy", daemon=True)
                self._renewing.start()

    def _try(self) -> None:
        """Renew the copy; where the database cannot be read the old one stays, and its age tells."""
        with suppress(ForetellError):
            self.renew()

    def _read(self) -> Copy:
        now = self._clock()
        if isinstance(self._target, OpenDatabase):
            return Copy(self._target, now, owned=False)
        store = load(open_source(self._target), tables=[t.name for t in self._schema.tables])
        try:
            conform(store, self._schema)
            database = OpenDatabase("a copy", store, self._schema, threads=1, now=None, progress=QUIET)
        except BaseException:
            store.close()
            raise
        return Copy(database, now, owned=True)

    def close(self) -> None:
        """Let the copy go, once it is not being renewed any more."""
        if self._renewing is not None:
            self._renewing.join()
        if self._copy.owned:
            self._copy.database.close()


def _is_shared(definition: object) -> bool:
    return isinstance(definition, OwnLabels) and definition.everyone


def _part(schema: Schema, tables: frozenset[str]) -> Schema:
    """The schema of some of the tables, and of the links among them."""
    links = tuple(k for k in schema.links if k.child in tables and k.parent in tables)
    return replace(schema, tables=tuple(t for t in schema.tables if t.name in tables), links=links)


def _stacked(rows: Sequence[Matrix]) -> Matrix:
    """Matrices of one row each, of the same numeric columns, as one."""
    if len(rows) == 1:
        return rows[0]
    columns = []
    for place in range(len(rows[0].names)):
        held = [r.columns[place] for r in rows]
        assert all(isinstance(c, Numeric) for c in held), "levels of everybody are numbers"
        columns.append(Numeric(np.concatenate([c.values for c in held if isinstance(c, Numeric)])))
    return Matrix(rows[0].names, tuple(columns), len(rows))
