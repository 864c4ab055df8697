"""Retraining from end to end: what is promoted, what is not, what is rolled back, and what is never read."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from lifecycle_world import Clock, Frames, day, fitted, frames, registry, seen, written

import foretell
from foretell.core.errors import RegistryError, UsageError
from foretell.core.time import DAY, Offset, parse_instant
from foretell.evaluation.detectors import Detection
from foretell.evaluation.detectors import Outcome as Found
from foretell.lifecycle.grading import grade
from foretell.lifecycle.grading.outcomes import seen_until
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain import Due, Outcome, Promote, Retrained, due, looks_of, retrain
from foretell.lifecycle.retrain.looks import CHECK, Look, keep_look
from foretell.lifecycle.retrain.rollback import checked
from foretell.lifecycle.retrain.trial import _aligned
from foretell.lifecycle.retrain.unseen import Missing, Unseen, unseen
from foretell.lifecycle.version import Version
from foretell.models.calibrate import Calibration
from foretell.prediction.database import open_database
from foretell.prediction.inspect import Inspection
from foretell.prediction.model import Model
from foretell.task.model import TaskKind

TRAINED = day(200)
module = importlib.import_module("foretell.lifecycle.retrain.retrain")


@pytest.fixture(autouse=True)
def unaudited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit has tests of its own: here it finds nothing, but in the test that is of the whole."""
    if request.function is not test_a_better_challenger_is_promoted_once:
        passed = Detection("proof", Found.PASSED, "did nothing", "")
        monkeypatch.setattr(module, "inspect", lambda *_, **__: Inspection("q", "nothing", (), (passed,)))


@pytest.fixture(scope="module")
def tables() -> Frames:
    return frames(3, customers=120)


@pytest.fixture(scope="module")
def good(tables: Frames) -> Model:
    return fitted(tables, TRAINED)


@pytest.fixture(scope="module")
def bad(good: Model) -> Model:
    """The good model turned upside down."""
    slope = good.fitted.calibration.slope
    return replace(good, fitted=replace(good.fitted, calibration=Calibration(-slope, 0.0)))


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    return registry(tmp_path, Clock(TRAINED))


def at(held: Registry, number: float) -> None:
    held.clock.at = day(number)  # type: ignore[attr-defined]


def again(held: Registry, tables: Frames, **how: object) -> Retrained:
    with seen(tables, held) as database:
        return retrain(held, "buys", database, **how)  # type: ignore[arg-type]


def split(held: Registry, tables: Frames) -> Unseen | Missing:
    version = held.version("buys")
    with seen(tables, held) as database:
        return unseen(database, held.load("buys").task, version)


def test_a_better_challenger_is_promoted_once(held: Registry, tables: Frames, bad: Model) -> None:
    held.add("buys", bad)
    at(held, 330)
    found = again(held, tables)
    assert found.outcome is Outcome.PROMOTED and (found.before, found.champion, found.version) == (1, 2, 2)
    (look,) = looks_of(held, "buys")
    assert look.promoted and look.version == 2 and look.ruling["better"] and look.ruling["look"] == 1
    version = held.version("buys@2")
    assert version.clean and version.record["recipe"] == held.version("buys@1").record["recipe"]
    assert parse_instant(version.record["last_cutoff"]) > look.last - 20 * DAY  # refitted on everything
    assert "replaces buys@1" in found.verdict and "unseen rows" in held.history("buys")[-1].reason
    following = again(held, tables)
    assert following.outcome is Outcome.TOO_FEW and held.standing("buys").champion == 2


