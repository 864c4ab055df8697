"""How figures are written in findings' sentences."""

from __future__ import annotations

import math
from textwrap import shorten

from foretell.core.time import Instant, to_datetime
from foretell.patterns.finding import Measured

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


def between(measured: Measured, share: bool = False) -> str:
    """The interval of a difference in brackets, in the direction of the difference itself.

    >>> between(Measured(-0.02, -0.03, 0.01, p=0.2, support=9, population=9, entities=9, early=0), share=True)
    '(95%: -1 to 3 points)'
    """
    low, high = (measured.low, measured.high) if measured.value >= 0 else (-measured.high, -measured.low)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "(its interval is unknown)"
    scale = 100 if share else 1
    return f"(95%: {_round(scale * low)} to {_round(scale * high)}{' points' if share else ''})"


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
