"""Feature sets of random databases: stable names, a round trip, and nothing that is hidden."""

from __future__ import annotations

import pytest

from foretell.core.errors import ModelFileError
from foretell.features.lower import feature_plan
from foretell.features.model import Aggregated, Attribute, FeatureSet, Nested, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.task.model import Task
from foretell.testing.random_databases import make_database, make_task

PROFILE = Profile(120.0, lambda table, column: ("red", "it's"))


def made(seed: int) -> tuple[Task, FeatureSet] | None:
    task = make_task(make_database(seed, tables=1 + seed % 5, rows=8), seed)
    return None if task is None else (task, synthesize(task, PROFILE))


MADE = [m for m in map(made, range(60)) if m is not None]


def test_names_are_unique_and_each_has_its_column() -> None:
    for task, features in MADE:
        assert len(set(features.names)) == len(features)
        assert sorted(feature_plan(task, features).outputs) == sorted(features.names)
        assert all(f.description and f.group for f in features.features)


def test_round_trip() -> None:
    for task, features in MADE:
        assert from_json(to_json(features), task.schema).features == features.features


def test_round_trip_of_more() -> None:
    nested = 0
    for task, _ in MADE[::3]:
        features = synthesize(task, PROFILE, FeatureSettings(Breadth.MORE))
        assert from_json(to_json(features), task.schema).features == features.features
        nested += sum(isinstance(f.definition, Nested) for f in features.features)
    assert nested


def test_damaged_records_are_refused() -> None:
    task, features = next(m for m in MADE if len(m[1]))
    record = to_json(features)[0]
    for damaged in ({**record, "kind": "odd"}, {**record, "of": "nothing"}, {}):
        with pytest.raises(ModelFileError):
            from_json([damaged], task.schema)


def test_a_static_target_is_not_its_own_feature() -> None:
    found = 0
    for task, features in MADE:
        if not task.is_static:
            continue
        found += 1
        for feature in features.features:
            match feature.definition:
                case Attribute(column=column, up=()):
                    assert column not in task.hidden
                case Aggregated(value=value, down=down) if value is not None and not value.target:
                    asked = not value.up and down[-1].end == task.entity.name and value.column in task.hidden
                    assert not asked or task.schema.is_timed(task.entity.name), "earlier rows alone are read"
    assert found > 10


def test_fewer_features_are_defined_alike() -> None:
    """Choosing features changes none of the definitions that stay."""
    for task, features in MADE[:20]:
        half = features.select(features.names[::2])
        whole = {f.name: f.definition for f in features.features}
        assert all(whole[f.name] == f.definition for f in half.features)
        assert sorted(feature_plan(task, half).outputs) == sorted(half.names)
