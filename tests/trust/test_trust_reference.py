"""Every query that must run, asked of an invented database from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from trust_world import DATABASES, NOW

import foretell
from foretell import UsageError
from foretell.task.given import LEARNABLE
from foretell.task.model import TaskKind

SECONDS = 0.3
LATER = {16: TaskKind.RANKING, 17: TaskKind.MULTILABEL, 18: TaskKind.FORECAST}


def cases() -> Iterator[tuple[int, str, str]]:
    for line in (Path(__file__).parent / "queries.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            number, database, query = line.split(" | ")
            yield int(number), database, query


@cache
def opened(name: str) -> foretell.Database:
    return foretell.connect(DATABASES[name](), now=NOW)


def test_all_of_them_are_here() -> None:
    assert [number for number, _, _ in cases()] == list(range(1, 23))


@pytest.mark.parametrize(("number", "name", "query"), [pytest.param(*c, id=str(c[0])) for c in cases()])
def test_reference_query(number: int, name: str, query: str) -> None:
    question = opened(name).query(query)
    if number in LATER:
        checked = question.check()
        assert question.task.kind is LATER[number]
        assert checked.labels.rows == question.labels().num_rows > 0
        with pytest.raises(UsageError, match="not fitted in this release"):
            question.ask(time_limit=SECONDS)
        return
    assert question.task.kind in LEARNABLE
    answer = question.ask(time_limit=SECONDS)
    labels, found = answer.check.labels, answer.predictions
    assert labels.rows > 0 and len(found) > 0 and answer.verdict
    assert len(set(zip(*(found.table[k].to_pylist() for k in found.key)))) == len(found)
    if question.task.kind is TaskKind.REGRESSION:
        scores = found.table["prediction"].to_numpy()
        assert np.isfinite(scores).all()
        if number == 13:  # two dozen rows in all
            assert any("come without an interval" in n for n in found.notes)
        else:
            assert (found.table["low"].to_numpy() <= found.table["high"].to_numpy()).all()
        assert answer._repr_html_()
        assert abs(scores.mean() - labels.mean) < 0.6 * abs(labels.mean) + 1
    else:
        scores = found.table["probability"].to_numpy()
        assert ((scores >= 0) & (scores <= 1)).all()
    if question.task.kind is TaskKind.BINARY and number != 20:
        assert abs(scores.mean() - labels.mean) < 0.35
    if question.task.kind is TaskKind.MULTICLASS:
        assert set(found.table["prediction"].to_pylist()) <= set(labels.classes)
    if number == 11:
        assert len(found) <= 30 and labels.dropped["not chosen by WHERE"]
    if number in (19, 21):
        assert any("conditional on ASSUMING, not causal" in w for w in answer.warnings)
        assert labels.dropped["not held under ASSUMING"]
    if number == 20:
        assert sorted(found.table["user_id"].to_pylist()) == [42, 123]
        assert labels.entities == 30  # learned from all
    if number in (13, 14, 15):
        assert "value already" not in " ".join(found.notes)  # rows whose value is not known are scored
