"""A net that reads one path alone: without it the score is the base, without another nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from planted_stories import fitted

import foretell
from foretell import kernel
from foretell.engines.base import Rows
from foretell.explain.ablation import ablated, reasons_of_nets, without_path
from foretell.explain.asked import nets_part, only, settled
from foretell.explain.overall import explained
from foretell.explain.stories import PAST_LABELS
from foretell.features.matrix import Floats, Matrix, Numeric
from foretell.features.model import FeatureSet
from foretell.graph import Fanout
from foretell.models.base import Contributions
from foretell.models.choice import Family
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.links import from_link, to_link
from foretell.models.net import NetFitted
from foretell.models.net.encoding import Encoding
from foretell.models.net.inputs import Columns, Scale
from foretell.models.net.recipe import Recipe
from foretell.prediction.around import graph_of, surrounded
from foretell.prediction.history import features_at
from foretell.prediction.learn import Budget
from foretell.report.explaining import explanation_view
from foretell.report.layout import to_text
from foretell.task.model import Task, TaskKind

pytest.importorskip("torch")
if not kernel.AVAILABLE:
    pytest.skip("nets read tables through the native engine", allow_module_level=True)

QUERY = "PREDICT COUNT(visits.*, 0, 14, days) > 0 FOR EACH people.person_id"
START = datetime(2024, 1, 1)
VISITS, NOTES = "↓visits.person_id", "↓notes.person_id"


@dataclass(frozen=True)
class Counting(NetFitted):
    """A relational net that says how many visits it sees, less two, and nothing else."""

    def raw(self, X: Matrix) -> Floats:
        around = X.around
        assert around is not None
        drawn = around.sample(self.recipe.fanout)  # type: ignore[attr-defined]
        tree = around.graph.tree(self.recipe.fanout)  # type: ignore[attr-defined]
        seen = next(r for b, r in zip(tree, drawn.reached) if b.start < 0 and b.table == "visits")
        rows: Floats = (seen.slots >= 0).sum(axis=1).astype(np.float64)[drawn.own]
        return rows - 2.0

    def predict(self, X: Matrix) -> Floats:
        return from_link(self.kind, self.raw(X))

    def contributions(self, X: Matrix) -> Contributions:
        return Contributions(X.names, np.zeros((X.rows, len(X.names))), to_link(self.kind, self.predict(X)))


def counting() -> Counting:
    return Counting(
        "net",
        TaskKind.BINARY,
        (),
        Recipe(fanout=Fanout(near=6, far=1)),
        "",
        Encoding({}),
        Columns(()),
        Scale(),
        (1,),
        ({"w": np.zeros(1, dtype=np.float32)},),
    )


@dataclass(frozen=True)
class World:
    data: Dataset
    features: FeatureSet
    task: Task


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """People, their visits and notes, and the rows of a question with all that is around them."""
    rng = np.random.default_rng(4)
    days, who = np.nonzero(rng.random((200, 40)) < rng.gamma(0.7, 0.08, 40))
    at = [START + timedelta(days=int(d), hours=1) for d in days]
    notes = [START + timedelta(days=int(d)) for d in rng.integers(0, 200, 150)]
    tables = {
        "people": pa.table({"person_id": list(range(40)), "joined_at": [START] * 40}),
        "visits": pa.table({"visit_id": list(range(len(who))), "person_id": who, "at": at}),
        "notes": pa.table(
            {"note_id": list(range(150)), "person_id": rng.integers(0, 40, 150), "at": sorted(notes)}
        ),
    }
    with foretell.connect(tables, now="2024-08-01", threads=1) as db:
        question = db.query(QUERY)
        lesson = question._lesson(Budget(2.0))
        graph = graph_of(db.opened, lesson.task, lesson.later)
        assert graph is not None
        rows = Rows(lesson.labels.rows.entities, lesson.labels.rows.cutoffs)
        matrix = features_at(db.opened.engine, lesson.task, lesson.features, rows)
        some = np.arange(0, len(rows), 3)
        around = surrounded(matrix, graph, rows).take(some)
        data = Dataset(around, lesson.y[some], rows.cutoffs[some], rows.entities[some])
        yield World(data, lesson.features, lesson.task)


def model(world: World, *, net: float = 0.5) -> FittedModel:
    """A booster and the counting net."""
    trees = fitted(world.data)
    return replace(
        trees,
        members=(*trees.members, counting()),
        weights=(1 - net, net),
        spreads=(1.0, 1.0),
        families=(Family.TREES, Family.NET),
    )


def nets(world: World) -> FittedModel:
    found = only(model(world), lambda family: family == Family.NET)
    assert found is not None
    return found


def test_without_the_only_path_the_score_is_the_base(world: World) -> None:
    net, X = nets(world), world.data.X
    assert np.ptp(net.raw(X)) > 2
    assert np.allclose(net.raw(without_path(X, VISITS, world.features)), -2.0)
    assert np.array_equal(net.raw(without_path(X, NOTES, world.features)), net.raw(X))


def test_the_path_has_all_that_moves_the_net_and_all_of_its_loss(world: World) -> None:
    found = ablated(nets(world), world.data, world.features, world.task, METRICS["auroc"])
    assert {VISITS, NOTES, PAST_LABELS} <= set(found.words)
    assert found.words[VISITS] == "visits"
    assert found.moved[VISITS] > 0.5 and found.moved[NOTES] == 0.0 == found.moved[PAST_LABELS]
    whole = METRICS["auroc"].score(world.data.y, nets(world).predict(world.data.X))
    assert found.lost[VISITS].value == pytest.approx(whole - 0.5)
    assert found.lost[VISITS].low > 0 and found.lost[NOTES].value == 0.0


def test_trees_and_net_are_read_side_by_side(world: World) -> None:
    told = explained(
        model(world), world.features, world.task, world.data, metric="auroc", seconds=3.0
    ).explanation
    assert told.nets == 0.5 and len(told.nets_level) == 1
    paths = {p.key: p for p in told.paths}
    assert paths[VISITS].net_share == pytest.approx(1.0) and paths[VISITS].columns > 0
    assert paths[NOTES].net_share == 0.0


def test_a_model_of_nothing_but_nets_rests_on_paths(world: World) -> None:
    told = explained(nets(world), world.features, world.task, world.data, metric="auroc", seconds=3.0)
    assert told.explanation.stories == () and told.explanation.nets == 1.0
    assert [d.text for d in told.drivers] == ["visits"]
    shown = to_text(explanation_view("…", told.explanation), width=80)
    assert "nothing that is read as a column" in shown and "By path, for trees and for nets" in shown


def test_of_one_row_the_path_is_worth_the_net_s_part(world: World) -> None:
    whole, net = model(world), nets(world)
    most = int(net.raw(world.data.X).argmax())
    X = world.data.X.take(np.array([most]))
    (told,) = reasons_of_nets(whole, net, X, world.features, world.task)
    assert told.text == "visits"
    assert told.effect == pytest.approx(0.5 * (net.raw(X)[0] + 2.0))
    assert nets_part(whole, X)[0, 0] == pytest.approx(0.5 * net.raw(X)[0])


def test_shuffled_columns_leave_the_net_as_it_is(world: World) -> None:
    whole, X = model(world), world.data.X
    still = settled(whole, X)
    assert not still.is_relational and np.array_equal(still.predict(X), whole.predict(X))


def test_columns_of_a_path_say_that_there_is_nothing(world: World) -> None:
    gone = without_path(world.data.X, VISITS, world.features)
    count, last = gone["visits.count.all"], gone["visits.recency.all"]
    assert isinstance(count, Numeric) and (count.values == 0).all()
    assert isinstance(last, Numeric) and np.isnan(last.values).all()
    notes = gone["notes.recency.all"]
    assert isinstance(notes, Numeric) and np.isfinite(notes.values).any()
