"""What a list of events comes to, and a scalar expression, by the plainest formula: the oracle's sums."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from foretell.core.time import Instant, Last, LookBack, to_datetime
from foretell.plan.nodes import Following
from foretell.query import ast
from foretell.query.ast import Function
from foretell.task.model import BoundAggregate

_DAY = 86_400_000_000
_DECAYING = 30.0
LARGEST = 1e150  # larger numbers count as missing: their squares overflow


@dataclass(frozen=True)
class Event:
    """One event: its time, its place in (time, rank) order, and the value read of it."""

    time: Instant
    place: tuple[Instant, int]
    value: Any


def measured(measure: str, past: list[Event], cutoff: Instant, window: LookBack | None) -> Any:
    """One measure of past events, by its plainest formula. Decayed weights halve in each window."""
    decays = measure.startswith("decayed")
    past = sorted(past, key=lambda e: e.place)
    if isinstance(window, Last):
        past, window = past[-window.count :], None
    elif window is not None and not decays:
        edge = (-window).after(cutoff)
        past = [e for e in past if e.time > edge]
    valued = [e for e in past if e.value is not None]
    values = [e.value for e in valued]
    half_life = window.days if window is not None else _DECAYING

    def weight(e: Event) -> float:
        return float(0.5 ** ((cutoff - e.time) / _DAY / half_life))

    match measure:
        case "count":
            return float(len(past))
        case "recency":
            return (cutoff - past[-1].time) / _DAY if past else None
        case "tenure":
            return (cutoff - past[0].time) / _DAY if past else None
        case "gap":
            return (past[-1].time - past[0].time) / _DAY / (len(past) - 1) if len(past) > 1 else None
        case "decayed_count":
            return math.fsum(weight(e) for e in past)
        case "decayed_sum":
            return math.fsum(weight(e) * e.value for e in valued)
        case "sum":
            return math.fsum(values)
        case "mean":
            return math.fsum(values) / len(values) if values else None
        case "std":
            return _std(values)
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "last" | "last_category":
            return values[-1] if values else None
        case "distinct":
            return float(len(set(values)))
        case "mode":
            return _mode(values)
        case "median":
            return _quantile(values, 0.5) if values else None
        case "q10":
            return _quantile(values, 0.1) if values else None
        case "q90":
            return _quantile(values, 0.9) if values else None
        case "trend":
            return _slope([e.time / _DAY for e in valued], values)
    raise AssertionError(f"the oracle does not know {measure!r}")


def followed(events: list[Event], what: Following) -> list[Event]:
    """The events of one anchor, each with how it follows on those before it in place of its value."""
    events = sorted(events, key=lambda e: e.place)
    found = []
    for i, event in enumerate(events):
        if what is Following.GAP:
            value = (event.time - events[i - 1].time) / _DAY if i else None
        else:
            value = _run([e.value for e in events[: i + 1]])
        found.append(Event(event.time, event.place, value))
    return found


def _run(values: list[Any]) -> float | None:
    """How many of the latest values in a row are of the last one's kind; negative where it is not above 0."""
    if values[-1] is None:
        return None
    kinds = [v if isinstance(v, str) else v > 0 for v in values if v is not None]
    length = next((i for i, kind in enumerate(reversed(kinds)) if kind != kinds[-1]), len(kinds))
    return float(-length if kinds[-1] is False else length)


