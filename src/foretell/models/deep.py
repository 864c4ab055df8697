"""Which deep nets are tried: those that are installed and that the time limit affords, by estimate."""

from __future__ import annotations

import math

from foretell.core.errors import UsageError
from foretell.core.lazy import installed, require
from foretell.features.matrix import Neighbours
from foretell.graph import Graph, Neighbourhood
from foretell.graph.tree import most_nodes
from foretell.models.base import Context, Learner
from foretell.models.choice import Choice
from foretell.models.dataset import Dataset
from foretell.models.net import NetLearner
from foretell.models.net.learner import COPIES
from foretell.models.net.recipe import recipe_for
from foretell.models.net.recipe import seconds as training_seconds
from foretell.models.tabm import TabMLearner
from foretell.models.tabm.recipe import seconds as tabm_seconds

NET_SHARE = 0.25
"""What one training of a net may take of the time that trees and nets have; another follows."""
FEWEST_ROWS = 500
"""With fewer rows to train on nets are behind the trees, and drag them down."""
GPU_SPEED = 20.0
"""How many processors a GPU is worth: a guess."""
ALONE = "nothing but deep nets was tried, and they give no reasons"


def nets_to_try(
    train: Dataset,
    context: Context,
    choice: Choice,
    time_limit: float,
    no_net: str | None = None,
    *,
    frozen: bool = False,
) -> tuple[list[tuple[Learner, float]], tuple[str, ...]]:
    """The nets with the seconds that one training of each may take, and in a sentence what was not tried.

    Of the relational net so many copies are trained as there is time for. TabM is tried wherever there is
    time for it, unless history was `frozen`: what it learns of features does not carry far. `no_net` is why
    rows have no neighbourhoods, where they have none.
    """
    if not choice.has_nets:
        return [], ()
    graph = graph_around(train.X.around)
    obstacle = no_net or net_obstacle(choice, graph, train.distinct, context.threads, time_limit)
    seconds = _seconds(choice, time_limit)
    learners: list[tuple[Learner, float]] = []
    if obstacle is None:
        assert graph is not None
        afforded = net_copies(graph, train.distinct, context.threads, seconds)
        learners.append((NetLearner(copies=COPIES if choice is Choice.DEEP else afforded), seconds))
    cost = tabm_seconds(train.rows, len(train.X.names), context.threads)
    enough = not frozen and (train.rows >= FEWEST_ROWS or choice is Choice.DEEP)
    if enough and all(map(installed, ("torch", "tabm"))) and _affordable(cost, seconds):
        learners.append((TabMLearner(), seconds))
    if obstacle is not None:
        return learners, (f"the relational net was not tried: {obstacle}",)
    return learners, () if choice.has_trees else (ALONE,)


def net_obstacle(
    choice: Choice, graph: Graph | None, rows: int, threads: int, time_limit: float
) -> str | None:
    """Why no relational net is tried with so many training rows; None where it is.

    There is no `graph` where tables are not held as arrays. Whoever asks for nets alone gets them however
    long they take, or an error.
    """
    alone = choice is Choice.DEEP
    if alone:
        require("torch", extra="deep")
    elif not installed("torch"):
        return "pip install 'foretell[deep]' brings it"
    if graph is None and alone:
        raise UsageError(
            "the deep net reads tables through the native engine, and without a memory cap",
            mend="leave --memory out, or try --model trees",
        )
    if graph is None:
        return "it needs the native engine, and no memory cap"
    if rows < FEWEST_ROWS and not alone:
        return f"it needs {FEWEST_ROWS:,} rows to train on, and has {rows:,}"
    seconds = _seconds(choice, time_limit)
    if alone or net_copies(graph, rows, threads, seconds):
        return None
    return f"it takes about {math.ceil(net_seconds(graph, rows) / seconds)} times the time limit"


def graph_around(around: Neighbours | None) -> Graph | None:
    """The graph that rows find their neighbourhoods in."""
    return around.graph if isinstance(around, Neighbourhood) else None


def _affordable(cost: float, seconds: float) -> bool:
    """Whether a training that costs so much on a processor can be had, there or on a GPU."""
    return cost <= seconds or (cost / GPU_SPEED <= seconds and _has_gpu())


def _seconds(choice: Choice, time_limit: float) -> float:
    return time_limit if choice is Choice.DEEP else NET_SHARE * time_limit


def net_copies(graph: Graph, rows: int, threads: int, seconds: float) -> int:
    """How many copies of the relational net there is time for, on a processor or a GPU: `COPIES` at most."""
    each = net_seconds(graph, rows)
    if not _affordable(each, seconds):
        return 0
    if each > seconds:
        each /= GPU_SPEED
    return min(COPIES, int(seconds / each) * max(1, threads))


def net_seconds(graph: Graph, rows: int) -> float:
    """About what one training of one copy of the relational net takes on one thread."""
    recipe = recipe_for(rows)
    return training_seconds(recipe, rows, most_nodes(graph.tree(recipe.fanout)))


def _has_gpu() -> bool:
    return bool(require("torch").cuda.is_available())
