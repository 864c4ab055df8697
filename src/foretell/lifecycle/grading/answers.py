"""What was said and what happened, as arrays; and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.evaluation.bootstrap import Score, interval, lift, resample
from foretell.evaluation.labels import class_name
from foretell.evaluation.metrics import CalibrationBin, calibration_bins, ece, metric_for
from foretell.features.matrix import Floats
from foretell.lifecycle.batches import BASELINE
from foretell.models.dataset import Groups
from foretell.task.model import TaskKind

OTHER = "(other)"
"""The class that stands for all that a model has no name for."""


@dataclass(frozen=True)
class Answers:
    """Rows that were predicted, with their outcomes.

    `said` are probabilities or values (rows,), for classes 1 at the one that was said (rows, classes), as is
    `baseline`. `sure` is the probability that was given to what was said, `hit` whether that happened; `low`
    and `high` the interval. None where a batch has no such column.
    """

    kind: TaskKind
    y: Floats  # (rows,)
    said: Floats
    baseline: Floats | None = None
    sure: Floats | None = None  # (rows,)
    hit: Floats | None = None  # (rows,)
    low: Floats | None = None  # (rows,)
    high: Floats | None = None  # (rows,)

    def take(self, index: npt.NDArray[Any]) -> Answers:
        """Those of the rows at `index`, positions or a mask."""
        held = {k: v[index] for k, v in vars(self).items() if isinstance(v, np.ndarray)}
        return Answers(self.kind, **held)


def answers(
    kind: TaskKind, predictions: pa.Table, values: npt.NDArray[Any], classes: Sequence[str] = ()
) -> Answers:
    """Read a batch's rows beside their labels, in the same order. `classes` are the model's."""
    column = {n: predictions[n] for n in predictions.column_names}
    if kind is TaskKind.MULTICLASS:
        return _of_classes(column, values, classes)
    y = values.astype(np.float64)
    baseline = _floats(column.get(BASELINE))
    if kind is TaskKind.BINARY:
        said = _required(column, "probability")
        return Answers(kind, y, said, baseline, said, y)
    return Answers(
        kind,
        y,
        _required(column, "prediction"),
        baseline,
        low=_floats(column.get("low")),
        high=_floats(column.get("high")),
    )


def _of_classes(
    column: dict[str, pa.ChunkedArray], values: npt.NDArray[Any], classes: Sequence[str]
) -> Answers:
    known = set(classes)

    def words(found: Sequence[Any]) -> list[str]:
        names = [class_name(v) for v in found]
        return [n if n in known or OTHER not in known else OTHER for n in names]

    truth, said = words(values.tolist()), words(column["prediction"].to_pylist())
    rule = words(column[BASELINE].to_pylist()) if BASELINE in column else None
    place = {n: i for i, n in enumerate(sorted({*truth, *said, *(rule or ())}))}

    def chosen(names: list[str]) -> Floats:
        out = np.zeros((len(names), max(len(place), 1)))
        out[np.arange(len(names)), [place[n] for n in names]] = 1.0
        return out

    y = np.array([place[n] for n in truth], dtype=np.float64)
    hit = np.array([t == s for t, s in zip(truth, said)], dtype=np.float64)
    sure = _floats(column.get("probability"))
    return Answers(TaskKind.MULTICLASS, y, chosen(said), None if rule is None else chosen(rule), sure, hit)


def _floats(column: pa.ChunkedArray | None) -> Floats | None:
    """A numeric column as floats; None without one, or where it is not filled throughout."""
    if column is None or column.null_count:
        return None
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _required(column: dict[str, pa.ChunkedArray], name: str) -> Floats:
    found = _floats(column[name])
    assert found is not None, f"a batch without {name}"
    return found


@dataclass(frozen=True)
class Scored:
    """The scores of rows: the model's, the simple rule's, the advantage over it (positive is better)."""

    score: Score
    baseline: Score | None
    lift: Score | None
    ece: float | None
    bins: tuple[CalibrationBin, ...]
    coverage: float | None


def scored(found: Answers, metric: str | None, groups: Groups, *, seed: int = 0) -> Scored:
    """Judge answers with intervals by resampling entities; nan where the metric is not defined."""
    judge = metric_for(found.kind, metric)
    said = {"model": found.said} | ({} if found.baseline is None else {BASELINE: found.baseline})
    values = {n: judge.score(found.y, p) for n, p in said.items()}
    draws = resample(judge, found.y, said, groups, seed=seed)
    scores = {n: Score(judge.name, values[n], *interval(draws[n])) for n in said}
    advantage = None
    if found.baseline is not None:
        advantage = lift(judge, values["model"], values[BASELINE], draws["model"], draws[BASELINE])
    inside = None
    if found.low is not None and found.high is not None:
        inside = float(((found.y >= found.low) & (found.y <= found.high)).mean())
    told = found.sure is not None and found.hit is not None
    return Scored(
        scores["model"],
        scores.get(BASELINE),
        advantage,
        ece(found.hit, found.sure) if told else None,  # type: ignore[arg-type]
        calibration_bins(found.hit, found.sure) if told else (),  # type: ignore[arg-type]
        inside,
    )
