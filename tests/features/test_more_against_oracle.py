"""What `more` alone tries is computed as the oracle computes it, and reads the past alone."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from foretell.engines.base import Rows
from foretell.engines.duckdb import DuckDBEngine
from foretell.features.lower import feature_plan
from foretell.features.matrix import Numeric, Values
from foretell.features.model import Aggregated, Feature, Nested
from foretell.features.synthesize import Profile, synthesize
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import make_database, make_task

CASES = 60 if os.environ.get("FORETELL_LONG") else 4
EVERYTHING = 5_000
FAR = {(2, 1), (1, 2), (0, 1, 1), (1, 1, 1)}


def shown(column: Values) -> list[Any]:
    if isinstance(column, Numeric):
        return [None if math.isnan(v) else v for v in column.values.tolist()]
    return [None if c < 0 else column.categories[c] for c in column.codes.tolist()]


def reach(feature: Feature) -> tuple[int, ...]:
    """How many links up from the entity, and then down; and down again to what is nested."""
    match feature.definition:
        case Aggregated(up=up, down=down):
            return len(up), len(down)
        case Nested(up=up, inner=inner):
            return len(up), 1, len(inner.down)
        case _:
            return ()


def test_features_that_only_more_tries_agree_with_the_oracle() -> None:
    met: set[tuple[int, ...]] = set()
    cases = 0
    for seed in range(400):
        database = make_database(seed, tables=6, rows=14)
        task = make_task(database, seed)
        if task is None:
            continue
        profile = Profile(120.0, lambda table, column: ("red", "1"))
        plain = set(synthesize(task, profile, FeatureSettings(budget=EVERYTHING)).names)
        more = synthesize(task, profile, FeatureSettings(Breadth.MORE, EVERYTHING))
        extra = [f for f in more.features if f.name not in plain]
        far = [f for f in extra if reach(f) in FAR]
        if not far:
            continue
        cases += 1
        chosen = more.select(f.name for f in (*far[::12], *extra[::40]))
        met |= {reach(f) for f in chosen.features}
        cutoffs = database.cutoffs(seed, 2)
        oracle = Oracle(database.frames, database.schema)
        rows = sorted(oracle.judged(task, cutoffs), key=lambda k: (k[1], k[0]))[-12:]
        given = Rows(
            np.array([e for e, _ in rows], dtype=np.int64), np.array([t for _, t in rows], dtype=np.int64)
        )
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = DuckDBEngine(store, database.schema, precision=np.float64)
            matrix = engine.features(feature_plan(task, chosen), given)
        for name, wanted in oracle.features(task, chosen, rows).items():
            for found, want in zip(shown(matrix[name]), wanted, strict=True):
                same = found == want or (
                    isinstance(found, float)
                    and want is not None
                    and math.isclose(found, want, rel_tol=1e-9, abs_tol=1e-9)
                )
                assert same, (seed, name, found, want)
        if cases == CASES:
            break
    assert cases == CASES and met >= {(2, 1), (1, 2), (0, 1, 1)}
