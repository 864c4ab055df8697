"""A look at what a model's upkeep rests on: database, clocks, schema, models, disk and versions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from foretell import kernel
from foretell.core.errors import ForetellError
from foretell.core.progress import QUIET, Progress
from foretell.core.size import show_size
from foretell.core.text import listing, plural
from foretell.core.time import DAY, Instant, format_instant
from foretell.lifecycle.batches import batches
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase, Target, end_of_history, open_database
from foretell.prediction.model import Model, package_versions
from foretell.schema.model import Origin, Schema

LITTLE_ROOM = 1_000_000_000  # bytes of disk; with less, a fit or a write may not come to its end
QUIET_DAYS, QUIET_GAPS = 3.0, 10.0
"""A table has perhaps stopped where it ends so many days, and so many of its usual gaps, before the last."""


class Health(StrEnum):
    """What a check came to: in order, worth a look, or in the way."""

    OK = "ok"
    LOOK = "look"
    BROKEN = "broken"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, what was found, and how to mend it."""

    name: str
    health: Health
    found: str
    details: tuple[str, ...] = ()
    mend: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "health": self.health.value,
            "found": self.found,
            "details": list(self.details),
            "mend": self.mend,
        }


@dataclass(frozen=True)
class Examination:
    """All checks, in the order in which they were made."""

    database: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is in the way."""
        return all(c.health is not Health.BROKEN for c in self.checks)

    @property
    def verdict(self) -> str:
        """One sentence: what is broken, else what wants a look."""
        broken = [c.name for c in self.checks if c.health is Health.BROKEN]
        looks = [c.name for c in self.checks if c.health is Health.LOOK]
        if broken:
            return f"Not in order: {listing(broken)}."
        if looks:
            return f"In order; worth a look: {listing(looks)}."
        return f"All in order: {plural(len(self.checks), 'check')} passed."

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "healthy": self.healthy,
            "database": self.database,
            "checks": [c.to_dict() for c in self.checks],
        }


def examine(
    registry: Registry,
    target: Target,
    name: str | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    progress: Progress = QUIET,
) -> Examination:
    """Look at a database, at the registry and its disk, at this machine, and with `name` at that model.

    Nothing that is found is raised: it is a check that came to `broken`.
    """
    found = [_software(), *_disk(registry), _files(registry)]
    model = None
    if name is not None:
        loaded = _loaded(registry, name)
        found += loaded[1]
        model = loaded[0]
    shown = str(target) if isinstance(target, str | Path) else "the database"
    try:
        with open_database(target, config=config, now=registry.clock(), progress=progress) as database:
            shown = database.name
            found += _database(database)
            found += _clocks(database, registry.clock())
    except ForetellError as error:
        return Examination(shown, (_broken("connection", error), *found))
    if model is not None:
        found.append(_fits(target, model, registry, config, progress))
        version = registry.version(str(name))
        found += [_leaks(version), _kept_up(registry, version.name)]
    return Examination(shown, tuple(sorted(found, key=lambda c: c.name != "connection")))


def _broken(name: str, error: ForetellError) -> Check:
    examples = tuple(str(e) for e in error.examples)
    return Check(name, Health.BROKEN, error.message, examples, error.mend)


def _software() -> Check:
    versions = listing([f"{n} {v}" for n, v in package_versions().items()])
    if not kernel.AVAILABLE:
        mend = "install a C compiler and foretell again: DuckDB serves meanwhile, more slowly"
        return Check("software", Health.LOOK, f"no native kernel: {kernel.REASON}", (versions,), mend)
    return Check("software", Health.OK, versions)


def _disk(registry: Registry) -> Iterator[Check]:
    there = next(p for p in (registry.folder, *registry.folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    said = f"{show_size(free)} free where {str(registry.folder)!r} lies"
    if free < LITTLE_ROOM:
        yield Check("disk", Health.LOOK, said, mend="make room, or `foretell models prune`")
    else:
        yield Check("disk", Health.OK, said)


def _files(registry: Registry) -> Check:
    """The registry's own file, and every model file that it names."""
    said = [str(r[0]) for r in registry.ledger.rows("PRAGMA integrity_check")]
    if said != ["ok"]:
        return Check(
            "registry", Health.BROKEN, "its SQLite file is damaged", tuple(said[:3]), "restore a backup"
        )
    versions = [v for name in registry.names() for v in registry.versions(name)]
    faults = []
    for version in versions:
        try:
            registry.artifacts.path(version.sha256)
        except ForetellError as error:
            faults.append(f"{version}: {error.message}")
    if faults:
        mend = "restore the folder from a backup, or fit these models again"
        return Check(
            "registry", Health.BROKEN, f"{plural(len(faults), 'file')} cannot be used", tuple(faults), mend
        )
    size = show_size(sum(v.size for v in versions))
    return Check("registry", Health.OK, f"{plural(len(versions), 'version')}, {size}; every file is whole")


