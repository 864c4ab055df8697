"""How models are weighed on rows that lie far from what they knew: alike, but for the poor ones."""

from __future__ import annotations

import numpy as np

from foretell.models.criteria import METRICS
from foretell.models.weigh import weigh
from foretell.task.model import TaskKind

RNG = np.random.default_rng(0)
Y = RNG.normal(size=400)
BASELINES = ["constant", "last"]


def said(**models: float) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Predictions that follow the labels so far, 0..1; the constant is 0."""
    noise = {n: RNG.normal(size=len(Y)) for n in models}
    made = {n: share * Y + (1 - share) * 0.5 * noise[n] for n, share in models.items()}
    return {"constant": np.zeros(len(Y)), "last": -Y, **made}


def weights(far: bool, **models: float) -> dict[str, float]:
    return weigh(TaskKind.REGRESSION, METRICS["mae"], Y, said(**models), BASELINES, far=far)


def test_good_models_count_alike_and_poor_ones_not() -> None:
    assert weights(True, a=0.6, b=0.5, c=0.05) == {"a": 0.5, "b": 0.5}


def test_control_otherwise_the_better_one_counts_for_more() -> None:
    held = weights(False, a=0.6, b=0.5, c=0.05)
    assert held["a"] > held.get("b", 0.0)


def test_without_a_good_model_the_best_baseline() -> None:
    assert weights(True, a=-0.3, b=-0.2) == {"constant": 1.0}
