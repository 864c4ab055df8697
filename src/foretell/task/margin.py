"""The margin of a condition: by how much it holds, where it compares two numbers.

`MIN(qualifying.position, 0, 30, days) <= 3` says of a row only true or false; three less the position says by
how much, and tells a near miss from a hopeless case. Learners of few rows gain by it (benchmarks/LOG.md).
"""

from __future__ import annotations

from dataclasses import replace

from foretell.core.errors import ForetellError
from foretell.query import ast
from foretell.task.bind import bind
from foretell.task.given import is_given
from foretell.task.model import Task, TaskKind


def margin_task(task: Task) -> Task | None:
    """The task whose label is the condition's margin, above 0 (or at 0) where it holds; None without one.

    Only `<`, `<=`, `>` and `>=` between numbers have one. A count that is asked to be above none has a margin
    on one side alone, which tells no more than the condition does to those on the other.
    """
    target = task.query.target
    if task.kind is not TaskKind.BINARY or is_given(task) or not isinstance(target, ast.Binary):
        return None
    if target.op not in ("<", "<=", ">", ">=") or _is_whether_any(target):
        return None
    more, less = (target.left, target.right) if target.op in (">", ">=") else (target.right, target.left)
    try:
        found = bind(replace(task.query, target=ast.Binary("-", more, less), returns=None), task.schema)
    except ForetellError:  # what is compared are no numbers
        return None
    same = (found.horizon, found.gap, found.step) == (task.horizon, task.gap, task.step)
    return found if found.kind is TaskKind.REGRESSION and same else None


def _is_whether_any(target: ast.Binary) -> bool:
    """Whether a count is compared with none."""
    counted = isinstance(target.left, ast.Aggregate) and target.left.function is ast.Function.COUNT
    return (
        counted
        and isinstance(target.right, ast.Literal)
        and (target.op, target.right.value) in ((">", 0), (">=", 1), ("<=", 0), ("<", 1))
    )
