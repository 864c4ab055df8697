"""Trees and nets in one model: which are tried, how they are blended, told apart, saved."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from stub_net import CALLS, StubFitted, StubLearner, surrounded
from synthetic import make, split

from foretell.core.errors import MissingExtraError, UsageError
from foretell.graph import Graph
from foretell.models import deep, fitted
from foretell.models.choice import Choice, choice_of
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.families import FAR_SHARE, net_share
from foretell.models.fitted import FittedModel
from foretell.models.portfolio import fit
from foretell.task.model import TaskKind

B, R = TaskKind.BINARY, TaskKind.REGRESSION
TIME = 40.0  # enough for the net by estimate; what is trained takes far less


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is what is tried as the net, and torch counts as installed."""
    monkeypatch.setattr(deep, "NetLearner", lambda copies: StubLearner())
    monkeypatch.setattr(deep, "installed", lambda module: module == "torch")
    monkeypatch.setattr(deep, "graph_around", lambda around: around)
    monkeypatch.setattr(deep, "net_seconds", lambda graph, rows: 0.004 * rows)
    monkeypatch.setattr(deep, "require", lambda module, extra=None: None)
    monkeypatch.setitem(fitted._LOADERS, "stub.json", StubFitted.load)  # type: ignore[index]
    CALLS.clear()


def hinted(kind: TaskKind = R, *, noise: float = 0.5) -> tuple[Dataset, Dataset, Dataset]:
    """Rows whose hints are their labels with some noise: a net that is as good as that."""
    data = make(kind, entities=130)
    told = data.y if kind is R else 4 * data.y - 2
    scores = told + np.random.default_rng(5).normal(size=data.rows) * noise * told.std()
    return split(surrounded(data, scores), 4, 1)


def families(model: FittedModel) -> dict[str, float]:
    """Each family's share of the weights."""
    found: dict[str, float] = {}
    for family, weight in zip(model.families, model.weights):
        found[family] = found.get(family, 0.0) + weight
    return found


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"trees": 0.5, "net": 0.5}),
        ("trees", {"trees": 1.0}),
        ("deep", {"net": 1.0}),
        ("baseline", {"baseline": 1.0}),
    ],
)
def test_a_choice_says_which_families_are_tried(choice: str, expected: dict[str, float]) -> None:
    train, valid, test = hinted()
    model = fit(train, valid, kind=R, time_limit=TIME, choice=Choice(choice))
    assert families(model) == pytest.approx(expected)
    assert np.isfinite(model.predict(test.X)).all()
    if choice == "baseline":
        (rule,) = model.members
        assert rule.name == model.best_baseline
    assert bool(model.left_out) is (choice == "deep")


def test_a_wrong_choice_is_refused_with_the_right_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'trees'"):
        choice_of("tree")


def test_each_family_is_told_apart_and_half_and_half_is_their_mean() -> None:
    train, valid, test = hinted()
    model = fit(train, valid, kind=R, time_limit=TIME)
    alone = model.predict_families(test.X)
    assert list(alone) == ["trees", "net"]
    np.testing.assert_allclose(model.predict(test.X), (alone["trees"] + alone["net"]) / 2, atol=1e-9)
    np.testing.assert_allclose(alone["net"], test.X.around.scores)  # type: ignore[union-attr]
    assert not fit(train, valid, kind=R, time_limit=TIME, choice=Choice.TREES).predict_families(test.X)


def test_columns_contributions_with_the_nets_in_the_base_add_up() -> None:
    train, valid, test = hinted(B)
    model = fit(train, valid, kind=B, time_limit=TIME)
    told = model.explain(test.X)
    np.testing.assert_allclose(told.total, model.raw(test.X), atol=1e-6)
    assert np.abs(told.values).sum() > 0 and sum(model.importance().values()) > 0


def test_a_useless_net_is_left_out() -> None:
    """The positive control of half and half: validation can move the weight where it is clear."""
    train, valid, _ = hinted(noise=20.0)
    assert families(fit(train, valid, kind=R, time_limit=TIME)) == pytest.approx({"trees": 1.0})


@pytest.mark.parametrize(
    ("trees", "net", "expected"),
    [(1.0, 1.0, 0.5), (1.0, 1.1, 0.5), (1.0, 9.0, 0.0), (9.0, 1.0, 1.0)],
    ids=["alike", "nearly alike", "the trees clearly", "the net clearly"],
)
def test_half_and_half_unless_another_weight_is_clearly_better(
    trees: float, net: float, expected: float
) -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(size=300)
    said = [y + rng.normal(size=300) * noise for noise in (trees, net)]
    share = net_share(R, METRICS["mae"], y, *said)
    assert share == pytest.approx(expected, abs=0.11)
    assert (share == 0.5) is (expected == 0.5)


@pytest.mark.parametrize(("shift", "kept"), [(0.01, ["net", "other"]), (30.0, ["net"])])
def test_nets_count_alike_but_for_one_that_is_clearly_worse(
    shift: float, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep, "installed", lambda module: True)
    monkeypatch.setattr(deep, "TabMLearner", lambda: StubLearner("other", shift))
    train, valid, _ = hinted()
    for choice in (Choice.AUTO, Choice.DEEP):
        model = fit(train, valid, kind=R, time_limit=TIME, choice=choice)
        assert [m.name for m in model.nets] == kept
        weights = [w for w, family in zip(model.weights, model.families) if family == "net"]
        assert weights == pytest.approx([weights[0]] * len(kept))


