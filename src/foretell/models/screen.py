"""Of hundreds of columns and many rows, learners get the columns that quick trees on some rows found of use.

Most of the columns of a wide matrix tell nearly the same. Leaving the weakest out halves what training costs,
and what is spared goes into more rounds (benchmarks/LOG.md).
"""

from __future__ import annotations

import numpy as np

from foretell.core.random import generator
from foretell.models.base import Context
from foretell.models.baselines import PAST_LABELS
from foretell.models.dataset import Dataset
from foretell.models.trees import TreeRecipe, grow, objectives

MANY_ROWS = 20_000
"""With fewer rows training is cheap, and which columns are of use is hard to tell."""
COLUMNS = 150
ROWS = 15_000
ROUNDS, RATE = 100, 0.1


def screened(train: Dataset, context: Context) -> tuple[str, ...]:
    """The columns to learn from, in the matrix's order: all of them where rows or columns are few.

    Past labels always stay: the simple rules read them.
    """
    names = train.X.names
    if train.rows <= MANY_ROWS or len(names) <= COLUMNS:
        return names
    chosen = generator(context.seed, "screen").permutation(train.rows)[:ROWS]
    recipe = TreeRecipe("B", objectives(train.y, context)[0])
    trees = grow(recipe, train.take(np.sort(chosen)), None, context, ROUNDS, RATE)
    share = trees.importance()
    useful = sorted(share, key=lambda name: (-share[name], name))[:COLUMNS]
    kept = {*useful, *(n for n in names if n.startswith(PAST_LABELS))}
    return tuple(n for n in names if n in kept)
