"""Rows that are added to try the law have keys of their own, where a time or a parent is part of one too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from foretell.core.time import DAY, parse_instant
from foretell.evaluation import detectors
from foretell.evaluation.canary import plant
from foretell.evaluation.detectors import Outcome, Subject
from foretell.evaluation.futures import Frames, perturb
from foretell.evaluation.pasts import rewrite_past
from foretell.features.lower import feature_plan, target_plan
from foretell.features.synthesize import Profile, synthesize
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind

START = parse_instant("2024-01-01")
CUTOFF = START + 30 * DAY
STATIONS = Table(
    "stations",
    (
        Column("id", DType.INTEGER, Semantic.IDENTIFIER),
        Column("code", DType.TEXT, Semantic.CATEGORICAL, distinct=200),
        Column("height", DType.FLOAT, Semantic.NUMERIC, distinct=200),
    ),
    ("id",),
    rows=200,
)
READINGS = Table(
    "readings",
    (
        Column("station", DType.TEXT, Semantic.IDENTIFIER),
        Column("at", DType.TIMESTAMP, Semantic.TIME),
        Column("value", DType.FLOAT, Semantic.NUMERIC, distinct=200),
    ),
    ("station", "at"),
    "at",
    rows=12_000,
)
SCHEMA = Schema((STATIONS, READINGS), (Link("readings", ("station",), "stations", ("code",)),))


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Readings of every station once a day, some at the cutoff itself."""
    codes = [f"s{i}" for i in range(200)]
    days = [START + d * DAY for d in range(60)]
    rng = np.random.default_rng(0)
    return {
        "stations": pa.table({"id": range(200), "code": codes, "height": rng.normal(size=200)}),
        "readings": pa.table(
            {
                "station": [c for c in codes for _ in days],
                "at": pa.array([d for _ in codes for d in days]).cast(pa.timestamp("us")),
                "value": rng.normal(size=12_000),
            }
        ),
    }


def repeats(made: Frames) -> int:
    pairs = made["readings"].select(["station", "at"])
    return int(pairs.num_rows - pairs.group_by(["station", "at"]).aggregate([]).num_rows)


def test_no_key_repeats(frames: Frames) -> None:
    task = bind(parse("PREDICT SUM(readings.value, 0, 7, days) > 0 FOR EACH stations.id"), SCHEMA)
    target = target_plan(task)
    changed = perturb(frames, SCHEMA, CUTOFF, seed=1)
    planted = plant(frames, SCHEMA, "stations", ("id",), CUTOFF)
    rewritten = rewrite_past(frames, SCHEMA, target, CUTOFF)
    for made in (changed, planted, rewritten):
        assert made["readings"].num_rows not in (0, 12_000)
        assert repeats(made) == 0
        assert made["stations"]["code"].to_pylist() == frames["stations"]["code"].to_pylist()


def test_the_detectors_run_on_it(frames: Frames) -> None:
    task = bind(parse("PREDICT SUM(readings.value, 0, 7, days) > 0 FOR EACH stations.id"), SCHEMA)
    features = synthesize(task, Profile(60.0, lambda table, column: ()))
    plan = feature_plan(task, features.select(features.names[::4]))
    audited = Subject(frames, SCHEMA, target_plan(task), target_plan(task), plan, (CUTOFF,))
    found = [*detectors.other_futures(audited), detectors.labels(audited), detectors.listen(audited)]
    assert {d.outcome for d in found} == {Outcome.PASSED}, found


def test_who_is_asked_about_may_depend_on_what_is_known_when_it_is_asked() -> None:
    """A static target's WHERE reads its own row as of the asking: the canary leaves that alone."""
    table = Table(
        "claims",
        (
            Column("id", DType.INTEGER, Semantic.IDENTIFIER),
            Column("at", DType.TIMESTAMP, Semantic.TIME),
            Column("cost", DType.FLOAT, Semantic.NUMERIC),
            Column("open", DType.BOOLEAN, Semantic.BOOLEAN, known_at="decided"),
            Column("decided", DType.TIMESTAMP, Semantic.TIME),
        ),
        ("id",),
        "at",
    )
    days = np.arange(60) * DAY + START
    frame = pa.table(
        {
            "id": range(60),
            "at": pa.array(days).cast(pa.timestamp("us")),
            "cost": np.ones(60),
            "open": [True, False] * 30,
            "decided": pa.array(days + DAY).cast(pa.timestamp("us")),
        }
    )
    planted = plant(
        {"claims": frame}, Schema((table,)), "claims", ("id",), CUTOFF, hidden=("cost",), own=True
    )
    assert planted["claims"]["open"].to_pylist()[:29] == frame["open"].to_pylist()[:29]
    assert set(planted["claims"]["cost"].to_pylist()) == {1e6, -1e6}
