"""The registry: every version of every model in one folder, and which of them answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from foretell.core.errors import GateError, RegistryError, UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Instant, format_instant, from_datetime
from foretell.lifecycle import ledger
from foretell.lifecycle.artifacts import Artifacts
from foretell.lifecycle.ledger import Ledger
from foretell.lifecycle.version import CHALLENGER, CHAMPION, Reference, Version, describe_version
from foretell.prediction.model import Model, load

Clock = Callable[[], Instant]
DRAFT_AGE = 24 * 3600  # seconds after which a draft cannot be somebody's who still writes


def wall_clock() -> Instant:
    """The present."""
    return from_datetime(datetime.now(UTC))


@dataclass(frozen=True)
class Standing:
    """Which versions of a model answer to its aliases. `epoch` goes up with every change of them."""

    name: str
    epoch: int
    champion: int | None
    challenger: int | None


@dataclass(frozen=True)
class Event:
    """A line of the audit log: what was done to a model's versions, when, and why."""

    at: Instant
    action: str
    version: int | None
    before: int | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": format_instant(self.at),
            "action": self.action,
            "version": self.version,
            "before": self.before,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Entry:
    """Something kept of a model beside its versions: a grade of a batch, a look at a challenger, a check."""

    kind: str
    key: str
    at: Instant
    record: Mapping[str, Any]


