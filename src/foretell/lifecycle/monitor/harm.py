"""Harm: are a model's realised scores surely worse than a simple rule's, or than what its backtest promised?

Batches differ by more than their own intervals say, because all rows of a batch share its time. So batches
are held against the spread from batch to batch, and the doubt allowed is dealt out over the year's looks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.core.lazy import require
from foretell.core.time import Instant, format_instant
from foretell.models.criteria import METRICS, title
from foretell.task.model import TaskKind

PAGES_A_YEAR = 0.25
"""False pages that a model may make in a year, at most."""
RUNS = (1, 3, 6)
"""How many of the last batches are judged together."""
FEWEST = 3
"""Batches or slices of the backtest from which their spread is known."""
LOST = 0.5
"""The share of the promised advantage whose loss is harm."""
YEAR = 365.25 * 86_400_000_000


@dataclass(frozen=True)
class Outcome:
    """How a batch did: its score, its advantage over the simple rule (positive is better; nan where unknown),
    and the standard errors of both by resampling (nan where unknown).
    """

    cutoff: Instant
    rows: int
    score: float
    score_error: float
    lift: float
    lift_error: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "cutoff": format_instant(self.cutoff),
            "rows": self.rows,
            "score": self.score,
            "lift": self.lift,
        }


@dataclass(frozen=True)
class Promise:
    """What the backtest promised: the metric, the score and its interval, the advantage over the best simple
    rule, and the scores and advantages of its slices of time.
    """

    metric: str
    score: float
    low: float
    high: float
    lift: float
    slices: tuple[tuple[float, float], ...] = ()  # (score, lift)

    @classmethod
    def of(cls, backtest: Mapping[str, Any] | None) -> Promise | None:
        """Read a backtest's record; None where nothing was measured."""
        if backtest is None or backtest["model"]["value"] is None:
            return None

        def number(value: float | None) -> float:
            return math.nan if value is None else float(value)

        sign = 1 if METRICS[backtest["metric"]].higher_is_better else -1
        pairs = ((number(s["model"]), number(s["baseline"])) for s in backtest.get("slices", ()))
        slices = tuple((m, sign * (m - b)) for m, b in pairs if math.isfinite(m) and math.isfinite(b))
        model, lift = backtest["model"], backtest["lift"]
        return cls(
            backtest["metric"],
            number(model["value"]),
            number(model["low"]),
            number(model["high"]),
            number(lift["value"]),
            slices,
        )


@dataclass(frozen=True)
class Judged:
    """What the last batches say. `harm` is a sentence where harm is sure, None where it is not; `batches` is
    how many of the last were judged together, `level` the doubt allowed at this look.
    """

    harm: str | None
    batches: int
    level: float


@dataclass(frozen=True)
class _Look:
    """What is held against a limit: (value, standard error) of each batch, more being better, and the values
    of the backtest's slices; `why` it is harm to lie below.
    """

    batches: Sequence[tuple[float, float]]
    slices: Sequence[float]
    limit: float
    why: str


def _share(error: float, lift: float, lift_error: float = math.nan) -> tuple[float, float]:
    """An advantage over a simple rule as a share of the rule's own error, and its standard error."""
    rule = error + lift
    return (lift / rule, lift_error / rule) if rule > 0 else (math.nan, math.nan)


def judge(batches: Sequence[Outcome], promise: Promise | None) -> Judged:
    """Judge the last batches, the earliest first, by the spread from batch to batch.

    Harm is an advantage over the simple rule that is surely below 0, or a score that is surely below the
    backtest's interval by more than half of the promised advantage. An error in the target's own unit grows
    with the amounts: it is held against the rule's error instead, as a share of it.
    """
    level = _level(batches)
    if not batches or promise is None:
        return Judged(None, 0, level)
    sign = 1 if METRICS[promise.metric].higher_is_better else -1
    lost = LOST * max(promise.lift, 0.0) if math.isfinite(promise.lift) else 0.0
    bound = promise.low if sign > 0 else -promise.high
    said = f"{title(promise.metric)} is below what the backtest promised, {promise.score:.3f}"
    scores = _Look(
        [(sign * b.score, b.score_error) for b in batches],
        [sign * score for score, _ in promise.slices],
        bound - lost,
        said,
    )
    if sign < 0 and TaskKind.REGRESSION in METRICS[promise.metric].kinds:
        scores = _Look(
            [_share(b.score, b.lift, b.lift_error) for b in batches],
            [_share(score, lift)[0] for score, lift in promise.slices],
            (1 - LOST) * _share(promise.score, promise.lift)[0],
            "most of the advantage over the simple rule that the backtest promised is gone",
        )
    rule = _Look(
        [(b.lift, b.lift_error) for b in batches],
        [lift for _, lift in promise.slices],
        0.0,
        "the simple rule would have done better",
    )
    looks = (rule, scores)
    shown = sign * np.array([sign * b.score for b in batches])
    runs = [r for r in RUNS if r <= len(batches)]
    for look in looks:
        for run in runs:
            if math.isfinite(look.limit) and _surely_below(look, run, level / len(looks) / len(runs)):
                mean = float(np.mean(shown[-run:]))
                which = "the last batch" if run == 1 else f"the last {run} batches"
                return Judged(f"{look.why}: {title(promise.metric)} of {which} is {mean:.3f}", run, level)
    return Judged(None, max(runs), level)


def _level(batches: Sequence[Outcome]) -> float:
    """The doubt allowed at one look, so that a year of them makes `PAGES_A_YEAR` false pages at most."""
    moments = np.unique([b.cutoff for b in batches])
    spacing = float(np.median(np.diff(moments))) if len(moments) > 1 else YEAR / 12
    return float(min(0.01, PAGES_A_YEAR * spacing / YEAR))


def _surely_below(look: _Look, run: int, level: float) -> bool:
    """Whether the mean of the last `run` values lies below the limit, by Student's t for their spread.

    The spread is that of the backtest's slices and of the batches before the run, and never less than the
    batches' own errors.
    """
    batches, slices, limit = look.batches, [v for v in look.slices if math.isfinite(v)], look.limit
    values = np.array([v for v, _ in batches[-run:]])
    errors = np.array([e for _, e in batches[-run:]])
    if not np.isfinite(values).all():
        return False
    known = np.array([v for v, _ in batches[:-run] if math.isfinite(v)])
    groups = [g for g in (np.asarray(slices, dtype=np.float64), known) if len(g) > 1]
    degrees = sum(len(g) - 1 for g in groups)
    if degrees < FEWEST - 1:
        return False
    spread = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / degrees
    own = float(np.nanmean(errors**2)) if np.isfinite(errors).any() else 0.0
    error = math.sqrt(max(spread, own) / run)
    t = (float(values.mean()) - limit) / error if error > 0 else -math.inf * (values.mean() < limit)
    return bool(require("scipy.special").stdtr(degrees, t) < level) if math.isfinite(t) else t < 0
