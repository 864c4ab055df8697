"""A feature: a stable name, what it reads, and what it means in English."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from foretell.core.errors import ModelFileError
from foretell.core.text import listing
from foretell.core.time import Last, LookBack, Offset, Unit
from foretell.plan.nodes import Comparison, Following, Standing, Within
from foretell.schema.model import Hop, Schema


class Kind(StrEnum):
    """How a feature's values are held in the matrix."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEXT = "text"


@dataclass(frozen=True)
class Value:
    """What is read of an event: a column of its own table, or of a parent that `up` leads to.

    `equals` makes it 1 where the column has that value and 0 where it has another. `target` reads the static
    target's own expression instead of a column: the outcomes of earlier rows. `following` reads how the event
    follows on earlier ones: the days since the last (no column is read), or its value's run. `within` reads
    how the event's number stands among others that one parent has at one time.
    """

    column: str
    up: tuple[Hop, ...] = ()
    equals: str | None = None
    target: bool = False
    following: Following | None = None
    within: Within | None = None


@dataclass(frozen=True)
class Attribute:
    """A column of the entity (up = ()) or of a parent as known at the cutoff; `age`: days since it."""

    column: str
    up: tuple[Hop, ...] = ()
    age: bool = False


@dataclass(frozen=True)
class Aggregated:
    """A measure of events: `up` leads from the entity to the anchor, `down` from the anchor to the events.

    A hop down within `up` takes the latest row at the cutoff: the shop of the last order.

    `value` None measures the rows themselves. `window` None is all history before the cutoff; a decayed
    measure takes all history, and its window's length is the half-life. With `ago` it is as of that long
    before the cutoff: the window ends there.
    """

    measure: str
    down: tuple[Hop, ...]
    up: tuple[Hop, ...] = ()
    value: Value | None = None
    window: LookBack | None = None
    ago: Offset | None = None


@dataclass(frozen=True)
class Nested:
    """A measure, over the rows that point at the anchor, of what each of them comes to at the cutoff.

    `down` leads from the anchor to those rows, of which a window takes the latest; `inner` is an aggregate of
    each one, its `up` empty.
    """

    measure: str
    down: Hop
    inner: Aggregated
    up: tuple[Hop, ...] = ()
    window: Offset | None = None


@dataclass(frozen=True)
class Contrast:
    """One aggregate against another: how far it lies above it, or how many times it, as of the cutoff."""

    left: Aggregated
    right: Aggregated
    how: Comparison = Comparison.DIFFERENCE


@dataclass(frozen=True)
class OwnLabels:
    """A measure of the entity's own labels whose windows have closed at the cutoff; or of everyone's.

    `following` reads the run of a label in place of its value; with `ago`, as of that long before the cutoff.
    """

    measure: str
    window: LookBack | None = None
    everyone: bool = False
    following: Following | None = None
    ago: Offset | None = None


@dataclass(frozen=True)
class CutoffPart:
    """A part of the cutoff's calendar."""

    part: str


@dataclass(frozen=True)
class Staleness:
    """The days from the end of the known history to the cutoff, where history was frozen before it."""


Definition: TypeAlias = Attribute | Aggregated | Nested | Contrast | OwnLabels | CutoffPart | Staleness


@dataclass(frozen=True)
class Feature:
    """One column of the matrix. `group` names the source it is explained under (say, a table)."""

    name: str
    kind: Kind
    definition: Definition
    description: str
    group: str


@dataclass(frozen=True)
class LeftOut:
    """Features that were left out on purpose, best first. `why` follows their number: "repeat others"."""

    why: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.names):,} {self.why}"

    def to_dict(self) -> dict[str, Any]:
        """The reason, how many, and three of them."""
        return {"why": self.why, "features": len(self.names), "examples": list(self.names[:3])}


@dataclass(frozen=True)
class FeatureSet:
    """The features of a task, in order of expected value; what was left out, and what to know of either."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @property
    def tried(self) -> int:
        """How many features were considered: those of the set, and those that were left out."""
        return len(self) + sum(len(x.names) for x in self.left_out)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know of the set, in sentences: the notes, and one on all that was left out."""
        if not self.left_out:
            return self.notes
        left = listing([str(x) for x in self.left_out])
        return (*self.notes, f"features: {self.tried:,} tried, {len(self):,} used; left out: {left}")

    def select(self, names: Iterable[str]) -> FeatureSet:
        """The named features, in the order of this set."""
        wanted = set(names)
        return replace(self, features=tuple(f for f in self.features if f.name in wanted))

    def without(self, names: Iterable[str], why: str) -> FeatureSet:
        """The set without the named features, which are left out for that reason."""
        gone = set(names)
        dropped = LeftOut(why, tuple(n for n in self.names if n in gone))
        if not dropped.names:
            return self
        return replace(self.select(set(self.names) - gone), left_out=(*self.left_out, dropped))


