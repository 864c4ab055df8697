"""Two predictions of the same rows: which is better, and could it be chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretell.evaluation.bootstrap import REPETITIONS, Score, interval, lift, resample
from foretell.evaluation.metrics import metric_for
from foretell.features.matrix import Floats
from foretell.models.dataset import Groups
from foretell.task.model import TaskKind


@dataclass(frozen=True)
class Comparison:
    """A challenger beside a champion on the same rows; `lift` is the challenger's advantage."""

    champion: Score
    challenger: Score
    lift: Score
    chance: float  # share of resamples in which the challenger is better

    @property
    def is_better(self) -> bool:
        """Whether the lift's whole interval is above zero: two equal models pass about 2.5% of the time."""
        return self.lift.low > 0


def compare(
    y: Floats,
    champion: Floats,
    challenger: Floats,
    *,
    groups: Groups,
    kind: TaskKind,
    metric: str | None = None,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Comparison:
    """A paired bootstrap over entities.

    >>> y = np.tile([0.0, 1.0], 50)
    >>> found = compare(y, np.full(100, 0.5), 0.2 + 0.6 * y, groups=np.arange(100), kind=TaskKind.BINARY)
    >>> found.is_better, found.challenger.value
    (True, 1.0)
    """
    judge = metric_for(kind, metric)
    predictions = {"champion": champion, "challenger": challenger}
    draws = resample(judge, y, predictions, groups, repetitions=repetitions, seed=seed)
    old, new = (Score(judge.name, judge.score(y, p), *interval(draws[n])) for n, p in predictions.items())
    sign = 1 if judge.higher_is_better else -1
    ahead = sign * (draws["challenger"] - draws["champion"])
    gap = lift(judge, new.value, old.value, draws["challenger"], draws["champion"])
    defined = ahead[np.isfinite(ahead)]
    return Comparison(old, new, gap, float((defined > 0).mean()) if len(defined) else float("nan"))
