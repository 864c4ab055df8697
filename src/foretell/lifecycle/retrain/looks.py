"""What was tried against each champion, and how it went: every look counts, also those that found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from foretell.core.time import Instant, format_instant, parse_instant
from foretell.lifecycle.registry import Registry

LOOK = "look"
"""The kind of the registry's entries that hold trials of challengers."""
CHECK = "check"
"""The kind of those in which the champion before was held against the champion."""

_TIMES = ("first", "last", "at")


@dataclass(frozen=True)
class Look:
    """A trial against the champion `against`, on rows whose cutoffs go from `first` to `last`.

    `attempt` is 1 for the champion's own recipe, 2 for a larger one, `ruling` what `Ruling.to_dict` says, and
    `version` the version that came of it, None while none has. `at` is when it was made.
    """

    against: int
    first: Instant
    last: Instant
    attempt: int
    ruling: Mapping[str, Any]
    recipe: Mapping[str, Any]
    version: int | None = None
    promoted: bool = False
    at: Instant = 0

    @property
    def key(self) -> str:
        return f"{self.against}:{self.last}:{self.attempt}"

    @property
    def passes(self) -> bool:
        return bool(self.ruling["passes"])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {n: format_instant(getattr(self, n)) for n in _TIMES}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Look:
        """Read back what `to_dict` wrote."""
        times = {n: parse_instant(record[n]) for n in _TIMES}
        return cls(**{**record, **times})


def looks_of(registry: Registry, name: str, against: int | None = None, kind: str = LOOK) -> tuple[Look, ...]:
    """The looks at a model's challengers, those against one champion where it is named."""
    found = [Look.of(e.record) for e in registry.entries(name, kind)]
    return tuple(look for look in found if against is None or look.against == against)


def keep_look(registry: Registry, name: str, look: Look, kind: str = LOOK) -> Look:
    """Keep a look, in place of what was kept of the same rows and attempt."""
    registry.keep(name, kind, look.key, look.to_dict())
    return look
