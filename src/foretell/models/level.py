"""Labels brought to one level: what moved over the years for everyone says nothing of who is above whom.

A model that is served for long from one snapshot meets rows far from those that it learned from. Where values
rose or fell for all, trees take old levels for what sets entities apart. So labels are moved by as much as
the level of their stretch of time lies off that of the latest, which is all that is known of the level to
come (benchmarks/LOG.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foretell.models.base import Context
from foretell.models.baselines import constant
from foretell.models.dataset import Dataset
from foretell.models.linear import is_skewed
from foretell.models.material import Material
from foretell.task.model import TaskKind


def at_latest_level(material: Material) -> Material:
    """The material with the labels to train on at the level of their latest stretch.

    A stretch is half as long as the rows to choose on. Those keep their labels, and so do tasks other than
    regressions, amounts that are skewed (what moves for everyone multiplies those), and rows that are not
    chosen on later ones.
    """
    train, valid = material.train, material.valid
    length = int(valid.cutoffs.max() - valid.cutoffs.min()) // 2
    later = train.cutoffs.max() < valid.cutoffs.min()
    if material.context.kind is not TaskKind.REGRESSION or is_skewed(train.y) or not length or not later:
        return material
    whole = leveled(material.whole, length, material.context)
    return replace(material, train=leveled(train, length, material.context), whole=whole)


def leveled(data: Dataset, length: int, context: Context) -> Dataset:
    """The rows with labels moved to the level of the latest stretch; stretches of `length` microseconds go
    back from the last cutoff. A level is what foretells a stretch best: the median for absolute errors.

    >>> from foretell.features.matrix import Matrix
    >>> from foretell.models.criteria import METRICS
    >>> when, who = np.array([0, 1, 10, 11]), np.arange(4)
    >>> data = Dataset(Matrix((), (), 4), np.array([5.0, 7.0, 1.0, 3.0]), when, who)
    >>> leveled(data, 10, Context(TaskKind.REGRESSION, METRICS["mae"])).y.tolist()
    [1.0, 3.0, 1.0, 3.0]
    """
    back, stretch = np.unique((data.cutoffs.max() - data.cutoffs) // length, return_inverse=True)
    levels = np.array([constant(data.y[stretch == i], context)[0] for i in range(len(back))])
    return replace(data, y=data.y - levels[stretch] + levels[0])