class Registry:
    """A folder of models: a SQLite file (`registry.db`) and the models' files by their sha256.

    Several processes may use it at once: each change is one transaction, and of two that promote at the same
    time one wins and the other is told. `clock` gives the present, in microseconds since 1970.

    >>> import tempfile
    >>> Registry(tempfile.mkdtemp()).names()
    ()
    """

    def __init__(self, path: str | os.PathLike[str] = "models", *, clock: Clock = wall_clock) -> None:
        self.folder = Path(path)
        self.clock = clock
        try:
            self.ledger = Ledger(self.folder / ledger.NAME)
        except OSError as error:
            raise RegistryError(
                f"the registry {str(path)!r} cannot be made: {error.strerror}",
                mend="choose a folder that can be written: --models FOLDER",
            ) from None
        self.artifacts = Artifacts(self.folder / "files")

    # ── what there is ──

    def names(self) -> tuple[str, ...]:
        """The models, by name."""
        return tuple(r["name"] for r in self.ledger.rows("SELECT name FROM models ORDER BY name"))

    def standing(self, name: str) -> Standing:
        """Which versions are champion and challenger; a UsageError where there is no such model."""
        found = self.ledger.rows("SELECT * FROM models WHERE name = ?", (name,))
        if not found:
            raise self._unknown(name)
        row = found[0]
        return Standing(row["name"], row["epoch"], row["champion"], row["challenger"])

    def versions(self, name: str) -> tuple[Version, ...]:
        """Every version of a model, the oldest first."""
        self.standing(name)
        rows = self.ledger.rows("SELECT * FROM versions WHERE name = ? ORDER BY version", (name,))
        return tuple(_version(r) for r in rows)

    def version(self, reference: str | Reference) -> Version:
        """The version that a name, NAME@3 or NAME@alias means; a name alone means the champion."""
        asked = reference if isinstance(reference, Reference) else Reference.of(reference)
        standing = self.standing(asked.name)
        number: int | None
        if isinstance(asked.which, int):
            number = asked.which
        elif asked.which in (CHAMPION, CHALLENGER):
            number = standing.champion if asked.which == CHAMPION else standing.challenger
        else:
            number = self.ledger.rows("SELECT max(version) FROM versions WHERE name = ?", (asked.name,))[0][0]
        found = self.ledger.rows(
            "SELECT * FROM versions WHERE name = ? AND version = ?", (asked.name, number)
        )
        if not found:
            there = ", ".join(str(v.number) for v in self.versions(asked.name))
            raise UsageError(f"there is no {asked}", mend=f"{asked.name} has versions {there or 'none'}")
        return _version(found[0])

    def load(self, reference: str | Reference) -> Model:
        """The model of a version, its file checked against its sha256."""
        return load(self.artifacts.path(self.version(reference).sha256))

    def history(self, name: str) -> tuple[Event, ...]:
        """The audit log of a model, the oldest line first."""
        self.standing(name)
        rows = self.ledger.rows("SELECT * FROM events WHERE name = ? ORDER BY id", (name,))
        return tuple(Event(r["at"], r["action"], r["version"], r["before"], r["reason"]) for r in rows)

    # ── changes ──

    def add(
        self, name: str, model: Model, *, audit: Mapping[str, Any] | None = None, reason: str = "fitted"
    ) -> Version:
        """Keep a model as the next version of `name`. The first is the champion, a later one the challenger.

        `audit` is what `Audit.to_dict` says of the question, None where no audit was made.
        """
        if Reference.of(name).name != name:
            raise UsageError(f"found {name!r}, expected a name without a version")
        data = model.to_bytes()
        record = json.dumps(describe_version(model, audit))
        with _told():
            sha256 = self.artifacts.put(data)
        with self.ledger.changing() as connection, _told():
            self.artifacts.put(data)  # costs a hash, unless `prune` took the file meanwhile
            now = self.clock()
            connection.execute("INSERT OR IGNORE INTO models VALUES (?, 0, NULL, NULL, ?)", (name, now))
            number = connection.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM (SELECT version FROM versions WHERE name = :name"
                " UNION ALL SELECT version FROM events WHERE name = :name)",
                {"name": name},
            ).fetchone()[0]
            connection.execute(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)",
                (name, number, sha256, len(data), now, record),
            )
            champion = connection.execute("SELECT champion FROM models WHERE name = ?", (name,)).fetchone()[0]
            alias = CHAMPION if champion is None else CHALLENGER
            connection.execute(
                f"UPDATE models SET {alias} = ?, epoch = epoch + 1 WHERE name = ?", (number, name)
            )
            _log(connection, name, now, f"added as {alias}", number, champion, reason)
        return self.version(Reference(name, number))

    def promote(
        self,
        reference: str | Reference,
        *,
        epoch: int | None = None,
        reason: str = "asked for",
        force: bool = False,
    ) -> Version:
        """Make a version the champion.

        With `epoch`, only if no alias of the model has moved since `standing` said it: of two that promote at
        once, the second gets a RegistryError. A version whose audit found a leak is a GateError, unless
        `force`. Promoting the champion changes nothing.
        """
        version = self.version(reference)
        if version.clean is False and not force:
            raise GateError(
                f"{version}'s audit found a leak: {version.record['audit']['verdict']}",
                mend="mend the leak and fit again, or promote it all the same with force (--force)",
            )
        self._move(version, epoch, "promoted", reason)
        return version

    def rollback(self, name: str, *, reason: str = "asked for") -> Version:
        """Make the champion before this one the champion again; a UsageError where there was none.

        Rolling back again goes back further: a champion that was rolled back is passed over.
        """
        standing = self.standing(name)
        there = {v.number for v in self.versions(name)}
        stack: list[int] = []
        for event in self.history(name):
            if event.action in ("promoted", f"added as {CHAMPION}") and event.version is not None:
                stack.append(event.version)
            elif event.action == "rolled back" and stack:
                stack.pop()
        earlier = [n for n in stack[:-1] if n in there and n != standing.champion]
        if not earlier:
            raise UsageError(f"{name} has had no other champion to go back to")
        version = self.version(Reference(name, earlier[-1]))
        self._move(version, standing.epoch, "rolled back", reason)
        return version

    def _move(self, version: Version, epoch: int | None, action: str, reason: str) -> None:
        """Move the champion's alias, and write it down, in one transaction."""
        with self.ledger.changing() as connection:
            standing = self.standing(version.name)
            if epoch is not None and epoch != standing.epoch:
                raise RegistryError(
                    f"{version.name} was changed meanwhile: its champion is version {standing.champion}",
                    mend="look at it again: foretell models show " + version.name,
                )
            if standing.champion == version.number:
                return
            challenger = None if standing.challenger == version.number else standing.challenger
            connection.execute(
                "UPDATE models SET champion = ?, challenger = ?, epoch = epoch + 1 WHERE name = ?",
                (version.number, challenger, version.name),
            )
            _log(connection, version.name, self.clock(), action, version.number, standing.champion, reason)

    def prune(self, name: str | None = None, *, keep: int = 5) -> tuple[Version, ...]:
        """Let go of old versions, and of files that nothing names any more; what was let go.

        Of each model (or of `name`) the newest `keep`, the champion, the challenger and the champion before
        it stay. The audit log and the grades stay too.
        """
        if keep < 0:
            raise UsageError(f"found {keep} versions to keep, expected 0 or more")
        gone: list[Version] = []
        with self.ledger.changing() as connection, _told():
            for each in self.names() if name is None else (name,):
                standing, versions = self.standing(each), self.versions(each)
                champions = [e.version for e in self.history(each) if e.action in ("promoted", "rolled back")]
                kept = {standing.champion, standing.challenger, *champions[-2:]}
                kept |= {v.number for v in versions[len(versions) - keep :]}
                for version in (v for v in versions if v.number not in kept):
                    connection.execute(
                        "DELETE FROM versions WHERE name = ? AND version = ?", (each, version.number)
                    )
                    _log(connection, each, self.clock(), "pruned", version.number, None, f"kept {keep}")
                    gone.append(version)
            named = "SELECT sha256 FROM versions UNION SELECT sha256 FROM batches"
            held = {r["sha256"] for r in connection.execute(named)}
            for digest in set(self.artifacts.digests()) - held:
                self.artifacts.remove(digest)
            self.artifacts.sweep(self.clock() / 1e6 - DRAFT_AGE)
        return tuple(gone)

    # ── what else is kept of a model ──

    def keep(self, name: str, kind: str, key: str, record: Mapping[str, Any]) -> None:
        """Keep an entry (JSON-ready); one of the same kind and key is replaced."""
        with self.ledger.changing() as connection:
            connection.execute(
                "INSERT INTO entries (name, kind, key, at, record) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name, kind, key) DO UPDATE SET at = excluded.at, record = excluded.record",
                (name, kind, key, self.clock(), json.dumps(record)),
            )

    def entries(self, name: str, kind: str) -> tuple[Entry, ...]:
        """The entries of a kind, in the order in which they were first kept."""
        rows = self.ledger.rows("SELECT * FROM entries WHERE name = ? AND kind = ? ORDER BY id", (name, kind))
        return tuple(Entry(r["kind"], r["key"], r["at"], json.loads(r["record"])) for r in rows)

    def close(self) -> None:
        """Close the SQLite file (in this thread)."""
        self.ledger.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Registry {str(self.folder)!r}: {', '.join(self.names()) or 'no model yet'}>"

    def _unknown(self, name: str) -> UsageError:
        there = list(self.names())
        return UsageError(
            f"no model {name!r} in {str(self.folder)!r}",
            mend=did_you_mean(name, there)
            if there
            else "train one with: foretell fit DATABASE QUERY --name NAME",
        )


@contextmanager
def _told() -> Iterator[None]:
    """Failures of the disk as our own errors."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"the registry's files could not be written: {error.strerror or error}",
            mend="make room on the disk and try again; nothing was changed",
        ) from error


def _version(row: Row) -> Version:
    return Version(
        row["name"], row["version"], row["sha256"], row["size"], row["created"], json.loads(row["record"])
    )


def _log(
    connection: Connection,
    name: str,
    at: Instant,
    action: str,
    version: int | None,
    before: int | None,
    reason: str,
) -> None:
    connection.execute(
        "INSERT INTO events (name, at, action, version, before, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (name, at, action, version, before, reason),
    )
