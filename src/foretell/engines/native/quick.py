"""Labels of plain formulas (aggregates, numbers, comparisons, AND, OR, NOT) without SQL.

They are the same labels; of a few entities they are made in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.engines.base import Labels, Rows
from foretell.plan import nodes
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import DType

Made: TypeAlias = Callable[[nodes.TargetAggregate, Rows], tuple[npt.NDArray[np.intp], pa.Array]]
"""Makes an aggregate: the places of the rows that have an event in their window, and the value of each."""

_ZERO = frozenset({Function.COUNT, Function.COUNT_DISTINCT, Function.SUM, Function.EXISTS})
"""Functions that are 0, or false, of nothing."""
_COMPARED: dict[str, Callable[..., npt.NDArray[np.bool_]]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_NUMBERS = frozenset({DType.INTEGER, DType.FLOAT, DType.BOOLEAN})
LARGEST = 2**53
"""Beyond this a whole number is not the same as a float64."""


@dataclass(frozen=True)
class _Column:
    """Numbers (truth values are 0 and 1), and where there is one: (rows,)."""

    values: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]


def is_plain(target: nodes.Target) -> bool:
    """Whether the labels of a target can be made so."""
    formulas = [f for f in (target.target, target.where, target.assuming) if f is not None]
    return (
        target.horizon is not None
        and target.end_time is None
        and target.target.dtype in _NUMBERS
        and all(_is_plain(f.expr) for f in formulas)
    )


def _is_plain(expr: ast.Expr) -> bool:
    match expr:
        case ast.Column(table=table):
            return not table
        case ast.Literal(value=bool()):
            return True
        case ast.Literal(value=int() | float() as value):
            return abs(value) <= LARGEST
        case ast.Unary(op="NOT", operand=operand):
            return _is_plain(operand)
        case ast.Binary(op=op, left=left, right=right) if op in _COMPARED or op in ("AND", "OR"):
            return _is_plain(left) and _is_plain(right)
        case ast.IsNull(operand=operand):
            return _is_plain(operand)
    return False


def labels(target: nodes.Target, rows: Rows, make: Made) -> Labels | None:
    """The labels of rows (entity, cutoff), which are in order; None where an aggregate is no number."""
    columns: list[_Column] = []
    for node in target.aggregates:
        made = _aggregate(node, rows, make)
        if made is None:
            return None
        columns.append(made)
    label = _value(target.target.expr, columns, len(rows))
    known = label.known & np.isfinite(label.values)
    chosen, assumed = (_holds(f, columns, len(rows)) for f in (target.where, target.assuming))
    dropped = {
        "not chosen by WHERE": int(np.count_nonzero(~chosen)),
        "not held under ASSUMING": int(np.count_nonzero(chosen & ~assumed)),
        "no value": int(np.count_nonzero(chosen & assumed & ~known)),
    }
    kept = chosen & assumed & known
    return Labels(rows.take(kept), label.values[kept], {why: n for why, n in dropped.items() if n})


def _aggregate(node: nodes.TargetAggregate, rows: Rows, make: Made) -> _Column | None:
    places, found = make(node, rows)
    kind = found.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    numbers = found.cast(pa.float64())
    values, known = np.zeros(len(rows)), np.full(len(rows), node.function in _ZERO)
    values[places] = np.nan_to_num(numbers.to_numpy(zero_copy_only=False), nan=0.0)
    if node.function not in _ZERO:
        known[places] = numbers.is_valid().to_numpy(zero_copy_only=False)
    if np.abs(values).max(initial=0.0) > LARGEST and pa.types.is_integer(kind):
        return None
    return _Column(values, known)


def _holds(formula: nodes.Formula | None, columns: Sequence[_Column], rows: int) -> npt.NDArray[np.bool_]:
    """Where a condition is true; no value counts as false."""
    if formula is None:
        return np.ones(rows, dtype=np.bool_)
    found = _value(formula.expr, columns, rows)
    return np.asarray(found.known & (found.values != 0), dtype=np.bool_)


def _value(expr: ast.Expr, columns: Sequence[_Column], rows: int) -> _Column:
    """An expression over aggregates, with SQL's three values of truth."""
    match expr:
        case ast.Column(name=name):
            return columns[int(name[1:])]
        case ast.Literal(value=value):
            assert isinstance(value, int | float)
            return _Column(np.full(rows, float(value)), np.ones(rows, dtype=np.bool_))
        case ast.Unary(operand=operand):
            found = _value(operand, columns, rows)
            return _Column((found.values == 0).astype(np.float64), found.known)
        case ast.IsNull(operand=operand, negated=negated):
            known = _value(operand, columns, rows).known
            return _Column((known == negated).astype(np.float64), np.ones(rows, dtype=np.bool_))
        case ast.Binary(op=op, left=one, right=other):
            left, right = _value(one, columns, rows), _value(other, columns, rows)
            if op in _COMPARED:
                held = _COMPARED[op](left.values, right.values)
                return _Column(held.astype(np.float64), left.known & right.known)
            true = [c.known & (c.values != 0) for c in (left, right)]
            false = [c.known & (c.values == 0) for c in (left, right)]
            yes, no = (true[0] & true[1], false[0] | false[1])
            if op == "OR":
                yes, no = (true[0] | true[1], false[0] & false[1])
            return _Column(yes.astype(np.float64), yes | no)
    raise AssertionError(f"{type(expr).__name__} is not plain")