def test_an_equal_challenger_is_not_and_the_same_rows_are_looked_at_once(
    held: Registry, tables: Frames, good: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "trained", lambda *_: good)
    held.add("buys", good)
    at(held, 330)
    found = again(held, tables)
    assert found.outcome is Outcome.NOT_BETTER and "would have shown" in found.verdict
    assert [k.attempt for k in looks_of(held, "buys")] == [1]
    assert again(held, tables).outcome is Outcome.NOTHING_NEW
    assert len(looks_of(held, "buys")) == 1 and len(held.versions("buys")) == 1
    at(held, 375)
    later = again(held, tables)
    assert later.outcome is Outcome.NOT_BETTER and looks_of(held, "buys")[-1].ruling["look"] == 2


def test_never_keeps_a_challenger_and_always_promotes(
    held: Registry, tables: Frames, good: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "trained", lambda *_: good)
    held.add("buys", good)
    at(held, 330)
    kept = again(held, tables, promote="never")
    assert kept.outcome is Outcome.CHALLENGER
    assert (held.standing("buys").champion, held.standing("buys").challenger) == (1, 2)
    forced = again(held, tables, promote=Promote.ALWAYS)
    assert forced.outcome is Outcome.PROMOTED and held.standing("buys").champion == forced.version == 3


