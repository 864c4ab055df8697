"""Writing predictions back: who is scored, what is kept, and where the rows go, whole and once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from foretell.core.errors import UsageError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant, parse_instant
from foretell.lifecycle.batches import BASELINE, Batch, begin, find, mark_written, predictions_of, run_id_of
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase, Target, moment_of, open_database
from foretell.prediction.model import Model
from foretell.prediction.predictions import Predictions, beside_keys
from foretell.schema.model import Schema
from foretell.sinks.base import LONGEST, Column, Names, Run, Sink, head_columns
from foretell.sinks.open import kind_of, open_sink
from foretell.sources.open import open_source
from foretell.task.model import Task

PREDICTIONS = "predictions"
REASONS = "reasons"


@dataclass(frozen=True)
class Written:
    """A run that lies in its destination, in the table `to`. `latest` is where the model's latest run is
    looked up; `replayed` says that this one lay there before.
    """

    batch: Batch
    destination: str
    to: str
    latest: str
    replayed: bool
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """What was done, in a sentence."""
        run = f"{self.batch.name}@{self.batch.version} as of {format_instant(self.batch.cutoff)}"
        place = f"{self.to!r} in {self.destination}"
        if self.replayed:
            return f"{run} was written to {place} before: nothing was written."
        return f"Wrote {plural(self.batch.rows, 'prediction')} of {run} to {place}."

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            **self.batch.to_dict(),
            "destination": self.destination,
            "table": self.to,
            "latest": self.latest,
            "replayed": self.replayed,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Prepared:
    """A batch that is kept in the registry and may now be written: `columns` are those of its `rows`."""

    batch: Batch
    run: Run
    columns: tuple[Column, ...]
    rows: pa.Table


def write(
    registry: Registry,
    name: str,
    target: Target,
    *,
    to: str = PREDICTIONS,
    into: str | os.PathLike[str] | None = None,
    as_of: str | Instant | None = None,
    explain: bool | int = True,
    config: str | os.PathLike[str] | None = None,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> Written:
    """Score the population with a version (`churn`, its champion; or `churn@3`) and write the rows to `to`.

    They go into the database that was read, or `into` another: a path or a URL. The same version, cutoff and
    data are one run, which is written once: again is no-op. A table that foretell did not write is never
    touched (UsageError); a WriteError says that the destination failed, and that nothing of the run is there.

    The source is closed before the destination is opened, and that only once the scores are kept.
    """
    schema = registry.load(name).task.schema
    _destination(target, to, into, schema)  # a slip is told before anything is read
    with open_database(
        target,
        config=config,
        schema=schema,
        now=registry.clock(),
        memory=memory,
        cache=cache,
        progress=progress,
    ) as database:
        return write_from(
            registry,
            name,
            target,
            database,
            to=to,
            into=into,
            as_of=as_of,
            explain=explain,
            progress=progress,
        )


def write_from(
    registry: Registry,
    name: str,
    target: Target,
    database: OpenDatabase,
    *,
    to: str = PREDICTIONS,
    into: str | os.PathLike[str] | None = None,
    as_of: str | Instant | None = None,
    explain: bool | int = True,
    progress: Progress = QUIET,
) -> Written:
    """Write from a `database` that is open, and holds what `target` does; other arguments as in `write`."""
    version = registry.version(name)
    model = registry.load(name)
    sink = _destination(target, to, into, model.task.schema)
    if into is None:
        Names.of(to).refuse(list(database.store.tables))
    prepared = prepare(
        registry,
        version,
        model,
        database,
        destination=f"{sink.name}: {to}",
        as_of=as_of,
        explain=explain,
        native=kind_of(open_source(target)) == sink.kind,
    )
    progress.stage(f"writing {plural(prepared.batch.rows, 'row')}")
    return deliver(registry, prepared, sink, to)


def _destination(target: Target, to: str, into: str | os.PathLike[str] | None, schema: Schema) -> Sink:
    """Where the rows go; a UsageError where they must not."""
    Names.of(to)
    sink = open_sink(target if into is None else into)
    _refuse_sources(to, schema)
    return sink


def prepare(
    registry: Registry,
    version: Version,
    model: Model,
    database: OpenDatabase,
    *,
    destination: str,
    as_of: str | Instant | None = None,
    explain: bool | int = True,
    native: bool = False,
) -> Prepared:
    """Score the population of an open database and keep the batch; a run that was kept is not scored again.

    With `native`, keys have the types that the database declares.
    """
    asked = parse_instant(as_of) if isinstance(as_of, str) else as_of
    cutoff = moment_of(database, model.task, asked)
    snapshot = _fingerprint(database, model.task.schema)
    run_id = run_id_of(version, cutoff, snapshot)
    batch = find(registry, run_id)
    if batch is None:
        found = model.predict(database, as_of=cutoff, explain=explain, baseline=True)
        batch = begin(
            registry, version, run_id, cutoff, snapshot, found.table, destination, _record(found, database)
        )
    columns, rows = layout(predictions_of(registry, batch), batch, model.task, database if native else None)
    run = Run(
        batch.run_id,
        version.name,
        version.number,
        version.sha256,
        version.query,
        batch.cutoff,
        batch.snapshot,
        batch.rows,
        registry.clock(),
    )
    return Prepared(batch, run, columns, rows)


def deliver(registry: Registry, prepared: Prepared, sink: Sink, to: str) -> Written:
    """Write a prepared batch to its destination, and mark it as written."""
    is_new = sink.write(to, prepared.run, prepared.columns, prepared.rows)
    mark_written(registry, prepared.batch.run_id)
    batch = find(registry, prepared.batch.run_id) or prepared.batch
    notes = tuple(batch.record.get("notes", ()))
    return Written(batch, sink.name, to, sink.latest(to, batch.name), not is_new, notes)


def layout(
    table: pa.Table, batch: Batch, task: Task, database: OpenDatabase | None
) -> tuple[tuple[Column, ...], pa.Table]:
    """The columns that are written of a kept batch, and their rows: key, cutoff, what was said, reasons.

    With a database, a key's column has the type declared there.
    """
    key = list(batch.record["key"])
    said = [n for n in table.column_names if n not in (*key, "cutoff", BASELINE, REASONS)]
    chosen = [*key, "cutoff", *said]
    rows = table.select(chosen)
    reasons = table[REASONS] if REASONS in table.column_names else pa.nulls(len(table), pa.string())
    rows = rows.append_column(REASONS, reasons)
    own = dict.fromkeys([*(c.name for c in head_columns()), "cutoff", *said, REASONS], True)
    keys = list(beside_keys(task.entity.name, dict.fromkeys(task.entity_key), own))[: len(key)]
    natives = dict.fromkeys(task.entity_key, None) if database is None else _natives(database, task)
    kinds = {f.name: pa.string() if pa.types.is_list(f.type) else f.type for f in rows.schema}
    names = fitting([*keys, "cutoff", *said, REASONS])
    columns = [
        Column(name, kinds[source], native, is_key)
        for name, source, native, is_key in zip(
            names,
            rows.column_names,
            [*(natives[k] for k in task.entity_key), *([None] * (len(said) + 2))],
            [*([True] * len(key)), *([False] * (len(said) + 2))],
        )
    ]
    return tuple(columns), rows


def fitting(names: Sequence[str]) -> list[str]:
    """Column names that every database can hold side by side: short enough, and different in any case.

    >>> fitting(["id", "p(a)", "p(A)"])
    ['id', 'p(a)', 'p(A)~2']
    """
    taken: set[str] = {c.name for c in head_columns()}
    found: list[str] = []
    for name in names:
        chosen, number = _short(name), 2
        while chosen.casefold() in taken:
            chosen, number = f"{_short(name, LONGEST - 4)}~{number}", number + 1
        taken.add(chosen.casefold())
        found.append(chosen)
    return found


def _short(name: str, room: int = LONGEST) -> str:
    """A name of so many bytes at most: what is cut off is told by a hash."""
    data = name.replace("\x00", "").encode("utf-8", "replace")
    if len(data) <= room:
        return data.decode()
    return data[: room - 9].decode("utf-8", "ignore") + "~" + hashlib.sha256(data).hexdigest()[:8]


def _natives(database: OpenDatabase, task: Task) -> Mapping[str, str | None]:
    """The types of the entity's key as the database declares them."""
    raw = database.store.table(task.entity.name).raw
    declared = {c.name: c.native or None for c in raw.columns}
    return {k: declared.get(k) for k in task.entity_key}


def _refuse_sources(to: str, schema: Schema) -> None:
    """Predictions are never written where the model reads."""
    own = {n.casefold() for n in Names.of(to).all}
    found = [t.name for t in schema.tables if t.name.casefold() in own]
    if found:
        raise UsageError(
            f"{found[0]!r} is a table that the model reads: predictions cannot be written there",
            mend="choose another name: --to predictions",
        )


def _fingerprint(database: OpenDatabase, schema: Schema) -> str:
    """A hash of the tables and columns that the model may read."""
    return database.store.fingerprint_of(
        {
            t.name: [c.name for c in t.columns if not c.ignored]
            for t in schema.tables
            if not t.ignored and t.name in database.store.tables
        }
    )


def _record(found: Predictions, database: OpenDatabase) -> dict[str, Any]:
    """What is kept of a batch beside its rows."""
    return {
        "kind": found.kind.value,
        "key": list(found.key),
        "level": found.level,
        "meaning": found.meaning,
        "notes": list(found.notes),
        "database": database.name,
    }
