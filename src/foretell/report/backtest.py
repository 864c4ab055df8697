"""A backtest laid out for a reader: the model beside the simple rules, over time, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from foretell.core.text import plural
from foretell.evaluation.backtest import Backtest, Slice
from foretell.evaluation.bootstrap import Score
from foretell.evaluation.metrics import CalibrationBin
from foretell.models.criteria import METRICS, title
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, moment, share, signed, sparkline
from foretell.task.model import TaskKind

_MEANINGS = {
    "auroc": "the chance that someone for whom it came true was scored above someone for whom it did not;"
    " 0.5 is guessing, 1 is perfect",
    "average_precision": "precision averaged over recall; higher is better",
    "logloss": "how surprised the probabilities were by what happened; lower is better",
    "brier": "mean squared distance of probability and outcome; lower is better",
    "accuracy": "share of rows whose likeliest class was the true one",
    "f1": "balance of precision and recall at a probability of one half; higher is better",
    "macro_f1": "F1 averaged over the classes; higher is better",
    "mae": "how far a prediction was off on average; lower is better",
    "rmse": "like the mean error, but large misses weigh more; lower is better",
    "rmsle": "error in proportion, not in amount; lower is better",
    "r2": "share of the variation that is explained; 1 is perfect, 0 is the mean",
    "spearman": "how well the order agrees; 1 is perfect, 0 is none",
}
READ = {name: (title(name), meaning) for name, meaning in _MEANINGS.items()}
"""How a metric is called, and what it means."""


RULES = {
    "constant": "the same for everyone",
    "entity_mean": "its own past mean",
    "entity_mean_10": "its own mean of ten windows",
    "last": "its last window again",
    "season": "its window a year ago again",
    "mode": "its commonest class again",
}
"""The baselines, short enough for a table."""
FAMILIES = {"trees": "its trees alone", "net": "its deep nets alone"}
"""The families of the model's members."""
BANDS = 4
"""Of fewer bands of probabilities there is nothing to draw."""
TIES = 0.01
"""By how much fair coverage differs from plain coverage where it is told."""


def backtest_view(backtest: Backtest) -> RenderableType:
    """The verdict, the scores with their intervals, the same by time, and the calibration."""
    name, meaning = READ.get(backtest.metric, (backtest.metric, ""))
    entities = plural(backtest.entities, "entity", "entities")
    title = f"Backtest: {plural(backtest.rows, 'prediction')} for {entities}, compared with what happened"
    parts: list[RenderableType] = [heading(title), scores_view(backtest, name)]
    if meaning:
        parts.append(Text(f"{name}: {meaning}.", style="dim"))
    if backtest.regime:
        parts.append(Text(backtest.regime, style="dim"))
    trust = [*trust_lines(backtest), *backtest.left_out]
    if trust:
        parts.append(bullets(trust))
    if len(backtest.bins) >= BANDS:
        parts.append(calibration_view(backtest.bins))
    if len(backtest.slices) > 1:
        parts += [Text(), slices_view(backtest, name)]
    if backtest.notes:
        parts.append(bullets(backtest.notes))
    return Group(*parts)


def calibration_view(bins: Sequence[CalibrationBin]) -> RenderableType:
    """What was said in each band of probabilities over how often it came true: two rows of bars, 0 to 1.

    Where the rows are alike the probabilities can be taken at their word.
    """
    said, happened = ([getattr(b, name) for b in bins] for name in ("said", "happened"))
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for style in ("dim", "cyan", "dim"):
        view.add_column(style=style, no_wrap=style == "cyan", overflow="fold")
    span = f"from {share(said[0])} to {share(said[-1])}"
    view.add_row("  said", sparkline(said, low=0, high=1), span)
    came = f"from {share(happened[0])} to {share(happened[-1])}"
    view.add_row("  came true", sparkline(happened, low=0, high=1), came)
    return view