def to_json(features: FeatureSet) -> list[dict[str, Any]]:
    """The set as JSON-ready records; links are stored by name."""
    return [
        {
            "name": f.name,
            "kind": f.kind.value,
            "group": f.group,
            "description": f.description,
            **_definition_to_json(f.definition),
        }
        for f in features.features
    ]


def from_json(records: list[dict[str, Any]], schema: Schema) -> FeatureSet:
    """Read back what `to_json` wrote, against the schema it was written for."""
    try:
        return FeatureSet(
            tuple(
                Feature(
                    r["name"], Kind(r["kind"]), _definition_from_json(r, schema), r["description"], r["group"]
                )
                for r in records
            )
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"the model's feature list cannot be read: {error}") from None


_LAST = "last"


def _looked_back(window: LookBack | None) -> list[Any] | None:
    if isinstance(window, Last):
        return [window.count, _LAST]
    return None if window is None else [window.amount, window.unit.value]


def _following(record: str | None) -> Following | None:
    return None if record is None else Following(record)


def _within(record: list[str] | None, schema: Schema) -> Within | None:
    return None if record is None else Within(Hop(schema.link(record[0]), up=True), Standing(record[1]))


def _offset(record: list[Any] | None) -> Offset | None:
    return None if record is None else Offset(record[0], Unit(record[1]))


def _look_back(record: list[Any] | None) -> LookBack | None:
    return Last(record[0]) if record is not None and record[1] == _LAST else _offset(record)


def _hops(path: tuple[Hop, ...]) -> list[list[Any]]:
    return [[h.link.name, h.up] for h in path]


def _path(record: list[list[Any]], schema: Schema) -> tuple[Hop, ...]:
    return tuple(Hop(schema.link(name), up) for name, up in record)


def _definition_to_json(definition: Definition) -> dict[str, Any]:
    match definition:
        case Attribute(column=column, up=up, age=age):
            return {"of": "attribute", "column": column, "up": _hops(up), "age": age}
        case Aggregated(measure=measure, down=down, up=up, value=value, window=window, ago=ago):
            read = None
            if value is not None:
                read = {
                    "column": value.column,
                    "up": _hops(value.up),
                    "equals": value.equals,
                    "target": value.target,
                    "following": value.following,
                    "within": value.within and [value.within.hop.link.name, value.within.how],
                }
            return {
                "of": "events",
                "measure": measure,
                "down": _hops(down),
                "up": _hops(up),
                "value": read,
                "window": _looked_back(window),
                "ago": _looked_back(ago),
            }
        case Nested(measure=measure, down=hop, inner=inner, up=up, window=window):
            return {
                "of": "nested",
                "measure": measure,
                "down": _hops((hop,)),
                "inner": _definition_to_json(inner),
                "up": _hops(up),
                "window": _looked_back(window),
            }
        case Contrast(left=left, right=right, how=how):
            sides = {"left": _definition_to_json(left), "right": _definition_to_json(right)}
            return {"of": how.value, **sides}
        case OwnLabels(measure=measure, window=window, everyone=everyone, following=following, ago=ago):
            return {
                "of": "labels",
                "measure": measure,
                "window": _looked_back(window),
                "everyone": everyone,
                "following": following,
                "ago": _looked_back(ago),
            }
        case CutoffPart(part=part):
            return {"of": "cutoff", "part": part}
        case Staleness():
            return {"of": "staleness"}


def _definition_from_json(r: dict[str, Any], schema: Schema) -> Definition:
    match r["of"]:
        case "attribute":
            return Attribute(r["column"], _path(r["up"], schema), r["age"])
        case "events":
            read = r["value"]
            value = None
            if read is not None:
                value = Value(
                    read["column"],
                    _path(read["up"], schema),
                    read["equals"],
                    read["target"],
                    _following(read.get("following")),
                    _within(read.get("within"), schema),
                )
            return Aggregated(
                r["measure"],
                _path(r["down"], schema),
                _path(r["up"], schema),
                value,
                _look_back(r["window"]),
                _offset(r.get("ago")),
            )
        case "nested":
            inner = _definition_from_json(r["inner"], schema)
            (hop,) = _path(r["down"], schema)
            if not isinstance(inner, Aggregated):
                raise ValueError("a nested feature is of events")
            return Nested(r["measure"], hop, inner, _path(r["up"], schema), _offset(r["window"]))
        case Comparison.DIFFERENCE | Comparison.RATIO as how:
            left, right = (_definition_from_json(r[side], schema) for side in ("left", "right"))
            if not (isinstance(left, Aggregated) and isinstance(right, Aggregated)):
                raise ValueError(f"a {how} is of two aggregates")
            return Contrast(left, right, Comparison(how))
        case "labels":
            return OwnLabels(
                r["measure"],
                _look_back(r["window"]),
                r["everyone"],
                _following(r.get("following")),
                _offset(r.get("ago")),
            )
        case "cutoff":
            return CutoffPart(r["part"])
        case "staleness":
            return Staleness()
        case other:
            raise ModelFileError(f"found a feature of {other!r}, which this release does not know")
