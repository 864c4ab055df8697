"""The registry: every version of every model in one folder, and which of them answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection, Row
from typing import TYPE_CHECKING, Any

from foretell.core.errors import GateError, ModelFileError, RegistryError, UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Instant, format_instant, from_datetime
from foretell.lifecycle import ledger
from foretell.lifecycle.artifacts import Artifacts
from foretell.lifecycle.difference import Difference, difference
from foretell.lifecycle.ledger import Ledger
from foretell.lifecycle.version import CHALLENGER, CHAMPION, Reference, Version, describe_version
from foretell.prediction.model import Model, load

if TYPE_CHECKING:
    from foretell.lifecycle.registered import Registered

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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    time one wins and the other is told. The folder comes to be with the first version. `clock` gives the
    present, in microseconds since 1970.

    >>> import tempfile
    >>> Registry(tempfile.mkdtemp()).names()
    ()
    """

    def __init__(self, path: str | os.PathLike[str] = "models", *, clock: Clock = wall_clock) -> None:
        self.folder = Path(path)
        self.clock = clock
        if "\0" in str(path):
            raise UsageError(f"{str(path)!r} cannot be a folder", mend="name it with --models FOLDER")
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(
                f"{str(path)!r} is a file, expected the registry's folder",
                mend="name it with --models FOLDER",
            )
        self.ledger = Ledger(self.folder / ledger.NAME)
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

    def diff(self, before: str | Reference, after: str | Reference) -> Difference:
        """What differs between two versions, of one model or of two."""
        one, two = self.version(before), self.version(after)
        schemas = [load(self.artifacts.path(v.sha256)).task.schema for v in (one, two)]
        return difference(one, two, (schemas[0], schemas[1]))

    def model(self, name: str) -> Registered:
        """The model of that name: it predicts, writes, is graded, monitored, retrained and kept up."""
        from foretell.lifecycle.registered import Registered

        self.standing(name)
        return Registered(self, name)

    # ── changes ──

    def ready(self) -> None:
        """Make the folder if it is new; a RegistryError where nothing can be kept: best before training."""
        with self.ledger.changing() as connection:
            connection.execute(f"PRAGMA user_version = {ledger.FORMAT}")  # what it is: a write all the same

    def add(
        self, name: str, model: Model, *, audit: Mapping[str, Any] | None = None, reason: str = "fitted"
    ) -> Version:
        """Keep a model as the next version of `name`. The first is the champion, a later one the challenger.

        `audit` is what `Audit.to_dict` says of the question, None where no audit was made.
        """
        return self.add_file(name, model.to_bytes(), describe_version(model, audit), reason=reason)

    def add_file(self, name: str, data: bytes, record: Mapping[str, Any], *, reason: str) -> Version:
        """Keep a model's file as the next version, as `add` does; `record` is of `describe_version`."""
        if Reference.of(name).name != name:
            raise UsageError(f"found {name!r}, expected a name without a version")
        told = json.dumps(record)
        sha256 = self.artifacts.put(data)
        with self.ledger.changing() as connection:
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
                (name, number, sha256, len(data), now, told),
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
        earlier = self._earlier(standing)
        if not earlier:
            raise UsageError(f"{name} has had no other champion to go back to")
        version = self.version(Reference(name, earlier[-1]))
        self._move(version, standing.epoch, "rolled back", reason)
        return version

    def _earlier(self, standing: Standing) -> list[int]:
        """The champions that a rollback may go to, the nearest last."""
        there = {v.number for v in self.versions(standing.name)}
        stack: list[int] = []
        for event in self.history(standing.name):
            if event.action in ("promoted", f"added as {CHAMPION}") and event.version is not None:
                stack.append(event.version)
            elif event.action == "rolled back" and stack:
                stack.pop()
        return [n for n in stack[:-1] if n in there and n != standing.champion]

    def _move(self, version: Version, epoch: int | None, action: str, reason: str) -> None:
        """Move the champion's alias, and write it down, in one transaction."""
        with self.ledger.changing() as connection:
            standing = self.standing(version.name)
            if epoch is not None and epoch != standing.epoch:
                raise RegistryError(
                    f"{version.name} was changed meanwhile: its champion is version {standing.champion}",
                    mend="look at it again: foretell models show " + version.name,
                )
            self.version(Reference(version.name, version.number))  # it may have been pruned meanwhile
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

        Of each model (or of `name`) the newest `keep` stay, the champion, the challenger, the champion that a
        rollback would go to, and those whose predictions were not all graded yet. The audit log stays too.
        """
        if keep < 0:
            raise UsageError(f"found {keep} versions to keep, expected 0 or more")
        gone: list[Version] = []
        if name is not None:
            self.standing(name)
        with self.ledger.changing() as connection:
            for each in self.names() if name is None else (name,):
                kept = self._kept(each, keep)
                for version in (v for v in self.versions(each) if v.number not in kept):
                    connection.execute(
                        "DELETE FROM versions WHERE name = ? AND version = ?", (each, version.number)
                    )
                    _log(connection, each, self.clock(), "pruned", version.number, None, f"kept {keep}")
                    gone.append(version)
        # Only once that has lasted: a file that goes before its row would be missed after a crash.
        with self.ledger.changing() as connection:
            named = "SELECT sha256 FROM versions UNION SELECT sha256 FROM batches"
            held = {r["sha256"] for r in connection.execute(named)}
            for digest in set(self.artifacts.digests()) - held:
                self.artifacts.remove(digest)
            self.artifacts.sweep(DRAFT_AGE)
        return tuple(gone)

    def _kept(self, name: str, keep: int) -> set[int | None]:
        """The versions that `prune` leaves, by number."""
        standing, numbers = self.standing(name), [v.number for v in self.versions(name)]
        ungraded = self.ledger.rows(
            "SELECT DISTINCT version FROM batches WHERE name = ? AND run_id NOT IN"
            " (SELECT key FROM entries WHERE name = ? AND kind = 'grade')",
            (name, name),
        )
        return {
            standing.champion,
            standing.challenger,
            *self._earlier(standing)[-1:],
            *numbers[len(numbers) - min(keep, len(numbers)) :],
            *(r["version"] for r in ungraded),
        }

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
        return tuple(Entry(r["kind"], r["key"], r["at"], _record(r, f"a {kind}")) for r in rows)

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


def _version(row: Row) -> Version:
    return Version(
        row["name"], row["version"], row["sha256"], row["size"], row["created"], _record(row, "a version")
    )


def _record(row: Row, what: str) -> dict[str, Any]:
    try:
        found = json.loads(row["record"])
    except ValueError as error:
        raise _damaged(row, what) from error
    if not isinstance(found, dict):
        raise _damaged(row, what)
    return found


def _damaged(row: Row, what: str) -> ModelFileError:
    return ModelFileError(
        f"the registry is damaged: the record of {what} of {row['name']} cannot be read",
        mend="restore it from a backup",
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
