"""Why a score is what it is, in English: features that tell the same story are added up and named once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import shorten

import numpy as np

from foretell.features.matrix import Categorical, Floats, Matrix, Text
from foretell.features.model import (
    Aggregated,
    Attribute,
    Contrast,
    Feature,
    FeatureSet,
    Nested,
    OwnLabels,
    Value,
)
from foretell.plan.nodes import Following
from foretell.schema.model import Hop

LAST_OUTCOME = "the last known outcome"
SHOWN = 60  # characters of a text
_INVOLVED = frozenset({"decayed_count", "decayed_sum", "trend", "std", "gap", "q10", "q90"})


@dataclass(frozen=True)
class Reason:
    """One reason for one score; `effect` is in the score's link space (log-odds, or the value's units)."""

    feature: str
    text: str
    effect: float

    def __str__(self) -> str:
        return f"{self.text} ({'raises' if self.effect > 0 else 'lowers'} it)"


@dataclass(frozen=True)
class Driver:
    """One of a model's main reasons overall: `share` of all that moves its scores, 0..1."""

    feature: str
    text: str
    share: float
    direction: str  # 'higher values raise it', 'higher values lower it', or '' where neither is plain

    def __str__(self) -> str:
        return self.text + (f": {self.direction}" if self.direction else "")


def story(feature: Feature) -> str:
    """What features have in common that say one thing: the path and the value, whatever window or measure."""
    match feature.definition:
        case Aggregated(up=up, down=down, value=value):
            return _events_story((*up, *down), value)
        case Nested(up=up, down=hop, inner=inner):
            return f"each {_events_story((*up, hop, *inner.down), inner.value)}"
        case Contrast(left=left):
            return _events_story((*left.up, *left.down), left.value)
        case Attribute(up=up, column=column):
            return ">".join(str(h) for h in up) + f".{column}"
        case OwnLabels():
            return "past labels"
        case _:
            return feature.name


def _events_story(path: tuple[Hop, ...], value: Value | None) -> str:
    walked = ">".join(str(h) for h in path)
    if value is None:
        return walked
    if value.following is Following.GAP:
        return walked
    read = ">".join(str(h) for h in value.up) + value.column
    return f"{walked}:{read}{'=' + value.equals if value.equals is not None else ''}"


def reasons(
    contributions: Floats, names: tuple[str, ...], features: FeatureSet, X: Matrix, *, top: int = 3
) -> list[tuple[Reason, ...]]:
    """The strongest reasons of each row, strongest first.

    `contributions` (rows, columns) are additive, in the order of `names`.
    """
    known = {f.name: f for f in features.features}
    stories: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        stories.setdefault(story(known[name]) if name in known else name, []).append(i)
    members = list(stories.values())
    totals = np.stack([contributions[:, m].sum(axis=1) for m in members], axis=1)  # (rows, stories)
    order = np.argsort(-np.abs(totals), axis=1, kind="stable")[:, :top]
    found = []
    for row in range(len(contributions)):
        lines = []
        for place in order[row]:
            effect = float(totals[row, place])
            if abs(effect) < 1e-9:
                continue
            # The member that pulls hardest in the story's own direction speaks for it, a plain one first.
            pull = contributions[row, members[place]] * np.sign(effect)
            plain = np.array([_plainness(known.get(names[i])) for i in members[place]])
            index = members[place][int(np.argmax(np.maximum(pull, 0.0) * plain))]
            name = names[index]
            text = _sentence(known.get(name), name, X, row)
            lines.append(Reason(name, text, effect))
        found.append(tuple(lines))
    return found


def _sentence(feature: Feature | None, name: str, X: Matrix, row: int) -> str:
    what = feature.description if feature is not None else name
    column = X[name]
    if isinstance(column, Categorical):
        code = int(column.codes[row])
        held = column.categories[code] if code >= 0 else "none"
        return f"{what}: {shorten(held, SHOWN, placeholder='…') if isinstance(column, Text) else held}"
    value = float(column.values[row])
    if not np.isfinite(value):
        return f"{what}: none"
    if what.startswith(("share of", "mean outcome")):
        return f"{what}: {value:.0%}"
    if what == LAST_OUTCOME and value in (0.0, 1.0):
        return f"{what}: {'yes' if value else 'no'}"
    return f"{what}: {number(value)}"


def _plainness(feature: Feature | None) -> float:
    """How readily a person takes a feature in: a count or a date at once, a decayed sum or a slope hardly."""
    definition = feature.definition if feature is not None else None
    measure = definition.measure if isinstance(definition, Aggregated | OwnLabels) else ""
    return 0.3 if measure in _INVOLVED or isinstance(definition, Nested) else 1.0


def number(value: float) -> str:
    """A number as a person would write it.

    >>> number(1234.5678), number(0.01234), number(3.0)
    ('1,235', '0.0123', '3')
    """
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def drivers(
    importance: Mapping[str, float],
    features: FeatureSet,
    *,
    X: Matrix | None = None,
    contributions: Floats | None = None,
    top: int = 8,
) -> tuple[Driver, ...]:
    """The stories that move the scores most, each named after its strongest plain feature.

    With a matrix and its contributions (rows, columns) each is given a direction, where there is a plain one.
    """
    known = {f.name: f for f in features.features}
    shares: dict[str, float] = {}
    heads: dict[str, tuple[str, float]] = {}
    for name, share in importance.items():
        key = story(known[name]) if name in known else name
        shares[key] = shares.get(key, 0.0) + share
        spoken = share * _plainness(known.get(name))
        if spoken > heads.get(key, ("", -1.0))[1]:
            heads[key] = (name, spoken)
    total = sum(shares.values()) or 1.0
    found = []
    for key in sorted(shares, key=lambda k: -shares[k])[:top]:
        name = heads[key][0]
        text = known[name].description if name in known else name
        found.append(Driver(name, text, shares[key] / total, _direction(name, X, contributions)))
    return tuple(found)


def _direction(name: str, X: Matrix | None, contributions: Floats | None) -> str:
    if X is None or contributions is None or contributions.ndim != 2:
        return ""
    column = X[name]
    if isinstance(column, Categorical):
        return ""
    values, effects = column.values, contributions[:, X.names.index(name)]
    usable = np.isfinite(values)
    if usable.sum() < 20 or np.ptp(values[usable]) == 0 or np.ptp(effects[usable]) == 0:
        return ""
    ranks = np.argsort(np.argsort(values[usable], kind="stable"), kind="stable")
    strength = float(np.corrcoef(ranks, effects[usable])[0, 1])
    if abs(strength) < 0.3:
        return ""
    return "higher values raise it" if strength > 0 else "higher values lower it"