def scores_view(backtest: Backtest, name: str) -> RenderableType:
    """The model, the families in it, every baseline from best to worst, and the lift over the best."""
    view = grid("", f"{name}:", "95% interval")
    digits = _digits(max((abs(s.value) for s in backtest.baselines.values()), default=backtest.model.value))
    view.add_row(Text("the model", style="bold"), *_score(backtest.model, digits))
    for family, score in backtest.members.items():
        view.add_row(f"  {FAMILIES.get(family, family)}", *_score(score, digits))
    sign = 1 if METRICS[backtest.metric].higher_is_better else -1
    ordered = sorted(
        backtest.baselines.items(),
        key=lambda item: (math.isnan(item[1].value), -sign * item[1].value),
    )
    for rule, score in ordered:
        best = " (best baseline)" if rule == backtest.best_baseline else ""
        view.add_row(f"{RULES.get(rule, rule)}{best}", *_score(score, digits))
    lift = backtest.lift
    style = "green" if backtest.beats_baseline else "yellow"
    view.add_row(
        Text("better than the best baseline by", style=style),
        Text(signed(lift.value, digits), style=style),
        _interval(lift, digits, sign=True),
    )
    return view


def trust_lines(backtest: Backtest) -> list[str]:
    """How far the probabilities or the intervals can be taken at their word."""
    lines = []
    if backtest.ece is not None and not math.isnan(backtest.ece):
        points = f"{100 * backtest.ece:.1f} percentage points"
        worst = max((s.ece for s in backtest.slices if s.ece is not None), default=0.0)
        span = f", and by {100 * worst:.1f} at the worst time" if len(backtest.slices) > 1 else ""
        lines.append(f"calibration: a stated probability is off by {points} on average{span}")
    if backtest.coverage is not None and backtest.level is not None:
        inside, stated = share(backtest.coverage), share(backtest.level)
        held = [s.coverage for s in backtest.slices if s.coverage is not None]
        span = f", from {share(min(held))} to {share(max(held))} over time" if len(held) > 1 else ""
        lines.append(f"intervals: {inside} of what happened lay inside its {stated} interval{span}")
        if backtest.fair_coverage is not None and backtest.coverage - backtest.fair_coverage >= TIES:
            fair = share(backtest.fair_coverage)
            lines.append(
                f"some outcomes are so common that an interval holds more than {stated} with them and less "
                f"without: where they are counted in part, {fair} lay inside"
            )
    return lines


def slices_view(backtest: Backtest, name: str) -> RenderableType:
    """The same comparison at each cutoff, or run of cutoffs."""
    binary = backtest.kind is TaskKind.BINARY
    with_mean = any(not math.isnan(s.mean) for s in backtest.slices)
    with_cover = any(s.coverage is not None for s in backtest.slices)
    with_error = any(s.ece is not None for s in backtest.slices)
    view = grid(
        f"{name} at",
        "rows:",
        *([("yes:" if binary else "mean:")] if with_mean else []),
        "model:",
        "best baseline:",
        *(["in interval:"] if with_cover else []),
        *(["off by:"] if with_error else []),
    )
    for part in backtest.slices:
        cells = [moment(part.name), f"{part.rows:,}"]
        if with_mean:
            cells.append(share(part.mean) if binary else amount(part.mean))
        cells += _pair(part)
        if with_cover:
            cells.append(share(part.coverage))
        if with_error:
            cells.append("–" if part.ece is None else f"{100 * part.ece:.1f}")
        view.add_row(*cells)
    return view


def _pair(part: Slice) -> list[str]:
    digits = _digits(part.model)
    return [_number(part.model, digits), _number(part.baseline, digits)]


def _score(score: Score, digits: int) -> tuple[str, Text]:
    return _number(score.value, digits), _interval(score, digits)


def _interval(score: Score, digits: int, *, sign: bool = False) -> Text:
    if math.isnan(score.low) or math.isnan(score.high):
        return Text("not known", style="dim")
    show = signed if sign else _number
    return Text(f"{show(score.low, digits)} to {show(score.high, digits)}", style="dim")


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def _digits(value: float) -> int:
    """Three decimals below 10, two below 100, none from 1,000 on."""
    size = abs(value)
    return 3 if math.isnan(value) or size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
