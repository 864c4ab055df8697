"""The backtest: predictions on rows the model had not seen, beside what simple rules would have said.

The comparison is with the baseline that does best on these very rows, which is known only afterwards: it is
the strictest judge, and the one a person with the same data could have been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from foretell.core.jsonable import jsonable
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.evaluation.bootstrap import REPETITIONS, Score, interval, lift, resample
from foretell.evaluation.curves import Curves, curves
from foretell.evaluation.metrics import CalibrationBin, all_scores, calibration_bins, ece, metric_for
from foretell.features.matrix import Floats, Instants
from foretell.models.baselines import ENGLISH
from foretell.models.criteria import Metric, title
from foretell.models.dataset import Groups, Ints
from foretell.models.follow import Bands
from foretell.task.model import TaskKind

MODEL = "model"
MOST_SLICES = 12
FEW_ENTITIES = 30
SLICED = 100  # draws for the interval of a slice


@dataclass(frozen=True)
class Slice:
    """The rows of one cutoff, of a run of cutoffs, or of one fold.

    `mean` is the mean label (the share of positives); for classes it is nan. `coverage` is the share of
    labels inside their interval, where there are intervals, `fair_coverage` the same less what these hold
    beyond their level (see `Backtest`); `ece` the calibration error, where there are probabilities. `low` and
    `high` are the 95% interval of the model's score.
    """

    name: str
    rows: int
    mean: float
    model: float
    baseline: float
    coverage: float | None = None
    ece: float | None = None
    fair_coverage: float | None = None
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Backtest:
    """What was measured on the test rows.

    `baselines` are all of them by name; `best_baseline` is the best on these rows, `chosen_baseline` the one
    that validation had preferred. `lift` is the model's advantage over the best (positive is better).
    `members` are the families of the model's members, each scored alone; `left_out` says which was not tried,
    and why. `scores` are all metrics of the kind, for the model, its members and every baseline. `regime`
    says in a sentence what history the rows saw. `coverage` is the share of labels inside their interval;
    `fair_coverage` counts those in part whose interval ends on common values and so holds more than was asked
    for. `curves` are what plots are drawn from (see `evaluation.curves`).
    """

    kind: TaskKind
    metric: str
    model: Score
    baselines: Mapping[str, Score]
    best_baseline: str
    chosen_baseline: str | None
    lift: Score
    scores: Mapping[str, Mapping[str, float]]
    rows: int
    entities: int
    positives: int | None
    ece: float | None
    bins: tuple[CalibrationBin, ...]
    coverage: float | None
    level: float | None
    slices: tuple[Slice, ...]
    folds: tuple[Slice, ...] = ()
    notes: tuple[str, ...] = ()
    regime: str = ""
    members: Mapping[str, Score] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    fair_coverage: float | None = None
    curves: Curves = field(default_factory=dict)

    @property
    def beats_baseline(self) -> bool:
        """Whether the lift's whole interval is above zero."""
        return self.lift.low > 0

    @property
    def verdict(self) -> str:
        """One sentence: is the model better than the best simple rule, and by how much?"""
        rule = ENGLISH.get(self.best_baseline, self.best_baseline)
        against = self.baselines[self.best_baseline]
        if math.isnan(self.model.value):
            return f"{title(self.metric)} is not defined on the {plural(self.rows, 'test row')}: no verdict"
        scores = f"{_show(self.model.value)} {title(self.metric)} against {_show(against.value)} for “{rule}”"
        if math.isnan(self.lift.low):
            return f"Too few entities to say whether the model beats the best baseline: {scores}."
        span = f"{_show(self.lift.low)} to {_show(self.lift.high)}"
        size = f"lift {_show(self.lift.value)}, 95% interval {span}"
        if self.beats_baseline:
            return f"The model beats the best baseline: {scores} ({size})."
        if self.lift.high < 0:
            return f"The model is worse than the best baseline: {scores} ({size})."
        return f"The model does not beat the best baseline: {scores} ({size})."

    def __repr__(self) -> str:
        return f"<Backtest of {plural(self.rows, 'row')}: {self.verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """The whole backtest, ready for JSON; what is not defined is None."""
        held = asdict(self)
        held |= {"kind": str(self.kind), "beats_baseline": self.beats_baseline, "verdict": self.verdict}
        cleaned: dict[str, Any] = jsonable(held)
        return cleaned


def _show(value: float) -> str:
    """Three decimals below 10, else four digits.

    >>> _show(0.81234), _show(1234.5)
    ('0.812', '1,234')
    """
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def score(
    y: Floats,
    predictions: Mapping[str, Floats],
    *,
    groups: Groups,
    cutoffs: Instants,
    kind: TaskKind,
    metric: str | None = None,
    chosen_baseline: str | None = None,
    members: Mapping[str, Floats] | None = None,
    bands: Bands | None = None,
    level: float = 0.8,
    folds: Ints | None = None,
    classes: Sequence[str] = (),
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Backtest:
    """Judge `predictions["model"]` against every other entry, each a baseline.

    `members` are what families of the model's members say alone. `bands` are a regression's intervals at
    `level`. `folds` number the fold that each row was tested in. `classes` are the names of classes.
    """
    judge = metric_for(kind, metric)
    parts = members or {}
    judged = {**predictions, **parts}
    values = {n: judge.score(y, p) for n, p in judged.items()}
    sign = 1 if judge.higher_is_better else -1
    others = [n for n in predictions if n != MODEL]
    best = max(others, key=lambda n: -math.inf if math.isnan(values[n]) else sign * values[n])
    draws = resample(judge, y, judged, groups, repetitions=repetitions, seed=seed)
    scored = {n: Score(judge.name, values[n], *interval(draws[n])) for n in judged}
    inside = None if bands is None else _inside(y, bands)
    entities = len(np.unique(groups))
    probable = kind is not TaskKind.REGRESSION
    said, rule = predictions[MODEL], predictions[best]

    def sliced(place: Ints, names: list[str]) -> tuple[Slice, ...]:
        return _slices(judge, kind, y, said, rule, groups, place, names, inside, seed)

    return Backtest(
        kind=kind,
        metric=judge.name,
        model=scored[MODEL],
        baselines={n: scored[n] for n in others},
        best_baseline=best,
        chosen_baseline=chosen_baseline,
        lift=lift(judge, values[MODEL], values[best], draws[MODEL], draws[best]),
        scores={n: all_scores(kind, y, p) for n, p in judged.items()},
        rows=len(y),
        entities=entities,
        positives=int(y.sum()) if kind is TaskKind.BINARY else None,
        ece=ece(y, predictions[MODEL]) if probable else None,
        bins=calibration_bins(y, predictions[MODEL]) if probable else (),
        coverage=None if inside is None else float(inside[0].mean()),
        fair_coverage=None if inside is None else float(inside[1].mean()),
        level=None if inside is None else level,
        slices=sliced(*_by_time(cutoffs)),
        folds=() if folds is None else sliced(*_by_fold(folds)),
        notes=_notes(kind, y, entities),
        members={n: scored[n] for n in parts},
        curves=curves(kind, y, said, rule, groups, classes=classes, seed=seed),
    )


def _inside(y: Floats, bands: Bands) -> tuple[Floats, Floats]:
    """(rows,) whether each label lies inside its interval, and how much of that counts fairly."""
    inside = bands.inside(y).astype(np.float64)
    return inside, inside * bands.fairly


def _notes(kind: TaskKind, y: Floats, entities: int) -> tuple[str, ...]:
    out = []
    if entities < FEW_ENTITIES:
        out.append(f"only {plural(entities, 'entity', 'entities')} in the test: its intervals are too narrow")
    if kind is TaskKind.BINARY and min(int(y.sum()), len(y) - int(y.sum())) < 50:
        out.append(f"only {plural(int(y.sum()), 'positive')} among {plural(len(y), 'test row')}")
    return tuple(out)


def _by_time(cutoffs: Instants) -> tuple[Ints, list[str]]:
    """A slice per cutoff; where there are more than `MOST_SLICES`, runs of cutoffs with about equal rows."""
    times, place, counts = np.unique(cutoffs, return_inverse=True, return_counts=True)
    if len(times) > MOST_SLICES:
        run = (np.cumsum(counts) - 1) * MOST_SLICES // len(cutoffs)
        _, run = np.unique(run, return_inverse=True)
    else:
        run = np.arange(len(times))
    names = []
    for i in range(int(run.max()) + 1 if len(times) else 0):
        held = times[run == i]
        names.append(_span(int(held[0]), int(held[-1])))
    return run[place].astype(np.int64), names


def _span(first: Instant, last: Instant) -> str:
    return format_instant(first) if first == last else f"{format_instant(first)} … {format_instant(last)}"


def _by_fold(folds: Ints) -> tuple[Ints, list[str]]:
    names, place = np.unique(folds, return_inverse=True)
    return place.astype(np.int64), [f"fold {n}" for n in names]


def _slices(
    metric: Metric,
    kind: TaskKind,
    y: Floats,
    model: Floats,
    baseline: Floats,
    groups: Groups,
    place: Ints,
    names: list[str],
    inside: tuple[Floats, Floats] | None,
    seed: int,
) -> tuple[Slice, ...]:
    out = []
    for i, name in enumerate(names):
        rows = place == i
        said = {MODEL: model[rows]}
        drawn = resample(metric, y[rows], said, groups[rows], repetitions=SLICED, seed=seed)[MODEL]
        out.append(
            Slice(
                name,
                int(rows.sum()),
                float("nan") if kind is TaskKind.MULTICLASS else float(y[rows].mean()),
                metric.score(y[rows], model[rows]),
                metric.score(y[rows], baseline[rows]),
                None if inside is None else float(inside[0][rows].mean()),
                None if kind is TaskKind.REGRESSION else ece(y[rows], model[rows]),
                None if inside is None else float(inside[1][rows].mean()),
                *interval(drawn),
            )
        )
    return tuple(out)
