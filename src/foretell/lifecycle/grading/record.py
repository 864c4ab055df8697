"""A grade: how a batch of predictions did, as it is kept and told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from foretell.core.jsonable import jsonable
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant, parse_instant
from foretell.evaluation.bootstrap import Score
from foretell.evaluation.metrics import CalibrationBin
from foretell.lifecycle.grading.segments import Segment
from foretell.models.criteria import METRICS, title
from foretell.task.model import TaskKind


@dataclass(frozen=True)
class Grade:
    """How a batch did. `rows` were predicted, `labelled` of them have an outcome; `missing` counts the rest.

    `lift` is the advantage over the simple rule that the batch holds (positive is better), `promised` the
    backtest's score of the version. `ece` is by how much stated probabilities were off, `coverage` the share
    of outcomes inside their interval, which should be `level`. `happened` is the mean outcome (the share of
    yes; of classes, of those that were right), `said` the mean prediction. `hindsight` says that the version
    had learned from labels of that time: its batch was no forecast.
    """

    run_id: str
    version: int
    cutoff: Instant
    due: Instant | None
    rows: int
    labelled: int
    missing: Mapping[str, int]
    score: Score
    baseline: Score | None
    lift: Score | None
    promised: Score | None
    said: float
    happened: float
    ece: float | None
    bins: tuple[CalibrationBin, ...]
    coverage: float | None
    level: float | None
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()
    hindsight: bool = False

    @property
    def loses(self) -> bool:
        """Whether the simple rule was surely better."""
        return self.lift is not None and self.lift.high < 0

    @property
    def decays(self) -> bool:
        """Whether it lost to the simple rule or lags behind its backtest."""
        return self.loses or self.lags

    @property
    def lags(self) -> bool:
        """Whether it is surely worse than the backtest promised: the intervals do not meet.

        An error in amounts moves with the amounts, so a regression is held against the simple rule alone.
        """
        if self.promised is None or TaskKind.REGRESSION in METRICS[self.score.metric].kinds:
            return False
        if METRICS[self.score.metric].higher_is_better:
            return self.score.high < self.promised.low
        return self.score.low > self.promised.high

    def to_dict(self) -> dict[str, Any]:
        """The grade, ready for JSON; what is not defined is None."""
        held = asdict(self)
        held["cutoff"] = format_instant(self.cutoff)
        held["due"] = None if self.due is None else format_instant(self.due)
        cleaned: dict[str, Any] = jsonable(held)
        return cleaned | {"loses": self.loses, "lags": self.lags}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Grade:
        """Read back what `to_dict` wrote."""
        held = {k: v for k, v in record.items() if k not in ("loses", "lags")}
        due = held["due"]
        return cls(
            **held
            | {
                "cutoff": parse_instant(held["cutoff"]),
                "due": None if due is None else parse_instant(due),
                **{n: score_of(held[n]) for n in ("baseline", "lift", "promised")},
                "score": score_of(held["score"]),
                "said": _number(held["said"]),
                "happened": _number(held["happened"]),
                "bins": tuple(CalibrationBin(**b) for b in held["bins"]),
                "segments": tuple(Segment(**s | {"score": score_of(s["score"])}) for s in held["segments"]),
                "notes": tuple(held["notes"]),
            }
        )


@dataclass(frozen=True)
class Waiting:
    """A batch without a grade: when its window closes, and why it cannot be graded yet."""

    run_id: str
    version: int
    cutoff: Instant
    due: Instant | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        due = None if self.due is None else format_instant(self.due)
        return {
            "run_id": self.run_id,
            "version": self.version,
            "cutoff": format_instant(self.cutoff),
            "due": due,
            "why": self.why,
        }


@dataclass(frozen=True)
class Grades:
    """Every batch of a model: those that were graded, the earliest cutoff first, and those that wait."""

    name: str
    at: Instant
    graded: tuple[Grade, ...]
    waiting: tuple[Waiting, ...]

    @property
    def verdict(self) -> str:
        """How the last graded batch did, in one sentence."""
        if not self.graded:
            if not self.waiting:
                return f"{self.name} has no batch yet: write one with foretell write."
            dues = [w.due for w in self.waiting if w.due is not None]
            when = f": the first window closes at {format_instant(min(dues))}" if dues else ""
            count = plural(len(self.waiting), "batch", "batches")
            return f"None of {count} of {self.name} can be graded yet{when}."
        last = self.graded[-1]
        when = format_instant(last.cutoff)
        if math.isnan(last.score.value):
            return f"The batch of {when} cannot be scored: {'; '.join(last.notes)}."
        metric = title(last.score.metric)
        value = f"{last.score.value:.3g}"
        said = f"The batch of {when} came to {value} {metric}"
        if last.loses:
            return f"{said}: the simple rule was surely better."
        if last.lags and last.promised is not None:
            return f"{said}: surely worse than the backtest's {last.promised.value:.3g}."
        if last.lift is not None and last.lift.low > 0:
            return f"{said}: surely better than the simple rule's {_rule(last):.3g}."
        if last.lift is not None:
            return f"{said}, beside {_rule(last):.3g} for the simple rule: no sure difference."
        return f"{said}."

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "at": format_instant(self.at),
            "verdict": self.verdict,
            "graded": [g.to_dict() for g in self.graded],
            "waiting": [w.to_dict() for w in self.waiting],
        }

    def to_arrow(self) -> pa.Table:
        """One row for each graded batch, without its segments and bins."""
        plain = ("run_id", "version", "rows", "labelled", "said", "happened", "ece", "coverage")
        rows = []
        for g in self.graded:
            own = {n: getattr(g, n) for n in plain} | {"metric": g.score.metric, "score": g.score.value}
            own |= {"low": g.score.low, "high": g.score.high}
            own |= {"baseline": None if g.baseline is None else g.baseline.value}
            rows.append({"cutoff": format_instant(g.cutoff), **own})
        return pa.Table.from_pylist(rows)


def _rule(grade: Grade) -> float:
    return float("nan") if grade.baseline is None else grade.baseline.value


def score_of(record: Mapping[str, Any] | None) -> Any:
    """A score read back from its JSON; None where there is none."""
    if record is None:
        return None
    return Score(record["metric"], *(_number(record[n]) for n in ("value", "low", "high")))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
