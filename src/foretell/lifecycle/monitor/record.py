"""What was seen of a model: its parts, and all of them under one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foretell.core.jsonable import jsonable
from foretell.core.time import Instant, format_instant
from foretell.lifecycle.monitor.adversary import Adversary
from foretell.lifecycle.monitor.drift import Drift
from foretell.lifecycle.monitor.estimate import Estimate
from foretell.lifecycle.monitor.feeds import Feed
from foretell.lifecycle.monitor.finding import Finding, Severity, verdict, worst
from foretell.lifecycle.monitor.harm import Judged, Outcome, Promise


@dataclass(frozen=True)
class Performance:
    """How the model does. `batches` are realised, the earliest first; `realised` says whether they are graded
    batches, or what the model would have said at cutoffs that it had not seen.
    """

    metric: str | None
    promise: Promise | None
    batches: tuple[Outcome, ...]
    realised: bool
    judged: Judged
    estimate: Estimate | None = None

    def to_dict(self) -> dict[str, Any]:
        promise = self.promise
        return {
            "metric": self.metric,
            "promised": None
            if promise is None
            else {"score": promise.score, "low": promise.low, "high": promise.high, "lift": promise.lift},
            "graded": self.realised,
            "batches": [b.to_dict() for b in self.batches],
            "harm": self.judged.harm,
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
        }


@dataclass(frozen=True)
class Monitoring:
    """What was seen of a model at a cutoff. `changes` are what is new in the schema; parts are None where
    they could not be looked at, and `notes` say why.
    """

    name: str
    version: int
    question: str
    at: Instant
    cutoff: Instant | None
    findings: tuple[Finding, ...]
    feeds: tuple[Feed, ...] = ()
    changes: tuple[str, ...] = ()
    performance: Performance | None = None
    predictions: Drift | None = None
    features: Drift | None = None
    adversary: Adversary | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        return worst(self.findings)

    @property
    def harm(self) -> bool:
        """Whether somebody should be told at once."""
        return self.severity is Severity.PAGE

    @property
    def verdict(self) -> str:
        return verdict(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; what is not defined is None."""

        def part(held: Any) -> Any:
            return None if held is None else held.to_dict()

        told: dict[str, Any] = jsonable(
            {
                "model": f"{self.name}@{self.version}",
                "question": self.question,
                "at": format_instant(self.at),
                "cutoff": None if self.cutoff is None else format_instant(self.cutoff),
                "severity": self.severity.value,
                "verdict": self.verdict,
                "findings": [f.to_dict() for f in self.findings],
                "feeds": [f.to_dict() for f in self.feeds],
                "schema_changes": list(self.changes),
                "performance": part(self.performance),
                "predictions": part(self.predictions),
                "features": part(self.features),
                "adversary": part(self.adversary),
                "notes": list(self.notes),
            }
        )
        return told

    def __repr__(self) -> str:
        return f"<Monitoring of {self.name}@{self.version}: {self.verdict}>"
