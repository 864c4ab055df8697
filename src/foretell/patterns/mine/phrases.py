"""How figures are written in findings' sentences."""

from __future__ import annotations

import math
from textwrap import shorten

from foretell.core.time import Instant, to_datetime

SHOWN = 48  # characters of a value from the database


def figure(value: float, share: bool = False) -> str:
    """A level: a share as per cent.

    >>> figure(1234.5), figure(0.0456), figure(0.1234, share=True), figure(float("nan"))
    ('1,234', '0.0456', '12.3%', 'unknown')
    """
    if not math.isfinite(value):
        return "unknown"
    if share:
        return f"{_round(100 * value, 2)}%"
    return _round(value)


def step(value: float, share: bool = False) -> str:
    """A difference of levels, without its sign: of shares in points.

    >>> step(-0.021, share=True), step(-3.0)
    ('2.1 points', '3')
    """
    text = figure(abs(value) * (100 if share else 1))
    return f"{text} points" if share else text


def _round(value: float, digits: int = 3) -> str:
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}".removesuffix(".0")
    if size >= 1:
        return f"{value:.2f}".rstrip("0").removesuffix(".")
    return f"{value:.{digits}g}"


def between(low: float, high: float, share: bool = False) -> str:
    """An interval in brackets, smaller end first by size; ends of different sign keep their signs.

    >>> between(-0.03, -0.01, share=True), between(-1.0, 2.0)
    ('(95%: 1 to 3 points)', '(95%: -1 to 2)')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "(its interval is unknown)"
    unit = " points" if share else ""
    scale = 100 if share else 1
    if low * high > 0:
        low, high = sorted((abs(low), abs(high)))
    return f"(95%: {_round(scale * low)} to {_round(scale * high)}{unit})"


def date(instant: Instant) -> str:
    """The day of an instant.

    >>> date(0)
    '1970-01-01'
    """
    return to_datetime(instant).date().isoformat()


def value(held: str) -> str:
    """A value of the database, not too long and on one line.

    >>> value("a\\nb")
    'a b'
    """
    return shorten(held, SHOWN, placeholder="…") or "''"


def first_upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
