"""What a retraining came to, as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foretell.core.errors import UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Instant, format_instant
from foretell.lifecycle.retrain.looks import Look


class Promote(StrEnum):
    """When the new version becomes the champion."""

    IF_BETTER = "if-better"
    NEVER = "never"
    ALWAYS = "always"

    @classmethod
    def of(cls, said: Promote | str) -> Promote:
        """The choice of that name; a UsageError where there is none."""
        try:
            return cls(said)
        except ValueError:
            names = [p.value for p in cls]
            raise UsageError(
                f"found promote {str(said)!r}, expected {', '.join(names)}",
                mend=did_you_mean(str(said), names),
            ) from None


class Outcome(StrEnum):
    """What a retraining came to."""

    PROMOTED = "promoted"
    CHALLENGER = "challenger"  # kept as a version, not promoted
    NOT_BETTER = "not better"
    TOO_FEW = "too few rows"
    NOTHING_NEW = "nothing new"
    NOT_DUE = "not due"
    LEAK = "leak"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Retrained:
    """What was tried against the champion `before`, and the version that came of it, if any did."""

    name: str
    at: Instant
    outcome: Outcome
    before: int
    champion: int
    version: int | None
    looks: tuple[Look, ...]
    why: str
    check: Look | None = None
    audit: str | None = None

    @property
    def verdict(self) -> str:
        """What became of it, in one sentence."""
        new = f"{self.name}@{self.version}"
        match self.outcome:
            case Outcome.PROMOTED:
                return f"{new} replaces {self.name}@{self.before}: {self.why}."
            case Outcome.CHALLENGER:
                return f"{new} is kept as the challenger of {self.name}@{self.before}: {self.why}."
            case Outcome.ROLLED_BACK:
                return f"{self.name}@{self.champion} is the champion again: {self.why}."
            case Outcome.LEAK:
                return f"{new} was not promoted: {self.why}"
        return f"{self.name}@{self.before} stays: {self.why}."

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "at": format_instant(self.at),
            "outcome": self.outcome.value,
            "verdict": self.verdict,
            "before": self.before,
            "champion": self.champion,
            "version": self.version,
            "looks": [k.to_dict() for k in self.looks],
            "check": None if self.check is None else self.check.to_dict(),
            "audit": self.audit,
        }
