"""What a feature's value says, as a person would say it: "no order for 61 days", not "recency: 61"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import shorten

from foretell.core.time import Last, Offset
from foretell.features.describe import value_words, window_words, words
from foretell.features.matrix import Categorical, Matrix, Text
from foretell.features.model import Aggregated, Contrast, Feature, OwnLabels
from foretell.plan.measures import MEASURES
from foretell.plan.nodes import Comparison, Following
from foretell.task.describe import singular

SHOWN = 60  # characters of a text
MOST_TIMES = 100  # beyond it a rhythm is broken, whatever the number
ALL_TIME = window_words(None, "count")
_SHARES = ("share of", "mean outcome")
_OF_ANY = frozenset({"mean", "min", "max", "median", "q10", "q90"})
"""Measures that one value is enough for."""
_OUTCOMES = ("the last known outcome", "the outcome of")
_HEADS = {
    measure: MEASURES[measure].english.partition("{events}")[0] for measure in ("recency", "tenure", "count")
} | {"sum": MEASURES["count"].english.partition("{events}")[0]}
"""How the descriptions of these measures begin, before the events are named."""


def said(feature: Feature | None, name: str, X: Matrix, row: int) -> str:
    """What the feature of that name says of a row."""
    column = X[name]
    if not isinstance(column, Categorical):
        return said_of_number(feature, name, float(column.values[row]))
    what = feature.description if feature is not None else name
    code = int(column.codes[row])
    held = column.categories[code] if code >= 0 else "none"
    if isinstance(column, Text):
        held = shorten(held, SHOWN, placeholder="…")
    told = _latest(feature, held if code >= 0 else None) if feature is not None else None
    return told or f"{what}: {held}"


def said_of_number(feature: Feature | None, name: str, value: float) -> str:
    """The same of a number; nan is no value."""
    what = feature.description if feature is not None else name
    known = math.isfinite(value)
    told = _phrase(feature, value, known) if feature is not None else None
    if told is not None:
        return told
    if not known:
        return f"{what}: none"
    if what.startswith(_SHARES):
        return f"{what}: {value:.0%}"
    if what.startswith(_OUTCOMES) and value in (0.0, 1.0):
        return f"{what}: {'yes' if value else 'no'}"
    return f"{what}: {number(value)}"


def _phrase(feature: Feature, value: float, known: bool) -> str | None:
    """A phrase of its own for what people count and date; None for any other measure."""
    definition = feature.definition
    if isinstance(definition, Contrast):
        overdue = (definition.how, definition.left.measure, definition.right.measure)
        if not known or overdue != (Comparison.RATIO, "recency", "gap"):
            return None
        events = words(definition.left.down[-1].link.child)
        times = number(value) if value <= MOST_TIMES else f"more than {MOST_TIMES}"
        return f"{times} times the usual days between {events} have passed"
    if isinstance(definition, OwnLabels) and definition.following is Following.RUN and known:
        return _run(feature, definition, value)
    if not isinstance(definition, Aggregated) or definition.ago is not None:
        return None
    if definition.measure in ("recency", "tenure"):
        return _dated(feature, definition, value if known else None)
    if definition.measure == "count" or (
        definition.value is not None and definition.value.equals is not None
    ):
        return _counted(feature, definition, value) if known else None
    return _latest(feature, number(value) if known else None) if known else _nothing(feature, definition)


def _run(feature: Feature, definition: OwnLabels, value: float) -> str | None:
    """Such as "the last 9 known outcomes: all yes"."""
    if definition.measure != "last" or definition.ago is not None or not value:
        return None
    yes_or_no = "(below 0" in feature.description
    alike = ("all yes" if value > 0 else "all no") if yes_or_no else "all alike"
    if abs(value) == 1:
        return f"the last known outcome: {alike.removeprefix('all ')}" if yes_or_no else None
    return f"the last {number(abs(value))} known outcomes: {alike}"


def _dated(feature: Feature, definition: Aggregated, days: float | None) -> str | None:
    """Such as "no order for 61 days"; None of a window of days, which says little."""
    found = _named(feature, definition)
    if found is None or isinstance(definition.window, Offset):
        return None
    one, many, rest = found
    if days is None:
        return f"no {one}{rest} so far"
    if isinstance(definition.window, Last) and definition.measure == "tenure":
        return f"the last {definition.window.count} {many}{rest} within {span(days)}"
    if definition.measure == "tenure":
        return f"the first {one}{rest} {span(days)} ago"
    return f"no {one}{rest} for {span(days)}" if days >= 1 else f"the last {one}{rest} only {span(days)} ago"


def _counted(feature: Feature, definition: Aggregated, value: float) -> str | None:
    """Such as "2 returns in the last 90 days"."""
    found = _named(feature, definition)
    if found is None or value != int(value):
        return None
    one, many, rest = found
    when = window_words(definition.window, definition.measure)
    return f"{number(value) if value else 'no'} {many if value > 1 else one}{rest}{when}"


def _nothing(feature: Feature, definition: Aggregated) -> str | None:
    """Such as "no visit with pages known in the last 30 days", of a mean that has nothing to be taken of."""
    read = definition.value
    if read is None or read.following is not None or definition.measure not in _OF_ANY:
        return _latest(feature, None)
    what, noun = value_words(read, "outcome"), words(definition.down[-1].link.child)
    _, there, rest = feature.description.partition(f"{what} of {noun}")
    when = window_words(definition.window, definition.measure)
    return f"no {singular(noun)}{rest.removesuffix(when)} with {what} known{when}" if there else None


def _latest(feature: Feature, value: str | None) -> str | None:
    """Such as "days late of the last delivery: 13"; None of any other measure."""
    definition = feature.definition
    if not isinstance(definition, Aggregated) or definition.ago is not None or definition.window is not None:
        return None
    read = definition.value
    if definition.measure not in ("last", "last_category") or read is None or read.following is not None:
        return None
    noun, what = words(definition.down[-1].link.child), value_words(read, "outcome")
    head = f"last {what} of {noun}"
    if not feature.description.startswith(head):
        return None
    rest = feature.description.removeprefix(head).removesuffix(ALL_TIME)
    return f"{what} of the last {singular(noun)}{rest}: {'none' if value is None else value}"


def _named(feature: Feature, definition: Aggregated) -> tuple[str, str, str] | None:
    """The events of a count or a date, one and many, and what the description says of them besides: whose
    and which they are. None where it begins otherwise.
    """
    noun = words(definition.down[-1].link.child)
    head = _HEADS.get(definition.measure, "") + noun
    if definition.measure not in _HEADS or not feature.description.startswith(head):
        return None
    rest = feature.description.removeprefix(head)
    return singular(noun), noun, rest.removesuffix(window_words(definition.window, definition.measure))


@dataclass(frozen=True)
class Events:
    """What a feature counts or dates: one of them, whose and which they are, and the article."""

    one: str

    @property
    def article(self) -> str:
        return "an" if self.one[:1] in "aeiou" else "a"


def events_of(feature: Feature) -> Events:
    """The events of a count or of a recency, in the singular: "order", "order of the same shop"."""
    definition = feature.definition
    assert isinstance(definition, Aggregated), feature.name
    one, _, rest = _named(feature, definition) or (feature.description, "", "")
    return Events(one + rest)


def span(days: float) -> str:
    """A length of time in days, or in hours or minutes where it is short.

    >>> span(61.2), span(1.0), span(0.25), span(0.01)
    ('61 days', '1 day', '6 hours', '14 minutes')
    """
    if days < 1 / 24:
        size, unit = days * 1440, "minute"
    elif days < 1:
        size, unit = days * 24, "hour"
    else:
        size, unit = days, "day"
    whole = round(size)
    return f"{whole:,} {unit if whole == 1 else unit + 's'}"


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
