"""The registry: versions, aliases, promotion, rollback, pruning, and what differs between versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foretell
from foretell import GateError, ModelFileError, Registry, RegistryError, UsageError
from foretell.core.time import parse_instant
from foretell.lifecycle import batches
from foretell.lifecycle.version import NAME, Reference, Version, describe_version
from foretell.prediction.model import Model
from foretell.testing.databases import events

COUNT = "PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.id"
SUM = "PREDICT SUM(orders.amount, 0, 14, days) FOR EACH customers.id"
CLEAN = {"clean": True, "verdict": "No leak found.", "detectors": []}
LEAKY = {"clean": False, "verdict": "Leak found by perturb: x.", "detectors": []}
START = parse_instant("2026-01-01")


def trained(query: str) -> Model:
    with foretell.connect(events(), now=parse_instant("2024-06-01")) as database:
        return replace(database.query(query).fit(time_limit=1, model="baseline"), home=None)


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    """Two small models of two questions to one database."""
    return trained(COUNT), trained(SUM)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    ticks = count(START, 1_000_000)
    with Registry(tmp_path / "models", clock=lambda: next(ticks)) as made:
        yield made


def bare(registry: Registry, name: str = "churn", audit: Any = CLEAN) -> Version:
    """A version whose file holds a few bytes: enough for all that does not load it."""
    data = f"{name} {next(_NUMBERS)}".encode()
    return registry.add_file(name, data, {"audit": audit, "query": "q", "backtest": None}, reason="made")


_NUMBERS = count()


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert registry.names() == ()
    with pytest.raises(UsageError, match="no model 'churn'"):
        registry.version("churn")
    assert list(tmp_path.iterdir()) == []


def test_the_first_version_is_the_champion_and_later_ones_challenge_it(registry: Registry) -> None:
    versions = [bare(registry) for _ in range(3)]
    assert [str(v) for v in versions] == ["churn@1", "churn@2", "churn@3"]
    standing = registry.standing("churn")
    assert (standing.champion, standing.challenger, standing.epoch) == (1, 3, 3)
    for said, number in (("churn", 1), ("churn@2", 2), ("churn@challenger", 3), ("churn@latest", 3)):
        assert registry.version(said).number == number


def test_a_kept_model_is_the_model(registry: Registry, models: tuple[Model, Model]) -> None:
    version = registry.add("churn", models[0], audit=CLEAN)
    again = registry.load("churn")
    assert again.to_bytes() == models[0].to_bytes()
    assert version.record == describe_version(models[0], CLEAN)
    assert again.predict(events()).to_pandas().equals(models[0].predict(events()).to_pandas())


def test_promote_and_rollback_are_written_down(registry: Registry) -> None:
    for _ in range(3):
        bare(registry)
    registry.promote("churn@2", reason="better")
    registry.promote("churn@3")
    assert registry.rollback("churn").number == 2
    assert registry.rollback("churn").number == 1
    with pytest.raises(UsageError, match="no other champion to go back to"):
        registry.rollback("churn")
    registry.promote("churn@3")
    assert registry.rollback("churn").number == 1  # not to 2, which was rolled back
    told = [(e.action, e.version, e.before) for e in registry.history("churn")]
    assert told == [
        ("added as champion", 1, None),
        ("added as challenger", 2, 1),
        ("added as challenger", 3, 1),
        ("promoted", 2, 1),
        ("promoted", 3, 2),
        ("rolled back", 2, 3),
        ("rolled back", 1, 2),
        ("promoted", 3, 1),
        ("rolled back", 1, 3),
    ]
    assert registry.history("churn")[3].reason == "better"


def test_promoting_the_champion_changes_nothing(registry: Registry) -> None:
    bare(registry)
    before = registry.standing("churn")
    registry.promote("churn@1")
    assert registry.standing("churn") == before and len(registry.history("churn")) == 1


def test_a_leaking_version_is_not_promoted_unless_forced(registry: Registry) -> None:
    bare(registry), bare(registry, audit=LEAKY), bare(registry, audit=None)
    with pytest.raises(GateError, match="churn@2's audit found a leak: Leak found by perturb"):
        registry.promote("churn@2")
    assert registry.standing("churn").champion == 1
    registry.promote("churn@2", force=True)
    registry.promote("churn@3")
    assert registry.standing("churn").champion == 3


def test_an_epoch_that_has_passed_is_refused(registry: Registry) -> None:
    for _ in range(3):
        bare(registry)
    seen = registry.standing("churn").epoch
    registry.promote("churn@2", epoch=seen)
    with pytest.raises(RegistryError, match="changed meanwhile: its champion is version 2"):
        registry.promote("churn@3", epoch=seen)
    assert registry.standing("churn").champion == 2


def test_of_threads_that_promote_at_once_one_wins(registry: Registry) -> None:
    for _ in range(5):
        bare(registry)
    won: list[int] = []

    def promote(number: int, epoch: int, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            registry.promote(f"churn@{number}", epoch=epoch)
            won.append(number)
        except RegistryError:
            pass
        finally:
            registry.close()

    for _ in range(10):
        before, gate = registry.standing("churn"), threading.Barrier(4)
        others = [n for n in range(1, 6) if n != before.champion]
        threads = [threading.Thread(target=promote, args=(n, before.epoch, gate)) for n in others]
        won.clear()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [registry.standing("churn").champion]


def test_prune_keeps_what_may_be_needed(registry: Registry) -> None:
    for _ in range(8):
        bare(registry)
    registry.promote("churn@3")
    gone = registry.prune(keep=2)
    assert [v.number for v in gone] == [2, 4, 5, 6]  # 1 is the rollback's, 3 the champion
    assert [v.number for v in registry.versions("churn")] == [1, 3, 7, 8]
    assert set(registry.artifacts.digests()) == {v.sha256 for v in registry.versions("churn")}
    assert registry.rollback("churn").number == 1
    assert bare(registry).number == 9
    with pytest.raises(UsageError, match="expected 0 or more"):
        registry.prune(keep=-1)
    with pytest.raises(UsageError, match="no model 'chrn'"):
        registry.prune("chrn")


def test_a_number_is_not_given_twice(registry: Registry) -> None:
    bare(registry), bare(registry)
    registry.promote("churn@2")
    registry.promote("churn@1")
    registry.prune(keep=0)
    assert bare(registry).number == 3


def test_versions_whose_predictions_are_not_graded_stay(registry: Registry) -> None:
    for _ in range(4):
        bare(registry)
    version = registry.version("churn@2")
    batches.begin(registry, version, "run", START, "snapshot", pa.table({"id": [1]}), "here", {})
    assert [v.number for v in registry.prune(keep=0)] == [3]
    registry.keep("churn", "grade", "run", {"value": 1})
    assert [v.number for v in registry.prune(keep=0)] == [2]
    assert batches.predictions_of(registry, batches.batches(registry, "churn")[0]).num_rows == 1


def test_equal_models_are_one_file(registry: Registry) -> None:
    record = {"audit": None}
    first, second = (registry.add_file("churn", b"same", record, reason="made") for _ in range(2))
    assert first.sha256 == second.sha256 and second.number == 2
    registry.promote("churn@2")
    registry.rollback("churn")
    registry.prune(keep=0)
    assert registry.artifacts.read(first.sha256) == b"same"


def test_entries_are_replaced_by_their_key(registry: Registry) -> None:
    bare(registry)
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        registry.keep("churn", "grade", key, {"value": value})
    assert [(e.key, e.record["value"]) for e in registry.entries("churn", "grade")] == [("a", 3), ("b", 2)]
    assert registry.entries("churn", "monitor") == ()


# ── what differs ──


def test_what_differs_between_two_questions(registry: Registry, models: tuple[Model, Model]) -> None:
    registry.add("churn", models[0])
    registry.add("spend", models[1])
    found = registry.diff("churn", "spend")
    assert [line for line in found.query if not line.startswith("  ")] == [
        "- PREDICT COUNT(orders.*, 0, 14, days) = 0",
        "+ PREDICT SUM(orders.amount, 0, 14, days)",
    ]
    assert found.schema == () and found.packages == () and found.recipe == ()
    assert {c.what for c in found.facts} >= {"kind"}
    assert set(found.gained) | set(models[0].features.names) >= set(models[1].features.names)
    assert "different questions" in found.verdict


def test_nothing_differs_from_itself(registry: Registry, models: tuple[Model, Model]) -> None:
    registry.add("churn", models[0])
    found = registry.diff("churn@1", "churn@champion")
    empty = (found.query, found.schema, found.gained, found.lost, found.facts, found.recipe, found.packages)
    assert empty == ((),) * 7 and found.shared == len(models[0].features)


def test_a_changed_schema_is_told(registry: Registry, models: tuple[Model, Model]) -> None:
    model = models[0]
    registry.add("churn", model)
    schema = model.task.schema
    tables = tuple(
        replace(t, columns=tuple(c for c in t.columns if c.name != "segment"), time_column=None)
        if t.name == "customers"
        else t
        for t in schema.tables
    )
    registry.add("churn", replace(model, task=replace(model.task, schema=replace(schema, tables=tables))))
    assert registry.diff("churn@1", "churn@2").schema == (
        "customers: time joined_at → none",
        "customers: gone: column segment",
    )


# ── names ──

WRONG = [
    "../churn",
    "/etc/churn",
    "a/b",
    "",
    "Churn",
    "ch urn",
    "a\0b",
    "a" * 65,
    "ü",
    "..",
    "a\n",
    "churn.db",
]


@pytest.mark.parametrize("name", WRONG)
def test_names_that_could_be_paths_are_refused(name: str, registry: Registry, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: registry.add_file(name, b"x", {}, reason="made"),
        lambda: registry.version(name),
        lambda: registry.promote(f"{name}@1"),
        lambda: registry.load(name),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="cannot be a model's name"):
            call()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("which", ["0x1", "-1", "1.0", "", "champ", "²", "99999999999", "1@2", "1 "])
def test_versions_that_are_no_number_and_no_alias_are_refused(which: str, registry: Registry) -> None:
    bare(registry)
    with pytest.raises(UsageError):
        registry.version(f"churn@{which}")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_reference_is_read_or_is_a_slip(text: str) -> None:
    with suppress(UsageError):
        assert NAME.fullmatch(Reference.of(text).name)


def test_a_file_that_does_not_match_its_name_is_damaged(registry: Registry) -> None:
    version = bare(registry)
    place = registry.artifacts.path(version.sha256)
    place.write_bytes(b"other")
    with pytest.raises(ModelFileError, match="is damaged: it does not match its sha256"):
        registry.load("churn")
    place.unlink()
    with pytest.raises(ModelFileError, match="is gone from"):
        registry.load("churn")
