"""Which deep nets are tried: those that are installed and that the time limit affords, by estimate."""

from __future__ import annotations

import math

from foretell.core.errors import UsageError
from foretell.core.lazy import installed, require
from foretell.models.base import Context, Learner
from foretell.models.choice import Choice
from foretell.models.dataset import Dataset
from foretell.models.net import NetLearner
from foretell.models.net.learner import COPIES
from foretell.models.net.recipe import recipe_for
from foretell.models.tabm import TabMLearner
from foretell.models.tabm.recipe import training_seconds

NET_SHARE = 0.25
"""What one training of a net may take of the time that trees and nets have; another follows."""
PASS_SECONDS = 4e-4
"""About what a row costs each time that a relational net is trained on it, on one thread."""
GPU_SPEED = 20.0
"""How many threads a GPU is worth."""


ALONE = "nothing but deep nets was tried, and they give no reasons"


def nets_to_try(
    train: Dataset, context: Context, choice: Choice, time_limit: float
) -> tuple[list[tuple[Learner, float]], tuple[str, ...]]:
    """The nets with the seconds that one training of each may take, and in a sentence what was not tried.

    TabM is tried where the relational net is and there is time for it too: alone beside the trees it adds
    little, beside the net it helps (benchmarks/LOG.md).
    """
    if not choice.has_nets:
        return [], ()
    held = train.X.around is not None
    obstacle = net_obstacle(choice, train.rows, context.threads, time_limit, readable=held)
    if obstacle is not None:
        return [], (f"no deep net was tried: {obstacle}",)
    seconds = _seconds(choice, time_limit)
    learners: list[tuple[Learner, float]] = [(NetLearner(), seconds)]
    cost = training_seconds(train.rows, len(train.X.names), context.threads)
    if installed("tabm") and _affordable(cost, seconds):
        learners.append((TabMLearner(), seconds))
    return learners, () if choice.has_trees else (ALONE,)


def net_obstacle(choice: Choice, rows: int, threads: int, time_limit: float, *, readable: bool) -> str | None:
    """Why no relational net is tried with so many training rows; None where it is.

    `readable` says whether tables are held as arrays. Whoever asks for nets alone gets them however long they
    take, or an error.
    """
    alone = choice is Choice.DEEP
    if alone:
        require("torch", extra="deep")
    elif not installed("torch"):
        return "pip install 'foretell[deep]' brings it"
    needed, seconds = net_seconds(rows, threads), _seconds(choice, time_limit)
    if not (alone or _affordable(needed, seconds)):
        return f"it takes about {math.ceil(needed / seconds)} times the time limit"
    if readable:
        return None
    if alone:
        raise UsageError(
            "the deep net reads tables through the native engine, and without a memory cap",
            mend="leave --memory out, or try --model trees",
        )
    return "it needs the native engine, and no memory cap"


def _affordable(cost: float, seconds: float) -> bool:
    """Whether a training that costs so much on a processor can be had, there or on a GPU."""
    return cost <= seconds or (cost / GPU_SPEED <= seconds and _has_gpu())


def _seconds(choice: Choice, time_limit: float) -> float:
    return time_limit if choice is Choice.DEEP else NET_SHARE * time_limit


def net_seconds(rows: int, threads: int) -> float:
    """About what one training of the relational net takes on `threads` of a processor.

    >>> round(net_seconds(1_000, 2), 1)
    7.2
    """
    return PASS_SECONDS * COPIES * recipe_for(rows).epochs * rows / max(1, threads)


def _has_gpu() -> bool:
    return bool(require("torch").cuda.is_available())
