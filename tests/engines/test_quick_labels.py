"""Labels that are made without SQL are those that SQL makes."""

from __future__ import annotations

import numpy as np
import pytest

from foretell import kernel
from foretell.engines.native import quick
from foretell.engines.native.engine import NativeEngine
from foretell.features.lower import target_plan
from foretell.query import ast
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.testing.random_databases import make_database, make_task

pytestmark = pytest.mark.skipif(not kernel.AVAILABLE, reason="the compiled kernel is not installed")


def compared(seed: int) -> bool | None:
    """Whether both ways give the same labels; None where a question is not plain."""
    database = make_database(seed, tables=4, rows=30)
    task = make_task(database, seed, static=False)
    if task is None or not quick.is_plain(target_plan(task)):
        return None
    cutoffs = database.cutoffs(seed, 4)
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engine = NativeEngine(store, database.schema, threads=1)
        found, wanted = (
            engine.labels(target_plan(task), cutoffs),
            engine._labelling.labels(target_plan(task), cutoffs),
        )
    return (
        np.array_equal(found.rows.entities, wanted.rows.entities)
        and np.array_equal(found.rows.cutoffs, wanted.rows.cutoffs)
        and np.array_equal(found.values, wanted.values)
        and found.dropped == wanted.dropped
    )


PLAIN = (5, 8, 12, 19, 26, 27, 28, 36, 37, 38, 39, 44)
"""Seeds of plain questions."""


def test_labels_are_the_same() -> None:
    assert [compared(seed) for seed in PLAIN] == [True] * len(PLAIN)


def test_wrong_comparisons_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"=": np.not_equal, "!=": np.equal, ">": np.less_equal, "<=": np.greater}
    for sign, instead in wrong.items():
        monkeypatch.setitem(quick._COMPARED, sign, instead)
    assert sum(compared(seed) is False for seed in PLAIN) >= 3


def test_truth_has_three_values() -> None:
    a = ast.Column("", "a0")
    one = quick._Column(np.array([1.0, 0.0, 0.0]), np.array([True, True, False]))
    either = quick._value(ast.Binary("OR", a, ast.Unary("NOT", a)), [one], 3)
    assert either.known.tolist() == [True, True, False]
    both = quick._value(ast.Binary("AND", a, ast.Literal(False)), [one], 3)
    assert both.known.tolist() == [True] * 3 and not both.values.any()
