"""A version of a model: its number, its file, and what can be said of it without opening that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretell.core.errors import UsageError
from foretell.core.time import Instant, format_instant
from foretell.prediction.model import Model
from foretell.schema.record import to_record
from foretell.sources.state import digest

NAME = re.compile(r"[a-z0-9_-]{1,64}")
CHAMPION, CHALLENGER, LATEST = "champion", "challenger", "latest"
ALIASES = (CHAMPION, CHALLENGER, LATEST)


@dataclass(frozen=True)
class Reference:
    """What a person names: a model, and one of its versions by number or by alias.

    >>> Reference.of("churn"), Reference.of("churn@3").which
    (Reference(name='churn', which='champion'), 3)
    >>> Reference.of("../churn")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: '../churn' cannot be a model's name
    a name has 1 to 64 small letters, digits, '-' or '_'
    """

    name: str
    which: int | str = CHAMPION

    @classmethod
    def of(cls, text: str) -> Reference:
        """Read NAME, NAME@3, NAME@champion, NAME@challenger or NAME@latest."""
        name, mark, which = text.partition("@")
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be a model's name",
                mend="a name has 1 to 64 small letters, digits, '-' or '_'",
            )
        if not mark:
            return cls(name)
        if which.isascii() and which.isdecimal() and len(which) < 10:
            return cls(name, int(which))
        if which not in ALIASES:
            raise UsageError(
                f"found {text!r}, expected a version's number or alias after the @",
                mend=f"such as {name}@3 or {', '.join(f'{name}@{a}' for a in ALIASES)}",
            )
        return cls(name, which)

    def __str__(self) -> str:
        return f"{self.name}@{self.which}"


@dataclass(frozen=True)
class Version:
    """One version. `record` is JSON-ready: query, schema fingerprint, data snapshot, cutoffs, seed, packages,
    scores with intervals, the audit's result (None where none was made), and the recipe to fit it again.
    """

    name: str
    number: int
    sha256: str
    size: int  # bytes
    created: Instant
    record: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @property
    def reference(self) -> Reference:
        """What names this version and no other."""
        return Reference(self.name, self.number)

    @property
    def query(self) -> str | None:
        """The query in canonical form; None where labels were given."""
        found: str | None = self.record.get("query")
        return found

    @property
    def backtest(self) -> Mapping[str, Any] | None:
        """Metric, score and lift with their intervals, the best baseline and the verdict."""
        found: Mapping[str, Any] | None = self.record.get("backtest")
        return found

    @property
    def clean(self) -> bool | None:
        """Whether the audit found no leak; None where none was made."""
        audit = self.record.get("audit")
        return None if audit is None else bool(audit["clean"])

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.number,
            "sha256": self.sha256,
            "size": self.size,
            "created": format_instant(self.created),
            **self.record,
        }

    def summary(self) -> dict[str, Any]:
        """The few facts by which versions are told apart."""
        return {
            "version": self.number,
            "created": format_instant(self.created),
            "size": self.size,
            "query": self.query,
            "last_cutoff": self.record.get("last_cutoff"),
            "backtest": self.backtest,
            "clean": self.clean,
        }


_TOLD = ("metric", "model", "best_baseline", "lift", "rows", "entities", "ece", "coverage", "verdict")


def describe_version(model: Model, audit: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The record of a model: what the registry can say of it without opening its file."""
    backtest = model.backtest
    return {
        "query": model.query,
        "description": model.description,
        "kind": model.task.kind.value,
        "schema": digest(repr(to_record(model.task.schema))),
        "features": list(model.features.names),
        "backtest": None if backtest is None else {k: backtest[k] for k in _TOLD},
        "audit": None if audit is None else dict(audit),
        **{k: v for k, v in model.facts.items() if k != "health"},  # long, and kept in the file
    }
