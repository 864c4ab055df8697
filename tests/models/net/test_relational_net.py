"""The relational net: what it learns, that it repeats, and that the future does not move it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from matching import TRIES, make_world

import foretell
from foretell.core.errors import DataError, MissingExtraError
from foretell.core.time import Offset
from foretell.evaluation.futures import perturb
from foretell.features.matrix import Matrix
from foretell.graph import Fanout, Neighbourhood
from foretell.graph import sample as sampler
from foretell.models.base import Context
from foretell.models.criteria import METRICS, criterion_for
from foretell.models.dataset import Dataset
from foretell.models.net import NetFitted, NetLearner
from foretell.models.net.recipe import Recipe
from foretell.pipeline import Question
from foretell.prediction.around import graph_of, surrounded
from foretell.prediction.labels import read_labels, to_labels
from foretell.task.given import given_task
from foretell.task.model import TaskKind

torch = pytest.importorskip("torch")

from foretell.models.net.training import each_once  # noqa: E402

USERS = 400
SMALL = Recipe(fanout=Fanout(near=8, far=2), width=32, epochs=30, batch=32, rate=3e-3)
CONTEXT = Context(TaskKind.BINARY, criterion_for(TaskKind.BINARY), seed=1, threads=2)


@contextmanager
def dataset(frames: dict[str, pa.Table], labels: pa.Table) -> Iterator[Dataset]:
    """The labels with the neighbourhoods of their rows, and no columns."""
    with foretell.connect(frames, threads=1) as database:
        opened = database.opened
        task = given_task(opened.schema, "users.user_id", TaskKind.BINARY)
        made = to_labels(read_labels(labels, opened, task), opened, task)
        graph = graph_of(opened, task)
        assert graph is not None
        X = surrounded(Matrix((), (), len(made.rows)), graph, made.rows)
        yield Dataset(X, made.values.astype(np.float64), made.rows.cutoffs, made.rows.entities)


@pytest.fixture(scope="module")
def data() -> Iterator[Dataset]:
    world = make_world(USERS)
    with dataset(world.frames, world.labels) as made:
        yield made


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> NetFitted:
    return NetLearner(recipe=SMALL, copies=2).fit(data.take(np.arange(300)), None, CONTEXT)


def auroc(data: Dataset, net: NetFitted) -> float:
    return METRICS["auroc"].score(data.y, net.predict(data.X))


def test_it_learns_what_lies_two_links_away_and_trees_do_not(data: Dataset, fitted: NetFitted) -> None:
    world = make_world(USERS)
    with foretell.connect(world.frames, threads=1) as database:
        question: Question = database.given(
            world.labels, entity="users.user_id", kind="binary", horizon=Offset(7)
        )
        trees = question.backtest(model="trees", time_limit=5).model.value
    assert trees < 0.75
    assert auroc(data.take(np.arange(300, USERS)), fitted) > 0.9


def test_it_learns_64_rows_by_heart(data: Dataset) -> None:
    few = data.take(np.arange(64))
    few = replace(few, y=np.random.default_rng(0).permutation(few.y), shared={})
    net = NetLearner(recipe=replace(SMALL, epochs=60, dropout=0.0), copies=1).fit(few, None, CONTEXT)
    assert auroc(few, net) > 0.98


def test_the_best_epoch_is_kept_and_trained_for_again(data: Dataset) -> None:
    train, valid = data.take(np.arange(200)), data.take(np.arange(200, 300))
    short = replace(SMALL, epochs=3)
    net = NetLearner(recipe=short, copies=2).fit(train, valid, CONTEXT)
    again = NetLearner(recipe=short, copies=2).fit(train, valid, CONTEXT)
    assert net.epochs == again.epochs and all(1 <= e <= 3 for e in net.epochs)
    np.testing.assert_array_equal(net.predict(valid.X), again.predict(valid.X))
    other = NetLearner(recipe=short, copies=2).fit(train, valid, replace(CONTEXT, seed=2))
    assert not np.allclose(net.predict(valid.X), other.predict(valid.X))
    assert net.refit(data, CONTEXT).epochs == net.epochs


def test_text_is_read(data: Dataset) -> None:
    world = make_world(150)
    said = [
        "a fine red thing to have and to hold",
        "nobody wants this broken wreck",
        "all right for the price",
    ]
    kind = np.random.default_rng(0).integers(0, 3, world.frames["tries"].num_rows)
    notes = [f"{said[k]}, number {i}" for i, k in enumerate(kind)]
    frames = {**world.frames, "tries": world.frames["tries"].append_column("note", pa.array(notes))}
    labels = world.labels.set_column(2, "label", pa.array(kind.reshape(150, -1)[:, TRIES - 1] == 1))
    with dataset(frames, labels) as made:
        net = NetLearner(recipe=SMALL, copies=1).fit(made, None, CONTEXT)
        assert auroc(made, net) > 0.95
        again = NetFitted.load(net.dump())
        np.testing.assert_array_equal(again.predict(made.X), net.predict(made.X))


def test_a_fan_out_is_tried_where_time_allows(data: Dataset) -> None:
    train, valid = data.take(np.arange(150)), data.take(np.arange(150, 300))
    narrow = replace(SMALL, fanout=Fanout(near=1, far=1, hops=1), epochs=25)
    learner = NetLearner(recipe=narrow, copies=2, fanouts=(SMALL.fanout,))
    assert learner.fit(train, valid, replace(CONTEXT, seconds=0.01)).recipe == narrow
    rich = learner.fit(train, valid, replace(CONTEXT, seconds=1e3))
    assert rich.recipe.fanout == SMALL.fanout and len(rich.weights) == 2


def test_random_draws_elsewhere_do_not_move_it(data: Dataset) -> None:
    few, recipe = data.take(np.arange(80)), replace(SMALL, epochs=1)
    found = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.append(NetLearner(recipe=recipe, copies=1).fit(few, None, CONTEXT).predict(few.X))
    np.testing.assert_array_equal(*found)


def test_a_row_is_scored_alike_whatever_is_scored_beside_it(data: Dataset, fitted: NetFitted) -> None:
    whole = fitted.predict(data.X)
    order = np.random.default_rng(0).permutation(data.rows)
    np.testing.assert_allclose(fitted.predict(data.X.take(order)), whole[order], atol=1e-5)
    np.testing.assert_allclose(fitted.predict(data.X.take(np.array([7]))), whole[[7]], atol=1e-5)
    assert fitted.predict(data.X.take(np.array([], dtype=np.intp))).shape == (0,)


def test_a_checkpoint_comes_back_as_it_was(data: Dataset, fitted: NetFitted) -> None:
    files = fitted.dump()
    assert set(files) == {"net.json", "net.safetensors"}
    again = NetFitted.load(files)
    np.testing.assert_array_equal(again.predict(data.X), fitted.predict(data.X))
    assert again.dump() == files


def test_a_database_of_another_shape_is_refused(data: Dataset, fitted: NetFitted) -> None:
    with pytest.raises(DataError, match="another shape"):
        replace(fitted, schema="other").predict(data.X)
    with pytest.raises(DataError, match="has none"):
        fitted.predict(Matrix((), (), 3))


def test_contributions_add_up(data: Dataset, fitted: NetFitted) -> None:
    told = fitted.contributions(data.X)
    np.testing.assert_allclose(1 / (1 + np.exp(-told.total)), fitted.predict(data.X), atol=1e-9)
    assert fitted.importance() == {}


def futures_differ(fitted: NetFitted) -> bool:
    """Whether scores at one cutoff change with what comes after it."""
    world = make_world(120, seed=5)
    cutoff = int(np.median(world.labels["cutoff"].cast(pa.int64()).to_numpy()))
    at = pa.array(np.full(120, cutoff), pa.timestamp("us"))
    labels = world.labels.set_column(1, "cutoff", at)
    scores = []
    with foretell.connect(world.frames, threads=1) as database:
        schema = database.schema
    for frames in (world.frames, perturb(world.frames, schema, cutoff, seed=2)):
        known = frames["users"].filter(pa.compute.less_equal(frames["users"]["joined"], at[0]))["user_id"]
        there = pa.compute.is_in(labels["user_id"], value_set=known.combine_chunks())
        with dataset(frames, labels.filter(there)) as made:
            around = made.X.around
            assert isinstance(around, Neighbourhood)
            scores.append(dict(zip(around.entities.tolist(), fitted.predict(made.X))))
    assert len(scores[0]) > 20
    return scores[0] != scores[1]


def test_the_future_does_not_move_it(fitted: NetFitted) -> None:
    assert not futures_differ(fitted)


def test_a_net_that_looks_ahead_is_caught(fitted: NetFitted, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = sampler.visible
    monkeypatch.setattr(sampler, "visible", lambda times, at: np.minimum(honest(times, at) + 50, len(times)))
    assert futures_differ(fitted)


def test_a_missing_extra_is_named(data: Dataset, fitted: NetFitted, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    honest = importlib.import_module

    def absent(name: str, package: str | None = None) -> object:
        if name.split(".")[0] in ("torch", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
        return honest(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"foretell\[deep\]"):
        NetLearner().fit(data, None, CONTEXT)
    with pytest.raises(MissingExtraError, match=r"foretell\[deep\]"):
        fitted.dump()


def test_other_kinds_are_learned_in_their_own_units(data: Dataset) -> None:
    around = data.X.around
    assert isinstance(around, Neighbourhood)
    height = around.graph.tables.numbers("users", "height")[around.entities]
    recipe = replace(SMALL, epochs=5)
    value = replace(data, y=100 + 10 * height, shared={})
    context = Context(TaskKind.REGRESSION, criterion_for(TaskKind.REGRESSION), seed=0)
    said = NetLearner(recipe=recipe, copies=1).fit(value, None, context).predict(value.X)
    assert value.y.min() <= said.min() and said.max() <= value.y.max()
    assert METRICS["mae"].score(value.y, said) < 0.5 * np.abs(value.y - np.median(value.y)).mean()
    classed = replace(data, y=np.digitize(height, [-0.5, 0.5]).astype(np.float64), shared={})
    context = Context(TaskKind.MULTICLASS, criterion_for(TaskKind.MULTICLASS), ("a", "b", "c"), seed=0)
    net = NetLearner(recipe=recipe, copies=1).fit(classed, None, context)
    np.testing.assert_allclose(net.predict(data.X).sum(axis=1), 1.0)
    assert METRICS["accuracy"].score(classed.y, net.predict(data.X)) > 0.7
    assert net.contributions(data.X).values.shape == (USERS, 0, 3)


def test_an_epoch_sees_each_row_in_one_of_its_copies() -> None:
    rng = np.random.default_rng(0)
    occasions = np.tile(np.arange(50), 4)
    drawn = [each_once(rng.permutation(200), occasions) for _ in range(40)]
    assert all(sorted(occasions[order].tolist()) == list(range(50)) for order in drawn)
    assert len({int(order[occasions[order] == 7][0]) for order in drawn}) == 4  # every copy has its turn
    alone = rng.permutation(50)
    np.testing.assert_array_equal(each_once(alone, np.arange(50)), alone)
