"""What patterns come to: findings with their figures, and the report that holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from foretell.core.jsonable import jsonable
from foretell.core.time import Instant, format_instant


class Kind(StrEnum):
    """What kind of statement a finding is."""

    SUBGROUP = "subgroup"  # a group whose outcome differs from the others'
    DRIVER = "driver"  # an attribute along which the outcome rises or falls
    TREND = "trend"  # a level that goes on rising or falling
    CHANGE = "change"  # a level that moved at a date, and stayed
    ASSOCIATION = "association"  # things that come together
    SEQUENCE = "sequence"  # one thing follows another
    TIMING = "timing"  # how soon something happens, in one group against another
    SEGMENT = "segment"  # a kind of entity that behaves unlike the others


class Status(StrEnum):
    """What the later part of history made of a statement."""

    HEADLINE = "headline"  # confirmed, whatever else was tested (Holm, 5%)
    APPENDIX = "appendix"  # confirmed among others, of which a tenth may be chance (Benjamini–Hochberg, 10%)
    ENDED = "ended"  # strong in the early part, surely not so any more
    UNCONFIRMED = "unconfirmed"  # the later part does not tell


@dataclass(frozen=True)
class Measured:
    """A statement's figure in the later part alone.

    `low` and `high` are its 95% interval, from resampling entities; `p` is two-sided, against `null`, with
    errors clustered by entity and period; `adjusted` is Holm's. `early` is the figure that mining saw.
    `stability` is the share of periods whose figure lies on the same side, 0..1.
    """

    value: float
    low: float
    high: float
    p: float
    support: int
    population: int
    entities: int
    early: float
    null: float = 0.0
    adjusted: float = 1.0
    stability: float = float("nan")


@dataclass(frozen=True)
class Finding:
    """One statement and what became of it. It is an association, not a cause.

    `series` are (first instant of the period, figure) over all of history, `sql` the statements that give
    the later part's figure again.
    """

    kind: Kind
    status: Status
    key: str
    sheet: str
    sentence: str
    measured: Measured
    series: tuple[tuple[Instant, float], ...]
    sql: str
    also: tuple[str, ...] = ()  # keys of statements of nearly the same rows that it stands for

    def to_dict(self) -> dict[str, Any]:
        held = asdict(self)
        held["series"] = [[format_instant(t), v] for t, v in self.series]
        cleaned: dict[str, Any] = jsonable(held)
        return cleaned


@dataclass(frozen=True)
class Oddity:
    """A row, or a period of a series, that is unlike the others: ranked, not tested."""

    sheet: str
    sentence: str
    score: float
    at: Instant | None
    sql: str


@dataclass(frozen=True)
class Curve:
    """How soon something happens: by each day the share for which it has, per group (Kaplan–Meier)."""

    sheet: str
    title: str
    days: tuple[float, ...]
    groups: dict[str, tuple[float, ...]]
    counts: dict[str, int]


@dataclass(frozen=True)
class Patterns:
    """All that was looked for and found in a database.

    `searched` counts the statements that mining looked at, `frozen` those that went to confirmation before
    the later part was opened. `spans` tell each sheet's early and later part in words;
    `splits` are the first instants of the later parts.
    """

    title: str
    findings: tuple[Finding, ...]
    oddities: tuple[Oddity, ...] = ()
    curves: tuple[Curve, ...] = ()
    searched: int = 0
    frozen: int = 0
    spans: dict[str, str] = field(default_factory=dict)
    splits: dict[str, Instant] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, status: Status) -> tuple[Finding, ...]:
        """The findings of a status, the surest first."""
        return tuple(f for f in self.findings if f.status is status)

    @property
    def headlines(self) -> tuple[Finding, ...]:
        return self.of(Status.HEADLINE)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        held: dict[str, Any] = jsonable(
            {
                "title": self.title,
                "searched": self.searched,
                "frozen": self.frozen,
                "spans": self.spans,
                "splits": {name: format_instant(at) for name, at in self.splits.items()},
                "notes": list(self.notes),
                "oddities": [
                    {**asdict(o), "at": None if o.at is None else format_instant(o.at)} for o in self.oddities
                ],
                "curves": [asdict(c) for c in self.curves],
            }
        )
        return {**held, "findings": [f.to_dict() for f in self.findings]}