def _std(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _mode(values: list[Any]) -> Any:
    """The most frequent value, the smallest of equals."""
    counts = Counter(values)
    return min(counts, key=lambda v: (-counts[v], v)) if counts else None


def _slope(times: list[float], values: list[float]) -> float | None:
    """The least-squares slope per day; none with fewer than three values or with times that hardly differ."""
    if len(values) < 3:
        return None
    start = times[0]
    x = [t - start for t in times]
    mean_x, mean_v = math.fsum(x) / len(x), math.fsum(values) / len(x)
    spread = math.fsum((a - mean_x) ** 2 for a in x)
    together = math.fsum((a - mean_x) * (v - mean_v) for a, v in zip(x, values))
    return together / spread if spread > 1e-9 else None


def part_of(part: str, cutoff: Instant) -> float:
    moment = to_datetime(cutoff)
    return float(
        {
            "month": moment.month,
            "weekday": moment.isoweekday(),
            "day": moment.day,
            "hour": moment.hour,
            "year_day": moment.timetuple().tm_yday,
        }[part]
    )


def aggregate_of(aggregate: BoundAggregate, events: list[Event], cutoff: Instant) -> Any:
    """One aggregate of a query over its window around the cutoff."""
    start = aggregate.start.after(cutoff) if aggregate.start.finite else None
    end = aggregate.end.after(cutoff)
    inside = [e for e in events if (start is None or e.time > start) and e.time <= end]
    inside.sort(key=lambda e: e.place)
    values = [e.value for e in inside if e.value is not None]
    match aggregate.function:
        case Function.COUNT:
            return len(inside if aggregate.value is None else values)
        case Function.EXISTS:
            return bool(inside)
        case Function.COUNT_DISTINCT:
            return len(set(values))
        case Function.SUM:
            return math.fsum(values)
    if not values:
        return None
    match aggregate.function:
        case Function.AVG:
            return math.fsum(values) / len(values)
        case Function.MIN:
            return min(values)
        case Function.MAX:
            return max(values)
        case Function.FIRST:
            return values[0]
        case Function.LAST:
            return values[-1]
        case Function.MEDIAN:
            return _quantile(values, 0.5)
        case Function.QUANTILE:
            assert aggregate.parameter is not None
            return _quantile(values, aggregate.parameter)
        case Function.STDDEV:
            return _std(values)
        case Function.MODE:
            return _mode(values)
        case _:
            return sorted({as_text(v) for v in values})


def _quantile(values: list[float], q: float) -> float:
    """With linear interpolation between the two nearest values."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def as_text(value: Any) -> str:
    """A value as a database writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# ── scalar expressions, with NULL as SQL has it ──


def evaluate(expr: ast.Expr, read: Callable[[ast.Column], Any]) -> Any:
    """The value of a scalar expression; None is NULL.

    >>> evaluate(ast.Binary("OR", ast.Literal(None), ast.Literal(True)), lambda c: None)
    True
    """

    def go(node: ast.Expr) -> Any:
        match node:
            case ast.Literal(value=value):
                return value
            case ast.Column():
                return read(node)
            case ast.Unary(op=op, operand=operand):
                inner = go(operand)
                return None if inner is None else (not inner if op == "NOT" else -inner)
            case ast.Binary(op="AND" | "OR" as op, left=left, right=right):
                return _connected(op, go(left), go(right))
            case ast.Binary(op=op, left=left, right=right):
                a, b = go(left), go(right)
                return None if a is None or b is None else _BINARY[op](a, b)
            case ast.In(operand=operand, values=values, negated=negated):
                inner = go(operand)
                return None if inner is None else (inner in [go(v) for v in values]) != negated
            case ast.Between(operand=operand, low=low, high=high, negated=negated):
                inner = go(operand)
                return None if inner is None else (go(low) <= inner <= go(high)) != negated
            case ast.IsNull(operand=operand, negated=negated):
                return (go(operand) is None) != negated
            case ast.Call(name="CAST", args=(inner_expr, ast.Literal(value="INTEGER"))):
                inner = go(inner_expr)
                return None if inner is None else int(inner)
            case _:
                raise AssertionError(f"the oracle does not know {type(node).__name__}")

    return go(expr)


def _connected(op: str, a: bool | None, b: bool | None) -> bool | None:
    """AND and OR of true, false and unknown."""
    decisive = op == "OR"
    if a is decisive or b is decisive:
        return decisive
    return None if a is None or b is None else not decisive


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