def _loaded(registry: Registry, name: str) -> tuple[Model | None, list[Check]]:
    try:
        version = registry.version(name)
        model = registry.load(name)
    except ForetellError as error:
        return None, [_broken("model", error)]
    trained = version.record["packages"]
    moved = [
        f"{package} {trained[package]} → {now}"
        for package, now in package_versions().items()
        if package in trained and trained[package] != now
    ]
    if moved:
        mend = (
            "predictions may differ in the last digits; `foretell retrain` trains with what is installed now"
        )
        return model, [
            Check("model", Health.LOOK, f"{version} was trained with other packages", tuple(moved), mend)
        ]
    return model, [
        Check("model", Health.OK, f"{version} loads; trained with the packages that are installed")
    ]


def _database(database: OpenDatabase) -> Iterator[Check]:
    schema = database.schema
    rows = sum(t.rows for t in schema.tables)
    yield Check(
        "connection",
        Health.OK,
        f"{plural(len(schema.tables), 'table')}, {plural(rows, 'row')}, read as one snapshot",
    )
    yield _keys(schema)
    notes = database.notes
    if notes:
        mend = "correct what is wrong: `foretell schema --write` makes a foretell.toml to edit"
        yield Check("data", Health.LOOK, f"{plural(len(notes), 'thing')} to look at", notes, mend)
    else:
        yield Check("data", Health.OK, "nothing odd was met")


def _keys(schema: Schema) -> Check:
    tables = [t for t in schema.tables if not t.ignored]
    without = [t.name for t in tables if not t.primary_key]
    guessed = [k.name for k in schema.active_links if k.evidence.origin is not Origin.DECLARED]
    details = []
    if without:
        details.append(f"no primary key: {listing(without)}")
    if guessed:
        details.append(f"links that were guessed: {listing(guessed)}")
    said = f"{plural(len(tables) - len(without), 'table')} of {len(tables)} with a key, " + plural(
        len(schema.active_links), "link"
    )
    return Check("keys", Health.LOOK if details else Health.OK, said, tuple(details))


def _clocks(database: OpenDatabase, now: Instant) -> Iterator[Check]:
    """When each table ends, beside the others and beside the present."""
    ends: dict[str, Instant] = {}
    gaps: dict[str, float] = {}  # microseconds between rows, on average
    for table in database.schema.tables:
        if not table.ignored and database.schema.is_timed(table.name):
            span = database.engine.span(table.name)
            if span is not None:
                ends[table.name] = span[1]
                gaps[table.name] = (span[1] - span[0]) / max(table.rows, 1)
    if not ends:
        mend = 'name one in foretell.toml: [tables.<table>] time = "…"'
        yield Check("clocks", Health.BROKEN, "no table has a time", mend=mend)
        return
    last = max(ends.values())
    silent = [
        f"{name} ends at {format_instant(end)}, {_days(last - end)} before the last"
        for name, end in ends.items()
        if last - end > max(QUIET_DAYS * DAY, QUIET_GAPS * gaps[name])
    ]
    ahead = [
        f"{name} has rows up to {format_instant(end)}, after now" for name, end in ends.items() if end > now
    ]
    said = f"the newest row is of {format_instant(last)}"
    if last <= now:
        said += f", {_days(now - last)} ago"
    yield Check("clocks", Health.LOOK if silent or ahead else Health.OK, said, (*ahead, *silent))


def _days(span: Instant) -> str:
    return f"{span / DAY:,.1f} days"


def _fits(
    target: Target,
    model: Model,
    registry: Registry,
    config: str | os.PathLike[str] | None,
    progress: Progress,
) -> Check:
    """Whether the database still has what the model reads."""
    try:
        with open_database(
            target, config=config, schema=model.task.schema, now=registry.clock(), progress=progress
        ) as database:
            if database.changes:
                found = f"{plural(len(database.changes), 'change')} since training; the model still works"
                return Check("schema", Health.LOOK, found, database.changes)
            end_of_history(database, model.task)
    except ForetellError as error:
        return _broken("schema", error)
    return Check("schema", Health.OK, "as it was when the model was trained")


def _leaks(version: Version) -> Check:
    audit = version.record.get("audit")
    if audit is None:
        mend = "`foretell audit` looks for leaks; `foretell fit` does so by itself"
        return Check("leakage", Health.LOOK, "no audit was made of this version", mend=mend)
    suspects = tuple(d["found"] for d in audit["detectors"] if d["outcome"] == "failed")
    if suspects:
        mend = "`foretell audit` says more; mend it and fit again"
        return Check("leakage", Health.BROKEN, str(audit["verdict"]), suspects, mend)
    return Check("leakage", Health.OK, f"at training: {audit['verdict']}")


def _kept_up(registry: Registry, name: str) -> Check:
    """Whether what was begun was finished."""
    held = batches(registry, name)
    unwritten = [f"{b.run_id} of {format_instant(b.cutoff)}" for b in held if b.written is None]
    if unwritten:
        found = f"{plural(len(unwritten), 'batch', 'batches')} were begun and not acknowledged"
        return Check(
            "batches",
            Health.LOOK,
            found,
            tuple(unwritten[:5]),
            "`foretell write` again: it does nothing twice",
        )
    graded = len(registry.entries(name, "grade"))
    return Check("batches", Health.OK, f"{plural(len(held), 'batch', 'batches')} written, {graded:,} graded")
