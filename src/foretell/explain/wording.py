"""What a feature's value says, as a person would say it: "no order for 61 days", not "recency: 61"."""

from __future__ import annotations

import math
from textwrap import shorten

from foretell.features.describe import window_words, words
from foretell.features.matrix import Categorical, Matrix, Text
from foretell.features.model import Aggregated, Contrast, Feature
from foretell.plan.measures import MEASURES
from foretell.plan.nodes import Comparison
from foretell.task.describe import singular

LAST_OUTCOME = "the last known outcome"
SHOWN = 60  # characters of a text
ALL_TIME = window_words(None, "count")
_SHARES = ("share of", "mean outcome")
_HEADS = {
    measure: MEASURES[measure].english.partition("{events}")[0] for measure in ("recency", "tenure", "count")
} | {"sum": MEASURES["count"].english.partition("{events}")[0]}
"""How the descriptions of these measures begin, before the events are named."""


def said(feature: Feature | None, name: str, X: Matrix, row: int) -> str:
    """What the feature of that name says of a row."""
    what = feature.description if feature is not None else name
    column = X[name]
    if isinstance(column, Categorical):
        code = int(column.codes[row])
        held = column.categories[code] if code >= 0 else "none"
        return f"{what}: {shorten(held, SHOWN, placeholder='…') if isinstance(column, Text) else held}"
    return said_of_number(feature, name, float(column.values[row]))


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
    if what == LAST_OUTCOME and value in (0.0, 1.0):
        return f"{what}: {'yes' if value else 'no'}"
    return f"{what}: {number(value)}"


def _phrase(feature: Feature, value: float, known: bool) -> str | None:
    """A phrase of its own for what people count and date; None for any other measure."""
    match feature.definition:
        case Aggregated(ago=None) as definition:
            return _events(definition, feature.description, value, known)
        case Contrast(how=Comparison.RATIO, left=left, right=right):
            if known and left.measure == "recency" and right.measure == "gap":
                events = words(left.down[-1].link.child)
                return f"{number(value)} times the usual days between {events} have passed"
            return None
        case _:
            return None


def _events(definition: Aggregated, description: str, value: float, known: bool) -> str | None:
    """The description begins with a head and the events; what follows (whose, which, when) is kept."""
    noun = words(definition.down[-1].link.child)
    head = _HEADS.get(definition.measure)
    counts = definition.measure == "count" or (
        definition.measure == "sum" and definition.value is not None and definition.value.equals is not None
    )
    if head is None or not description.startswith(head + noun) or not (counts or definition.window is None):
        return None
    one, rest = singular(noun), description.removeprefix(head + noun)
    if not known:
        return None if counts else f"no {one}{rest}"
    if counts:
        whole = value == int(value)
        return f"{number(value) if value else 'no'} {noun if value > 1 else one}{rest}" if whole else None
    rest = rest.removesuffix(ALL_TIME)
    if definition.measure == "tenure":
        return f"the first {one}{rest} {span(value)} ago"
    if value < 1:
        return f"the last {one}{rest} only {span(value)} ago"
    return f"no {one}{rest} for {span(value)}"


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
