"""How often a challenger is promoted that is no better, and one that is: simulated trials.

    python benchmarks/lifecycle/promotion.py [--trials 400] [--rows 10000] [--looks 6] [--only binary]

Two models score the same rows; entities have several rows each, of which outcomes and scores are alike. Both
see what drives the outcome through noise, some of it shared and some their own (their scores correlate by
0.67): of equal strength for equal models; for a better challenger so much less that its AUROC is 0.02 higher.
Printed are the shares of trials in which the challenger is promoted by one look, by the first of several
looks at ever more rows, and by two controls: an interval that resamples entities alone, which takes days that
all rows share for so many rows, and the rule "the higher score wins". The same for a regression's mean
absolute error with heavy tails, where each model's errors are larger on some days than on others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.lifecycle.retrain.ruling import rule
from foretell.models.criteria import METRICS
from foretell.models.dataset import Groups
from foretell.task.model import TaskKind

A_ROW = 4  # rows of an entity
SHARED = 0.8  # noise that both models see alike
NOISE, LESS_NOISE = 0.9, 0.643  # AUROC 0.708 and 0.728, over 400,000 rows
DAYS = 20
SHOCK = 0.2  # of a day, in the logarithm of each model's error
REPETITIONS = 200


@dataclass(frozen=True)
class Said:
    """What happened, and what two models said of it."""

    y: Floats
    champion: Floats
    challenger: Floats
    groups: Groups
    cutoffs: Instants

    def first(self, rows: int) -> Said:
        return Said(*(part[:rows] for part in vars(self).values()))


def classes(rng: np.random.Generator, rows: int, *, better: bool) -> Said:
    """Yes or no, a quarter yes. Rows lie in the order of time: an entity comes again at each cutoff."""
    entities = max(1, rows // A_ROW)
    groups = np.arange(rows) % entities
    own = rng.normal(size=entities)[groups]
    drive = 0.8 * own + 0.6 * rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(1.6 - 1.6 * drive))).astype(np.float64)
    seen = drive + SHARED * _mixed(rng, groups, entities)
    scores = [
        1 / (1 + np.exp(1.4 - 0.6 * (seen + noise * _mixed(rng, groups, entities))))
        for noise in (NOISE, LESS_NOISE if better else NOISE)
    ]
    return Said(y, scores[0], scores[1], groups, np.arange(rows) // entities)


def amounts(rng: np.random.Generator, rows: int, *, better: bool) -> Said:
    """Amounts with tails, on a few days, each with a shock of its own for each model's errors."""
    entities = max(1, rows // DAYS)
    groups, day = np.arange(rows) % entities, np.arange(rows) // entities
    y = np.exp(0.5 * rng.normal(size=entities)[groups] + 0.3 * rng.standard_t(4, size=rows).clip(-6, 6))
    shocks = rng.normal(scale=SHOCK, size=(2, day.max() + 1))
    scores = [
        y * np.exp(noise * np.exp(shock[day]) * _mixed(rng, groups, entities))
        for noise, shock in zip((0.5, 0.47 if better else 0.5), shocks)
    ]
    return Said(y, scores[0], scores[1], groups, day)


def _mixed(rng: np.random.Generator, groups: Groups, entities: int) -> Floats:
    """Noise of variance one, half of it the entity's own."""
    return np.sqrt(0.5) * (rng.normal(size=entities)[groups] + rng.normal(size=len(groups)))


Make = Callable[..., Said]


def promoted(made: Said, kind: TaskKind, look: int = 1, *, days: bool = True) -> bool:
    """Whether the challenger is. Without `days` the ruling does not know which rows share a cutoff."""
    found = rule(
        made.y,
        made.champion,
        made.challenger,
        groups=made.groups,
        cutoffs=made.cutoffs if days else made.cutoffs * 0,
        kind=kind,
        look=look,
        repetitions=REPETITIONS,
    )
    return found.is_better


def higher(made: Said, kind: TaskKind) -> bool:
    """The control: whoever scores higher wins."""
    metric = METRICS["auroc" if kind is TaskKind.BINARY else "mae"]
    return metric.gain(made.y, made.challenger) > metric.gain(made.y, made.champion)


def shares(make: Make, kind: TaskKind, *, better: bool, trials: int, rows: int, looks: int, seed: int) -> str:
    """A line of the table: shares of trials in which the challenger is promoted."""
    once = alone = often = naive = ever = 0
    for trial in range(trials):
        made = make(np.random.default_rng([seed, trial]), rows, better=better)
        once += promoted(made, kind)
        alone += promoted(made, kind, days=False)
        parts = [made.first(rows * (i + 1) // looks) for i in range(looks)]
        often += any(promoted(p, kind, look=i + 1) for i, p in enumerate(parts))
        naive += higher(made, kind)
        ever += any(higher(p, kind) for p in parts)
    name = f"{kind.value}, {'better' if better else 'equal'}"
    cells = " | ".join(f"{100 * n / trials:.1f}%" for n in (once, often, alone, naive, ever))
    return f"| {name} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--looks", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("binary", "regression"))
    given = parser.parse_args()
    only = vars(given).pop("only")
    print(f"{given.trials} trials of {given.rows:,} rows; shares in which the challenger is promoted")
    several = f"{given.looks} looks"
    print(f"| challenger | one look | {several} | by entity alone | higher wins | higher wins, {several} |")
    print("|---|--:|--:|--:|--:|--:|")
    for make, kind in ((classes, TaskKind.BINARY), (amounts, TaskKind.REGRESSION)):
        for better in (False, True) if only in (None, kind.value) else ():
            print(shares(make, kind, better=better, **vars(given)), flush=True)


if __name__ == "__main__":
    main()
