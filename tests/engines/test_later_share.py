"""Which second times of rows that have no time of their own were written after the row came to be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from foretell import kernel
from foretell.core.time import parse_instant, to_datetime
from foretell.engines.base import Engine
from foretell.engines.choose import make_engine
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store.memory import CODE, Memory
from foretell.store.working import Store

START, UNTIL = datetime(2020, 1, 1), parse_instant("2022-01-01")
PEOPLE, IDLE = 60, 5
BEFORE, AFTER = ("born", "signed_up"), ("first_race", "first_day", "updated", "left")


def key(name: str) -> Column:
    return Column(name, DType.INTEGER, Semantic.IDENTIFIER)


def moment(name: str) -> Column:
    return Column(name, DType.TIMESTAMP, Semantic.TIME)


SCHEMA = Schema(
    (
        Table("people", (key("id"), *map(moment, (*BEFORE, *AFTER))), ("id",)),
        Table("races", (key("race"), key("person"), key("witness"), moment("at")), ("race",), "at"),
    ),
    (Link("races", ("person",), "people", ("id",)), Link("races", ("witness",), "people", ("id",))),
)


def frames(seed: int) -> dict[str, pa.Table]:
    """People without a time of their own; the last `IDLE` never race. About half begin after `UNTIL`."""
    rng = np.random.default_rng(seed)
    begun = [START + timedelta(days=float(d), seconds=7) for d in rng.uniform(0, 1460, PEOPLE)]
    races = [(p, begun[p] + timedelta(days=float(d))) for p in range(PEOPLE - IDLE) for d in (0, 90, 200)]

    def seen_by(race: int, at: datetime) -> int | None:
        """Every third race has a witness, who does not race."""
        witness = PEOPLE - 1 - race % (IDLE - 1)
        return witness if race % 3 == 0 and at > begun[witness] else None

    last = [begun[p] + timedelta(days=200) for p in range(PEOPLE)]
    midnight = [datetime(b.year, b.month, b.day) for b in begun]
    told = {
        "born": [m - timedelta(days=20) for m in midnight],
        "signed_up": [b - timedelta(hours=3) for b in begun],
        "first_race": begun,
        "first_day": midnight,
        "updated": last,
        "left": [m if i % 2 else None for i, m in enumerate(last)],
    }
    return {
        "people": pa.table({"id": list(range(PEOPLE)), **told}),
        "races": pa.table(
            {
                "race": list(range(len(races))),
                "person": [p for p, _ in races],
                "witness": [seen_by(i, m) for i, (_, m) in enumerate(races)],
                "at": [m for _, m in races],
            }
        ),
    }


def oracle(tables: dict[str, pa.Table], column: str) -> float:
    """The share, one person after the other."""
    people, races = tables["people"].to_pylist(), tables["races"].to_pylist()
    until = to_datetime(UNTIL)
    known = [p for p in people if p[column] is not None]
    whole = timedelta(days=all(p[column].time() == datetime.min.time() for p in known))
    later = 0
    for person in known:
        first = min((r["at"] for r in races if person["id"] in (r["person"], r["witness"])), default=None)
        came_before = first is not None and person[column] + whole < first
        later += person[column] > until and not came_before
    return later / len(known)


@pytest.fixture(params=["duckdb", "native", "under a cap"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param != "duckdb" and not kernel.AVAILABLE:
        pytest.skip(kernel.REASON)
    return str(request.param)


def engine_of(kind: str, tables: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Store.load(FramesSource(tables).snapshot()) as store:
        if kind != "under a cap":
            yield make_engine(store, SCHEMA, kind=kind)
            return
        from foretell.engines.native import parted
        from foretell.engines.native.parted_engine import PartedEngine

        monkeypatch.setattr(parted, "large_tables", lambda *_: frozenset({"races"}))
        yield PartedEngine(store, SCHEMA, Memory(CODE + 6_000))


@pytest.mark.parametrize("seed", range(3))
def test_engines_agree_with_one_person_after_the_other(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = frames(seed)
    for engine in engine_of(kind, tables, monkeypatch):
        for column in (*BEFORE, *AFTER):
            assert engine.later_share("people", column, UNTIL) == pytest.approx(oracle(tables, column)), (
                column
            )


def test_what_came_before_the_first_event_is_not_later_and_what_came_with_it_or_after_is(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = frames(0)
    for engine in engine_of(kind, tables, monkeypatch):
        share = {c: engine.later_share("people", c, UNTIL) for c in (*BEFORE, *AFTER)}
        assert max(share[c] for c in BEFORE) <= IDLE / PEOPLE  # of whom no event tells
        assert min(share[c] for c in AFTER) > 0.3  # the control