def test_where_history_is_frozen_one_period_favours_neither_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "installed", lambda module: True)
    monkeypatch.setattr(deep, "TabMLearner", lambda: StubLearner("other"))
    train, valid, _ = hinted(noise=0.2)
    model = fit(train, valid, kind=R, time_limit=TIME, frozen=True)
    assert families(model) == pytest.approx({"trees": 1 - FAR_SHARE, "net": FAR_SHARE})
    assert [m.name for m in model.nets] == ["net"]
    control = fit(train, valid, kind=R, time_limit=TIME)
    assert families(control)["net"] > FAR_SHARE and [m.name for m in control.nets] == ["net", "other"]


def test_an_earlier_models_nets_are_taken_as_they_are_then_trained_on_everything() -> None:
    train, valid, test = hinted()
    earlier = fit(train, valid, kind=R, time_limit=TIME)
    assert CALLS == {"fit": 1, "refit": 1}
    known = concat(train, valid)
    again = fit(known, test, kind=R, time_limit=TIME, earlier=earlier)
    assert CALLS == {"fit": 1, "refit": 2}
    (net,) = again.nets
    assert isinstance(net, StubFitted) and net.rows == known.rows + test.rows


def test_a_model_with_bytes_returns_from_its_files() -> None:
    train, valid, test = hinted()
    model = fit(train, valid, kind=R, time_limit=TIME)
    files = model.dump()
    assert {type(part) for part in files.values()} == {str, bytes}
    again = FittedModel.load(files)
    assert again.families == model.families and again.left_out == model.left_out
    np.testing.assert_array_equal(again.predict(test.X), model.predict(test.X))
    assert again.dump() == files


def test_files_from_before_there_were_families_are_read() -> None:
    train, valid, test = hinted()
    model = fit(train, valid, kind=R, time_limit=TIME, choice=Choice.TREES)
    files = model.dump()
    told = json.loads(files["model.json"])
    del told["families"], told["left_out"]
    again = FittedModel.load({**files, "model.json": json.dumps(told)})
    assert again.nets == () and again.predict_families(test.X) == {}
    np.testing.assert_array_equal(again.predict(test.X), model.predict(test.X))


# ── when no net can be tried ──


def test_without_the_extra_the_trees_say_so_and_a_net_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch", None)
    train, valid, _ = hinted()
    model = fit(train, valid, kind=R, time_limit=TIME)
    assert families(model) == pytest.approx({"trees": 1.0})
    assert model.left_out == ("the relational net was not tried: pip install 'foretell[deep]' brings it",)
    with pytest.raises(MissingExtraError, match=r"pip install 'foretell\[deep\]'"):
        fit(train, valid, kind=R, time_limit=TIME, choice=Choice.DEEP)


def test_a_short_time_limit_leaves_the_net_out_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deep, "_has_gpu", lambda: False)
    train, valid, _ = hinted()
    model = fit(train, valid, kind=R, time_limit=0.5)
    (said,) = model.left_out
    assert (
        said.startswith("the relational net was not tried: it takes about ")
        and "times the time limit" in said
    )
    assert families(fit(train, valid, kind=R, time_limit=0.5, choice=Choice.DEEP)) == {"net": 1.0}
    monkeypatch.setattr(deep, "_has_gpu", lambda: True)
    assert "net" in families(fit(train, valid, kind=R, time_limit=0.5))


@pytest.mark.parametrize(
    ("seconds", "threads", "copies"), [(30.0, 1, 3), (25.0, 1, 2), (19.0, 1, 1), (9.9, 1, 0), (10.0, 4, 3)]
)
def test_so_many_copies_are_trained_as_there_is_time_for(
    seconds: float, threads: int, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep, "_has_gpu", lambda: False)
    monkeypatch.setattr(deep, "net_seconds", lambda graph, rows: 10.0)
    graph: Graph = object()  # type: ignore[assignment]
    assert deep.net_copies(graph, 1_000, threads, seconds) == copies
    monkeypatch.setattr(deep, "_has_gpu", lambda: True)
    assert deep.net_copies(graph, 1_000, threads, seconds) == (copies or 3)


def test_few_rows_leave_the_net_out() -> None:
    train, valid, _ = hinted()
    model = fit(train.take(np.arange(400)), valid, kind=R, time_limit=TIME)
    (said,) = model.left_out
    assert said == "the relational net was not tried: it needs 500 rows to train on, and has 400"


def test_rows_without_neighbourhoods_leave_the_net_out() -> None:
    train, valid, _ = split(make(R, entities=130), 4, 1)
    model = fit(train, valid, kind=R, time_limit=TIME)
    assert model.left_out == (
        "the relational net was not tried: it needs the native engine, and no memory cap",
    )
    with pytest.raises(UsageError, match="native engine"):
        fit(train, valid, kind=R, time_limit=TIME, choice=Choice.DEEP)


def test_neighbourhoods_follow_their_rows() -> None:
    train, valid, _ = hinted()
    both = concat(train, valid)
    index = np.flatnonzero(np.arange(both.rows) % 3 == 1)
    hints = np.concatenate([train.X.around.scores, valid.X.around.scores])  # type: ignore[union-attr]
    np.testing.assert_array_equal(both.take(index).X.around.scores, hints[index])  # type: ignore[union-attr]
    mask = np.zeros(both.rows, dtype=np.bool_)
    mask[index] = True
    np.testing.assert_array_equal(both.select(("x",)).take(mask).X.around.scores, hints[index])  # type: ignore[union-attr]
