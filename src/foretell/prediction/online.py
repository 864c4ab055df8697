"""Scoring one entity, or a few, against the live database: a warm object that reads it anew on each call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeAlias, overload

import numpy as np

from foretell.core.errors import DataError, UsageError
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant, parse_instant
from foretell.explain.explanation import EntityExplanation, Told
from foretell.features.matrix import Instants, Matrix
from foretell.features.model import FeatureSet
from foretell.plan.reach import Reach, with_times
from foretell.prediction import batch
from foretell.prediction.around import graph_of, surrounded
from foretell.prediction.copied import Copied
from foretell.prediction.database import OpenDatabase, Opened, Target, counted_tables, end_of_history
from foretell.prediction.explaining import explain_row
from foretell.prediction.history import features_at
from foretell.prediction.model import Model
from foretell.prediction.predictions import Predictions
from foretell.prediction.slices import (
    Benches,
    Footprint,
    TooWideError,
    WorkingRows,
    footprint,
    open_slice,
    read_slice,
    walking,
)
from foretell.prediction.without import Case, with_rows
from foretell.sources.open import open_source
from foretell.sources.rows import Keys, Reader, open_rows

MOST = 50_000
"""Of one call at most so many rows are read; what reads more than that comes from the copy."""
RENEW = 900.0
"""Seconds after which the copy of what is read of everybody is renewed."""

Clock: TypeAlias = Callable[[], Instant]


def wall_clock() -> Instant:
    """The present instant."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Scored:
    """One entity's score. `values` are what a batch would write of it: `probability`, `prediction`, `low` and
    `high`, by what was asked.

    `copied` are the features that came from a copy of the database, `copied_seconds` old. `milliseconds` is
    how long the call took, of all its entities together.
    """

    entity: Mapping[str, Any]
    as_of: Instant
    values: Mapping[str, Any]
    explanation: EntityExplanation | None = None
    notes: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    copied_seconds: float = 0.0
    rows: int = 0
    milliseconds: float = 0.0

    @property
    def probability(self) -> float | None:
        """Of the event, or of the class that is predicted; None for a value."""
        return self.values.get("probability")

    @property
    def prediction(self) -> Any:
        """The value, the class, or where neither was asked for the probability."""
        return self.values.get("prediction", self.values.get("probability"))

    @property
    def low(self) -> float | None:
        return self.values.get("low")

    @property
    def high(self) -> float | None:
        return self.values.get("high")

    @property
    def reasons(self) -> tuple[Told, ...]:
        """The reasons, strongest first, where an explanation was asked for."""
        return () if self.explanation is None else self.explanation.reasons

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "entity": dict(self.entity),
            "as_of": format_instant(self.as_of),
            **self.values,
            "explanation": None if self.explanation is None else self.explanation.to_dict(),
            "notes": list(self.notes),
            "copied": list(self.copied),
            "copied_seconds": round(self.copied_seconds, 1),
            "milliseconds": round(self.milliseconds, 2),
        }

    def __repr__(self) -> str:
        named = ", ".join(f"{k}={v!r}" for k, v in {**self.entity, **self.values}.items())
        return f"<Scored {named} as of {format_instant(self.as_of)}>"


@dataclass(frozen=True)
class _Split:
    """Which features are read live, and which from the copy."""

    print_: Footprint
    near: FeatureSet
    copied: Copied | None


@dataclass
class _Ends:
    """The first and last instants of tables, and when they were read."""

    spans: dict[str, tuple[Instant, Instant]] = field(default_factory=dict)
    at: float = -np.inf


