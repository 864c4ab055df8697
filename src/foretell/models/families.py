"""How trees and nets become one model.

Trees, with the linear model and the rules beside them, read the matrix of features; a relational net reads
the rows around each entity. The two err differently, so their average in link space is better than either
more often than not. One validation period is too little to find a better weight on: half and half stays
unless another weight is clearly better there.
"""

from __future__ import annotations

import numpy as np

from foretell.features.matrix import Floats
from foretell.models.criteria import Metric, losses
from foretell.models.ensemble import blend
from foretell.models.links import from_link
from foretell.task.model import TaskKind

FAR_SHARE = 0.75
"""The net's weight on rows that lie far from what models know, where it carries further than features do."""
ENOUGH = 0.5
"""What a family has to gain of what the other gains to count at all there."""
CLEARLY = 2.0
"""Standard errors of a paired difference from which one model is better than another."""


def net_share(kind: TaskKind, criterion: Metric, y: Floats, trees: Floats, net: Floats) -> float:
    """The net's weight beside the trees: a half, or other tenths that are clearly better on these rows.

    `trees` and `net` are predictions that have not seen the labels `y`. Clearly better is one whose losses
    are lower by more than two standard errors of the paired difference.

    >>> from foretell.models.criteria import METRICS
    >>> y = np.arange(100.0)
    >>> net_share(TaskKind.REGRESSION, METRICS["mae"], y, y + 1, y - 1)
    0.5
    >>> net_share(TaskKind.REGRESSION, METRICS["mae"], y, y, y[::-1])
    0.0
    """

    def mixed(share: float) -> Floats:
        return from_link(kind, blend(kind, [trees, net], [1 - share, share]))

    half = mixed(0.5)
    others = {tenth / 10: mixed(tenth / 10) for tenth in range(11)}
    best = max(others, key=lambda share: criterion.gain(y, others[share]))
    if len(y) < 2 or criterion.gain(y, others[best]) <= criterion.gain(y, half):
        return 0.5
    saved = losses(kind, criterion, y, half) - losses(kind, criterion, y, others[best])
    error = float(saved.std(ddof=1) / np.sqrt(len(saved)))
    return best if float(saved.mean()) > CLEARLY * error else 0.5


def far_net_share(criterion: Metric, y: Floats, constant: Floats, trees: Floats, net: Floats) -> float:
    """The net's weight on rows that lie far from what models know: `FAR_SHARE`, or all of it or nothing.

    One period far ahead has a level of its own, by which it favours one family, so no other share is looked
    for. A family counts unless it gains less than `ENOUGH` of what the other gains over the constant.

    >>> from foretell.models.criteria import METRICS
    >>> y = np.arange(100.0)
    >>> far_net_share(METRICS["mae"], y, np.full(100, 50.0), y + 5, y)
    0.75
    >>> far_net_share(METRICS["mae"], y, np.full(100, 50.0), y + 20, y)
    1.0
    """
    floor = criterion.gain(y, constant)
    of_trees, of_net = (criterion.gain(y, said) - floor for said in (trees, net))
    if min(of_trees, of_net) >= ENOUGH * max(of_trees, of_net):
        return FAR_SHARE
    return float(of_net > of_trees)