def test_a_challenger_that_passed_is_promoted_when_that_is_allowed(
    held: Registry, tables: Frames, bad: Model, good: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("buys", bad)
    at(held, 330)
    monkeypatch.setattr(module, "trained", lambda *_: good)
    assert again(held, tables, promote="never").outcome is Outcome.CHALLENGER
    monkeypatch.setattr(module, "trained", lambda *_: pytest.fail("trained again"))
    found = again(held, tables)
    assert found.outcome is Outcome.PROMOTED and held.standing("buys").champion == 2
    assert looks_of(held, "buys", 1)[0].promoted


def test_too_few_rows_are_said_with_when_there_will_be_enough(
    held: Registry, tables: Frames, bad: Model
) -> None:
    held.add("buys", bad)
    at(held, 215)
    early = split(held, tables)
    assert isinstance(early, Missing) and early.rows == 0 and "no window has closed" in early.why
    assert early.when is not None and day(235) < early.when < day(260)
    assert again(held, tables).outcome is Outcome.TOO_FEW
    with seen(tables, held) as database:
        assert retrain(held, "buys", database, promote="never").outcome is Outcome.CHALLENGER


def test_neither_model_has_seen_what_it_is_judged_on(held: Registry, tables: Frames, bad: Model) -> None:
    held.add("buys", bad)
    at(held, 330)
    found = split(held, tables)
    assert isinstance(found, Unseen)
    horizon = 20 * DAY
    assert found.first >= seen_until(held.version("buys"), bad.task)
    assert (found.training.rows.cutoffs + horizon <= found.first).all()
    assert (found.training.rows.cutoffs > parse_instant(bad.facts["last_cutoff"])).any()
    assert found.last + horizon <= day(330)
    pairs = {*zip(found.judged.rows.cutoffs.tolist(), found.judged.rows.entities.tolist())}
    assert len(pairs) == len(found.judged.rows) >= 200


def test_rows_after_the_clock_change_nothing(held: Registry, tables: Frames, bad: Model) -> None:
    """Also where they are in the database; the control moves the clock past them."""
    held.add("buys", bad)
    at(held, 330)
    orders = tables["orders"]
    when = orders["at"].to_numpy().astype(np.int64)
    later = pa.array(when > day(330))
    moved = orders.set_column(1, "customer_id", pa.array(np.where(later, 1, orders["customer_id"])))
    found = []
    for changed in (tables, {**tables, "orders": moved}):
        with whole(changed, held) as database:
            rows = unseen(database, bad.task, held.version("buys"))
            assert isinstance(rows, Unseen)
            found.append((rows.judged.rows.cutoffs.tolist(), rows.judged.values.tolist()))
    assert found[0] == found[1]
    at(held, 390)
    judged = []
    for changed in (tables, {**tables, "orders": moved}):
        with whole(changed, held) as database:
            rows = unseen(database, bad.task, held.version("buys"))
            assert isinstance(rows, Unseen)
            judged.append(rows.judged.values.tolist())
    assert judged[0] != judged[1]


def whole(tables: Frames, held: Registry):  # type: ignore[no-untyped-def]
    schema = held.load("buys").task.schema
    return open_database(dict(tables), schema=schema, now=held.clock(), threads=1)


def promoted_by_a_trial(held: Registry, good: Model, bad: Model) -> None:
    """Version 1 is good; the bad one replaced it, as a trial that erred would have it."""
    held.add("buys", good)
    held.add("buys", bad)
    held.promote("buys@2", reason="a trial")
    ruling = {"passes": True, "better": True, "worse": False}
    keep_look(held, "buys", Look(1, day(180), TRAINED, 1, ruling, {}, 2, True, TRAINED))


def test_a_champion_that_does_harm_gives_way(held: Registry, tables: Frames, good: Model, bad: Model) -> None:
    promoted_by_a_trial(held, good, bad)
    at(held, 300)
    found = again(held, tables)
    assert found.outcome is Outcome.ROLLED_BACK and held.standing("buys").champion == 1
    assert held.history("buys")[-1].action == "rolled back" and "was better on" in found.verdict
    assert looks_of(held, "buys", kind=CHECK)[0].promoted


def test_a_champion_that_does_no_harm_stays_and_is_checked_once_a_row(
    held: Registry, tables: Frames, good: Model, bad: Model
) -> None:
    promoted_by_a_trial(held, bad, good)
    at(held, 300)
    with seen(tables, held) as database:
        look = checked(held, "buys", database)
        assert look is not None and not look.promoted and checked(held, "buys", database) is None
    assert held.standing("buys").champion == 2 and len(looks_of(held, "buys", kind=CHECK)) == 1


def test_a_champion_that_a_person_chose_is_not_rolled_back(
    held: Registry, tables: Frames, good: Model, bad: Model
) -> None:
    held.add("buys", good)
    held.add("buys", bad)
    held.promote("buys@2", reason="we know better")
    at(held, 300)
    with seen(tables, held) as database:
        assert checked(held, "buys", database) is None
    assert held.standing("buys").champion == 2


def test_a_leak_is_not_promoted(
    held: Registry, tables: Frames, bad: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("buys", bad)
    at(held, 330)
    failed = Detection("perturb", Found.FAILED, "changed the future", "a feature moved")
    monkeypatch.setattr(module, "inspect", lambda *_, **__: Inspection("q", "all", (), (failed,)))
    found = again(held, tables)
    assert found.outcome is Outcome.LEAK and held.standing("buys").champion == 1
    assert held.version("buys@2").clean is False and "not promoted" in found.verdict


def test_a_run_that_was_cut_short_goes_on_without_another_trial(
    held: Registry, tables: Frames, bad: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("buys", bad)
    at(held, 330)
    with monkeypatch.context() as broken:
        broken.setattr(module, "inspect", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            again(held, tables)
    (look,) = looks_of(held, "buys")
    assert look.passes and look.version is None and held.standing("buys").champion == 1
    monkeypatch.setattr(module, "tried", lambda *_, **__: pytest.fail("a second trial"))
    assert again(held, tables).outcome is Outcome.PROMOTED


def test_who_moves_the_champion_meanwhile_is_not_overruled(
    held: Registry, tables: Frames, good: Model, bad: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("buys", bad)
    held.add("buys", good)
    at(held, 330)
    real = module.inspect

    def meanwhile(*given: object, **how: object) -> object:
        held.promote("buys@2", reason="by hand")
        return real(*given, **how)

    monkeypatch.setattr(module, "inspect", meanwhile)
    with pytest.raises(RegistryError, match="changed meanwhile"):
        again(held, tables)
    assert held.standing("buys").champion == 2


def test_a_recipe_that_lags_is_followed_by_a_larger_one(
    held: Registry, tables: Frames, good: Model, bad: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("buys", good)
    at(held, 330)
    recipes = []

    def trained(database: object, like: Model, labels: object, recipe: object, progress: object) -> Model:
        recipes.append(recipe)
        return bad

    monkeypatch.setattr(module, "trained", trained)
    found = again(held, tables)
    assert found.outcome is Outcome.NOT_BETTER and [k.attempt for k in found.looks] == [1, 2]
    first, second = recipes
    assert second.budget.seconds == 2 * first.budget.seconds and second.budget.choice == "auto"
    assert [k.ruling["look"] for k in found.looks] == [1, 2] and found.looks[0].ruling["worse"]


def due_of(held: Registry, tables: Frames, **how: object) -> Due:
    with seen(tables, held) as database:
        return due(held, "buys", database, **how)  # type: ignore[arg-type]


def test_due_by_time_by_labels_and_by_grades(held: Registry, tables: Frames, good: Model, bad: Model) -> None:
    held.add("buys", bad)
    at(held, 225)
    assert not due_of(held, tables) and "not due before" in str(due_of(held, tables))
    assert "trained or tried last" in str(due_of(held, tables, every=Offset(20)))
    assert not due_of(held, tables, every=Offset(1000))
    at(held, 270)
    assert "labels came since" in str(due_of(held, tables, every=Offset(1000)))
    at(held, 201)
    written(held, tables, day(201))
    at(held, 223)
    with seen(tables, held) as database:
        grade(held, "buys", database)
        assert "was better" in str(due(held, "buys", database, every=Offset(1000)))


def test_rows_with_times_of_their_own_are_split_in_time() -> None:
    """A static target: each row is a cutoff, and rows after the champion's last are new."""
    when = np.array([day(n) for n in np.linspace(0, 200, 1_500)]).astype("datetime64[us]")
    size = np.random.default_rng(0).gamma(2, 20, 1_500)
    orders = pa.table({"id": np.arange(1_500), "at": when, "size": size, "cost": 2 * size + 1})
    query = "PREDICT orders.cost FOR EACH orders.id"
    early = {"orders": orders.slice(0, 700)}
    with foretell.connect(early, now=day(201), threads=1) as database:
        model = database.query(query).fit(time_limit=1, model="baseline")
    version = Version("costs", 1, "", 0, 0, model.facts)
    with open_database({"orders": orders}, now=day(201), threads=1) as database:
        found = unseen(database, model.task, version)
        assert isinstance(found, Unseen)
        assert len(found.judged.rows) == 400 and len(found.training.rows) == 1_100
        assert found.training.rows.cutoffs.max() < found.first
        assert isinstance(unseen(database, model.task, replace(version, record=late(model))), Missing)


def late(model: Model) -> dict[str, object]:
    return {**model.facts, "last_cutoff": "2024-07-15"}


def test_classes_of_two_models_are_brought_into_one_order(good: Model) -> None:
    values = np.array(["a", "c", "z"], dtype=object)
    one, two = (
        replace(good, fitted=replace(good.fitted, classes=c)) for c in (("a", "b"), ("a", "c", "(other)"))
    )
    said = (np.array([[0.9, 0.1]] * 3), np.array([[0.2, 0.3, 0.5]] * 3))
    y, (first, second) = _aligned(TaskKind.MULTICLASS, values, (one, two), said)
    assert y.tolist() == [1, 3, 0]  # (other), a, b, c
    assert first[0].tolist() == [0, 0.9, 0.1, 0] and second[0].tolist() == [0.5, 0.2, 0, 0.3]


def test_what_cannot_be_retrained_is_refused(held: Registry, tables: Frames, good: Model) -> None:
    held.add("buys", replace(good, regime=type(good.regime)(True, day(150), 0.0)))
    with pytest.raises(UsageError, match="was frozen at"):
        again(held, tables)
    with pytest.raises(UsageError, match="if-better, never, always"):
        again(held, tables, promote="perhaps")