class Scorer:
    """A model, warm, over a live database. Several threads may score at once. Close it, or use `with`.

    `target` is a path, a URL or frames, which each call reads anew; or an open database, of which it reads
    the working copy. Of everybody (the level of the whole population's labels) it keeps a copy that is
    renewed every `renew` seconds; so are the instants at which tables begin. `clock` says what time it is.

    >>> from foretell.testing.databases import events
    >>> import foretell
    >>> with foretell.connect(events()) as db:
    ...     question = db.query("PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.id")
    ...     model = question.fit(time_limit=5)
    ...     with model.scorer(db) as scorer:
    ...         scored = scorer.score(7, as_of="2024-04-20")
    >>> 0.0 <= scored.probability <= 1.0
    True
    """

    def __init__(
        self,
        model: Model,
        target: Target | OpenDatabase | Opened,
        *,
        renew: float = RENEW,
        most: int = MOST,
        clock: Clock = wall_clock,
    ) -> None:
        held = target if isinstance(target, OpenDatabase) else getattr(target, "opened", None)
        self.model = model
        self._target: Any = held if held is not None else target
        self._renew = renew
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._readers: list[Reader] = []
        self._benches = Benches()
        self._ends = _Ends()
        self._splits: dict[frozenset[str], _Split] = {}
        self._inherited: dict[str, Copied] = {}
        self._wide: frozenset[str] = frozenset()
        used = model.features.select(set(model.fitted.columns))
        self._print = footprint(model.task, used, model.fitted)
        self._split(self._print.everybody)
        with self._reader():
            pass  # so that what cannot be read is said at once

    @overload
    def score(
        self, entity: list[Any], *, as_of: str | Instant | None = None, explain: bool | int = False
    ) -> tuple[Scored, ...]: ...

    @overload
    def score(
        self, entity: Any, *, as_of: str | Instant | None = None, explain: bool | int = False
    ) -> Scored: ...

    def score(
        self, entity: Any, *, as_of: str | Instant | None = None, explain: bool | int = False
    ) -> Scored | tuple[Scored, ...]:
        """The score of an entity by its key (a tuple for a composite one), or of a list of them in one go, as
        of a time: by default now, whatever the query's AS OF.

        An entity that is not there is a UsageError, one that is not in the population a DataError; of a list
        those outside the population are left out. `explain` gives the reasons, as many as it says or 8.
        """
        many = isinstance(entity, list)
        found = self._scored(entity if many else [entity], as_of, explain)
        if not many and not found:
            raise DataError(
                f"{entity!r} is not among those that are scored then",
                mend="choose another as_of, or look at the WHERE clause with `foretell check`",
            )
        return found if many else found[0]

    def renew(self) -> None:
        """Read anew what is kept of everybody, and where tables begin."""
        self._ends = _Ends()
        for split in tuple(self._splits.values()):
            if split.copied is not None:
                split.copied.renew()

    def _scored(self, ids: list[Any], as_of: str | Instant | None, explain: bool | int) -> tuple[Scored, ...]:
        begun = time.perf_counter()
        moment = parse_instant(as_of) if isinstance(as_of, str) else as_of
        cutoff = self._clock() if moment is None else moment
        keys = _keys(self.model, ids)
        wide = self._wide
        while True:
            split = self._split(self._print.everybody | wide)
            try:
                with self._reader() as reader:
                    frames = read_slice(reader, split.print_, keys, most=self._most)
                    spans = self._spans(reader, split)
                break
            except TooWideError as error:
                more = walking(self.model.task, split.near, error.hops)
                if not more or self.model.fitted.is_relational:
                    raise
                wide |= more
                if error.hops and error.hops[0].up:
                    self._wide |= more  # of a parent's rows there will be as many another time
        told = self._told(split, frames, spans, ids, keys, cutoff, explain, is_now=moment is None)
        spent = (time.perf_counter() - begun) * 1000
        return tuple(replace(s, milliseconds=spent) for s in told)

    def _told(
        self,
        split: _Split,
        frames: Mapping[str, Any],
        spans: Mapping[str, tuple[Instant, Instant]],
        ids: list[Any],
        keys: Keys,
        cutoff: Instant,
        explain: bool | int,
        *,
        is_now: bool,
    ) -> list[Scored]:
        model, task = self.model, self.model.task
        begins = {table: span[0] for table, span in spans.items()}
        last = max((spans[t][1] for t in counted_tables(task) if t in spans), default=None)
        at = model.regime.at
        if at is None and model.regime.frozen:
            at = last
        with open_slice(frames, task.schema, begins=begins, benches=self._benches) as part:
            rows, known = batch.asked(part, task, cutoff, at)
            said: list[str] = []
            inside = batch.named_rows(part, task, rows, ids, cutoff, said)
            rows, known = rows.take(inside), None if known is None else known[inside]
            if not len(rows):
                return []
            until = at if at is not None else last
            if until is not None:
                said += batch.stale(task, model.regime, cutoff, until)
            entities = part.engine.keys(task.entity.name, task.entity_key, rows.entities)
            order = list(zip(*entities.values(), strict=True))
            matrix = self._matrix(split, part, rows, known, order, is_now=is_now)
            copied = () if split.copied is None else split.copied.features.names
            age = 0.0 if split.copied is None else split.copied.age
            if copied and age >= 1:
                said.append(_copied_note(copied, matrix, age))
            if model.fitted.is_relational:
                graph = graph_of(part, task)
                if graph is None:
                    raise UsageError("this model has a relational net, which needs the native engine")
                matrix = surrounded(matrix, graph, rows, known)
            made = batch.scored(part, task, model.features, model.fitted, rows, matrix, cutoff, explain=False)
            told: dict[int, Scored] = {}
            for place, row in enumerate(_in_order(made, order)):
                why = None
                if explain:
                    own = matrix.take(np.array([place]))
                    why = explain_row(
                        task,
                        model.features,
                        model.fitted,
                        own,
                        dict(zip(task.entity_key, order[place], strict=True)),
                        cutoff,
                        8 if explain is True else int(explain),
                        model.explanation,
                    )
                    case = Case(
                        task,
                        model.fitted,
                        model.features,
                        split.near,
                        frames,
                        own,
                        order[place],
                        int(rows.cutoffs[place]),
                        None if known is None else int(known[place]),
                        model.fitted.classes.index(why.of) if why.of else 0,
                        begins,
                    )
                    why = replace(why, reasons=with_rows(case, why.reasons, self._benches))
                told[int(rows.entities[place])] = Scored(
                    entity=dict(zip(task.entity_key, order[place], strict=True)),
                    as_of=int(rows.cutoffs[place]),
                    values=row,
                    explanation=why,
                    notes=(*said, *made.notes),
                    copied=tuple(copied),
                    copied_seconds=age,
                    rows=sum(f.num_rows for f in frames.values()),
                )
            wanted = {c: [k[i] for k in keys] for i, c in enumerate(task.entity_key)}
            places = part.engine.find(task.entity.name, wanted).tolist()
        return [told[p] for p in places if p in told]

    def _matrix(
        self,
        split: _Split,
        part: OpenDatabase,
        rows: Any,
        known: Instants | None,
        keys: Keys,
        *,
        is_now: bool,
    ) -> Matrix:
        """The model's columns: of the slice, and of the copy."""
        near = features_at(part.engine, self.model.task, split.near, rows, known)
        if split.copied is None:
            return near.select(self.model.fitted.columns)
        try:
            far = split.copied.values(keys, rows.cutoffs, known, is_now=is_now)
        except DataError:
            split.copied.renew()
            far = split.copied.values(keys, rows.cutoffs, known, is_now=is_now)
        whole = Matrix((*near.names, *far.names), (*near.columns, *far.columns), len(rows))
        return whole.select(self.model.fitted.columns)

    def _split(self, far: frozenset[str]) -> _Split:
        """The features, those of `far` from a copy. It is made once."""
        with self._lock:
            if far not in self._splits:
                every = self._print.features
                near = every.select(set(every.names) - far)
                chosen = every.select(far)
                print_ = self._print
                if far != self._print.everybody:
                    print_ = footprint(self.model.task, near, self.model.fitted)
                tables = footprint(self.model.task, chosen).reach.tables
                copied = None
                if len(chosen):
                    copied = Copied(
                        self._target,
                        self.model.task,
                        chosen,
                        tables,
                        renew=self._renew,
                        clock=self._clock,
                    )
                self._splits[far] = _Split(print_, near, copied)
            return self._splits[far]

    def _spans(self, reader: Reader, split: _Split) -> Mapping[str, tuple[Instant, Instant]]:
        """The first and the last instant of the tables that the target counts, and of those with whose first
        row earlier labels begin.
        """
        task = self.model.task
        tables = {*split.print_.begins, *counted_tables(task)}
        if isinstance(self._target, OpenDatabase):
            spans = ((t, self._target.engine.span(t)) for t in tables)
            found = {t: s for t, s in spans if s is not None}
            if set(counted_tables(task)) & set(found):
                end = end_of_history(self._target, task)
                found = {t: (first, min(last, max(first, end))) for t, (first, last) in found.items()}
            return found
        frozen = self.model.regime.frozen and self.model.regime.at is None
        if frozen or time.monotonic() - self._ends.at > self._renew:
            found = {}
            for table in tables:
                span = None
                if split.copied is not None and split.copied.has(table) and not frozen:
                    span = split.copied.span(table)
                elif task.schema.table(table).time_column is not None:
                    span = self._span(reader, table)
                else:
                    span = self._dated(table).span(table)
                if span is not None:
                    found[table] = span
            self._ends = _Ends(found, time.monotonic())
        return self._ends.spans

    def _span(self, reader: Reader, table: str) -> tuple[Instant, Instant] | None:
        """A table's first and last instant, from the ends of its own column of times."""
        schema = self.model.task.schema
        source = schema.table(table)
        assert source.time_column is not None
        with reader.reading():
            ends = reader.ends(source, source.time_column)
        with open_slice({table: ends}, schema, benches=self._benches) as part:
            return part.engine.span(table)

    def _dated(self, table: str) -> Copied:
        """A copy of a table that takes its times from its parents, and of these."""
        with self._lock:
            if table not in self._inherited:
                task = self.model.task
                reach = Reach(table)
                with_times(reach, task.schema)
                self._inherited[table] = Copied(
                    self._target, task, FeatureSet(()), reach.tables, renew=self._renew, clock=self._clock
                )
            return self._inherited[table]

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        """A reader of one's own; it is kept for the next call unless something went wrong."""
        with self._lock:
            reader = self._readers.pop() if self._readers else None
        if reader is None:
            held = isinstance(self._target, OpenDatabase)
            reader = WorkingRows(self._target) if held else open_rows(open_source(self._target))
        try:
            yield reader
        except TooWideError:
            self._readers.append(reader)
            raise
        except BaseException:
            reader.close()
            raise
        self._readers.append(reader)

    def close(self) -> None:
        """Let connections and copies go."""
        for copied in (*self._inherited.values(), *(s.copied for s in self._splits.values())):
            if copied is not None:
                copied.close()
        while self._readers:
            self._readers.pop().close()
        self._benches.close()

    def __del__(self) -> None:
        with suppress(Exception):  # it may not have come as far as to hold anything
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Scorer of {self.model!r}>"


def _keys(model: Model, ids: Sequence[Any]) -> Keys:
    """The entities' keys, each with all its parts."""
    key = model.task.entity_key
    parts = [i if isinstance(i, tuple) else (i,) for i in ids]
    if any(len(p) != len(key) for p in parts):
        raise UsageError(f"an id of {model.task.entity.name!r} has {len(key)} parts: {', '.join(key)}")
    return parts


def _in_order(made: Predictions, keys: Keys) -> Iterator[dict[str, Any]]:
    """What was predicted of each entity, in the order of the keys."""
    rows = made.table.to_pylist()
    held = {tuple(r[k] for k in made.key): r for r in rows}
    for key in keys:
        yield {n: v for n, v in held[tuple(key)].items() if n not in made.key and n != "cutoff"}


def _copied_note(copied: Sequence[str], matrix: Matrix, age: float) -> str:
    return (
        f"{len(copied)} of {plural(len(matrix.names), 'feature')} read more than the rows around one entity: "
        f"they are as of a copy read {plural(round(age), 'second')} ago"
    )
