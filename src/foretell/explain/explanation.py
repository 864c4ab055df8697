"""What an explanation is: of a whole model, or of one entity's score; JSON-ready, and read back from JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from foretell.core.jsonable import jsonable
from foretell.explain.reasons import Reason

NONE = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> Self | None:
        """Read back what JSON holds; null is nan."""
        if record is None:
            return None
        return cls(*(NONE if record[n] is None else float(record[n]) for n in ("value", "low", "high")))


@dataclass(frozen=True)
class Influence:
    """Something that a model reads, and what it does to the scores of the test rows.

    `key` names it (a story, a path or a table), `text` says it in English. `share` is its part of all that
    moves the scores of trees and rules (mean |SHAP| of its columns together, 0..1), `effect` that mean in
    link space (log-odds, or the value's units). `lost` is how much worse the metric gets where its columns
    are shuffled together. `net_share` is its part of all that moves the nets' scores, each path being
    removed in turn, and `net_lost` what the nets alone lose by that; None where there are no nets.
    """

    key: str
    text: str
    columns: int
    share: float
    effect: float
    direction: str = ""
    table: str = ""
    lost: Estimate | None = None
    net_share: float | None = None
    net_lost: Estimate | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        lost = {n: Estimate.of(record[n]) for n in ("lost", "net_lost")}
        return cls(**{**record, **lost})

    def __str__(self) -> str:
        return self.text + (f": {self.direction}" if self.direction else "")


@dataclass(frozen=True)
class Point:
    """A place of a curve: what is predicted there on average, with its 95% interval, and from how many rows.

    `at` is a number, a category, or None for "no value".
    """

    at: float | str | None
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Dependence:
    """How the prediction goes with one feature, all else as it is.

    `how` is "ale" (accumulated local effects) for a number, "pd" (partial dependence) for a category. `of`
    says what is predicted, `average` is its mean over the rows.
    """

    feature: str
    text: str
    story: str
    how: str
    of: str
    average: float
    points: tuple[Point, ...]

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Read back what JSON holds."""
        return cls(**{**record, "points": tuple(Point(**p) for p in record["points"])})


@dataclass(frozen=True)
class Explanation:
    """What a model rests on, as seen on rows of its backtest that it was not trained on.

    `rows` of `entities` were looked at; `measured` is the model's `metric` on them. `stories`, `paths` and
    `tables` are three groupings of the same features, the strongest first. `of` is the class that directions
    are about, where there are classes. `nets` is the nets' weight in the model, `nets_level` their part of
    the scores in the mean, in link space, one for each class. `remarks` say in sentences what a reader should
    not overlook: stories that the model uses and that do not help.
    """

    kind: str
    metric: str
    measured: float
    higher_is_better: bool
    rows: int
    entities: int
    of: str
    stories: tuple[Influence, ...]
    paths: tuple[Influence, ...]
    tables: tuple[Influence, ...]
    dependence: tuple[Dependence, ...] = ()
    nets: float = 0.0
    nets_level: tuple[float, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` reads it back."""
        told: dict[str, Any] = jsonable(self)
        return told

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The explanation that `to_dict` wrote."""
        groups = {n: tuple(Influence.of(r) for r in record[n]) for n in ("stories", "paths", "tables")}
        curves = tuple(Dependence.read(r) for r in record["dependence"])
        measured = NONE if record["measured"] is None else record["measured"]
        rest = {"measured": measured, "dependence": curves}
        rest |= {n: tuple(record[n]) for n in ("remarks", "nets_level")}
        return cls(**{**record, **groups, **rest})

    def __repr__(self) -> str:
        return (
            f"<Explanation: {'; '.join(str(s) for s in self.stories[:3]) or 'of nothing that moves a score'}>"
        )


@dataclass(frozen=True)
class Hint:
    """What goes along with another score among real entities that are otherwise alike. No cause is claimed.

    Of `alike` entities `others` are unlike this one in `text` and score `difference` higher or lower.
    """

    feature: str
    text: str
    alike: int
    others: int
    difference: Estimate
    sentence: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        difference = Estimate.of(record["difference"]) or Estimate(NONE, NONE, NONE)
        return cls(**{**record, "difference": difference})

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Told:
    """A reason, with the rows behind it and the score without them, where there are such.

    `change` is what the reason does to the prediction itself: probability, or the value's units. `evidence`
    is a short English of the rows ("last one #10442 on 2026-03-02"), `cited` are they, JSON-ready. `without`
    is the prediction with exactly those rows deleted.
    """

    reason: Reason
    change: float
    evidence: str = ""
    cited: tuple[Mapping[str, Any], ...] = ()
    count: int = 0
    without: float | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        return cls(**{**record, "reason": Reason(**record["reason"]), "cited": tuple(record["cited"])})

    def __str__(self) -> str:
        said = f"{self.reason.text}; {self.evidence}" if self.evidence else self.reason.text
        return f"{said} ({'raises' if self.reason.effect > 0 else 'lowers'} it)"


@dataclass(frozen=True)
class EntityExplanation:
    """Why one entity's score is what it is. Iterating gives its reasons, strongest first.

    In link space (log-odds, or the value's units) `start` is what the model says before it looks at the
    entity; `start`, the effects of all `reasons`, the `rest` and `nets` add up to `total`. `by_net` are what
    nets read, path by path, and what the score would lose without each: these need not add up. `average` is
    the prediction at `start`.
    """

    entity: Mapping[str, Any]
    as_of: str
    kind: str
    prediction: float
    of: str
    average: float
    start: float
    total: float
    reasons: tuple[Told, ...]
    rest: float = 0.0
    nets: float = 0.0
    by_net: tuple[Reason, ...] = ()
    hints: tuple[Hint, ...] = ()
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Told]:
        return iter(self.reasons)

    def __len__(self) -> int:
        return len(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` reads it back."""
        told: dict[str, Any] = jsonable(self)
        return told

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """The explanation that `to_dict` wrote."""
        parts = {
            "reasons": tuple(Told.of(r) for r in record["reasons"]),
            "by_net": tuple(Reason(**r) for r in record["by_net"]),
            "hints": tuple(Hint.of(h) for h in record["hints"]),
            "notes": tuple(record["notes"]),
        }
        return cls(**{**record, **parts})

    def __repr__(self) -> str:
        first = "; ".join(map(str, self.reasons[:2]))
        return f"<EntityExplanation {dict(self.entity)}: {self.prediction:.4g}; {first}>"
