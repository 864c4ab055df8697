"""Of hundreds of columns, learners get those that quick trees on training rows found of use.

Most of the columns of a wide matrix tell nearly the same, and the rest is noise: on few rows it costs
accuracy, on many rows time (benchmarks/LOG.md). The trees are grown several times, each time without one
stretch of the history, and a column's gain is averaged: what helped in one stretch alone counts for little.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foretell.core.random import generator
from foretell.models.abreast import abreast
from foretell.models.base import Context
from foretell.models.baselines import PAST_LABELS
from foretell.models.dataset import Dataset
from foretell.models.trees import TreeRecipe, grow, objectives, round_seconds
from foretell.task.model import TaskKind

FEW_COLUMNS, COLUMNS = 120, 150
"""How many columns are kept of up to `MANY_ROWS` rows, and of more."""
MANY_ROWS = 20_000
STRETCHES = 4
ROWS, FEWEST_ROWS = 8_000, 1_000
"""How many rows are looked at: fewer where the time is short."""
ROUNDS, RATE = 100, 0.1
SHARE = 0.1
"""Of the time limit, by estimate."""
WEAK = "that helped quick trees least"
"""Why a column is left out, after the number of such columns."""


def screened(train: Dataset, context: Context, time_limit: float = 30.0) -> tuple[str, ...]:
    """The columns to learn from, in the matrix's order: all of them where they are few.

    Columns that no tree used rank by their place in the matrix, which is that of their expected value. Past
    labels always stay: the simple rules read them.
    """
    names = train.X.names
    most = COLUMNS if train.rows > MANY_ROWS else FEW_COLUMNS
    if len(names) <= most:
        return names
    share = stable_gain(train, context, time_limit)
    useful = sorted(range(len(names)), key=lambda i: (-share.get(names[i], 0.0), i))[:most]
    kept = {*(names[i] for i in useful), *(n for n in names if n.startswith(PAST_LABELS))}
    return tuple(n for n in names if n in kept)


def stable_gain(train: Dataset, context: Context, time_limit: float = 30.0) -> dict[str, float]:
    """Each used column's share of the gain of quick trees, averaged over fits without a stretch of time each.

    The shares sum to 1 where any column was of use.
    """
    recipe = TreeRecipe("B", objectives(train.y, context)[0])
    classes = len(context.classes) if context.kind is TaskKind.MULTICLASS else 1
    each = STRETCHES * ROUNDS * round_seconds(ROWS, len(train.X.names), recipe.preset, classes)
    most = int(np.clip(ROWS * SHARE * time_limit / each, FEWEST_ROWS, ROWS))
    chosen = np.sort(generator(context.seed, "screen").permutation(train.rows)[:most])
    stretches = np.array_split(chosen[np.argsort(train.cutoffs[chosen], kind="stable")], STRETCHES)
    alone = replace(context, threads=1)

    def without(stretch: int) -> dict[str, float]:
        rest = train.take(np.sort(np.concatenate([s for i, s in enumerate(stretches) if i != stretch])))
        if rest.y.min() == rest.y.max():
            return {}
        return grow(recipe, rest, None, alone, ROUNDS, RATE).importance()

    total: dict[str, float] = {}
    for shares in abreast(without, range(STRETCHES), rows=most, threads=context.threads):
        for name, share in shares.items():
            total[name] = total.get(name, 0.0) + share
    whole = sum(total.values()) or 1.0
    return {name: share / whole for name, share in total.items()}
