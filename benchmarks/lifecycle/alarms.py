"""How often `foretell monitor` alarms although nothing has changed, and how soon it sees what has.

    python benchmarks/lifecycle/alarms.py [--seeds 20] [--days 120] [--rows 500] [--adversary 12]

A placebo stream has day effects: each weekday moves every feature by its own amount, each day by another,
half of which all features share; features are correlated, some are categories, some values are missing, more
on one day than on another. Its scores vary from day to day more than their own intervals say, and its feed
has weekends and slow nights. Each day is looked at as a day's monitoring would, with the four weeks before
it. A page is harm, a digest anything else that is told. Then a tenth of the features is moved by half a
standard deviation, the model loses its advantage, or the feed stops. The control is the test that takes rows
as independent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from foretell.core.random import generator
from foretell.core.time import DAY
from foretell.features.matrix import Categorical, Floats, Instants, Matrix, Numeric
from foretell.lifecycle.monitor.adversary import adversary
from foretell.lifecycle.monitor.drift import UNLIKELY, Drift, drift
from foretell.lifecycle.monitor.feeds import Feed, feed
from foretell.lifecycle.monitor.gather import WINDOWS
from foretell.lifecycle.monitor.harm import Judged, Outcome, Promise, judge
from foretell.lifecycle.monitor.histograms import histograms
from foretell.lifecycle.monitor.usual import LOOK_BACK

FEATURES, CATEGORIES = 40, 4  # of the features, the last few are categories
MOVED, BY = 4, 0.5  # a tenth of the features, by so many standard deviations
WEEKDAY, DAILY, SHARED = 0.1, 0.1, 0.5  # standard deviations of the effects, and the part that features share
SCORE, LIFT, NOISE, ERROR = 0.75, 0.05, 0.015, 0.012  # AUROC, advantage, by day, and of a batch's interval
ARRIVING = 200  # rows of the feed on a weekday
SOON = 3  # batches within which a change is to be seen


@dataclass(frozen=True)
class Stream:
    """Days of rows: numbers (days, rows, features), of which the last are read as categories."""

    values: Floats

    def window(self, day: int, back: int = WINDOWS) -> tuple[Matrix, Instants]:
        """The rows of a day and of those before it, with the number of each row's window."""
        held = self.values[day - back : day + 1]
        rows = held.reshape(-1, held.shape[-1])
        numbers = tuple(Numeric(c) for c in rows.T[:-CATEGORIES])
        words = tuple(
            Categorical(np.digitize(c, (-1, -0.3, 0.3, 1)).astype(np.int32), tuple("abcde"))
            for c in rows.T[-CATEGORIES:]
        )
        names = tuple(f"f{i}" for i in range(rows.shape[1]))
        return Matrix(names, (*numbers, *words), len(rows)), np.repeat(np.arange(len(held)), held.shape[1])

    def moved(self, day: int, by: float = BY) -> Stream:
        """The same, with the first features moved from a day on."""
        values = self.values.copy()
        values[day:, :, :MOVED] += by
        return Stream(values)


def stream(seed: int, days: int, rows: int) -> Stream:
    """A placebo stream."""
    rng = generator(seed, "stream")
    weekday = rng.normal(0, WEEKDAY, (7, FEATURES))
    common, own = rng.normal(size=(days, 1)), rng.normal(size=(days, FEATURES))
    effect = weekday[np.arange(days) % 7] + DAILY * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own)
    values = np.sqrt(0.3) * rng.normal(size=(days, rows, 1)) + np.sqrt(0.7) * rng.normal(
        size=(days, rows, FEATURES)
    )
    values += effect[:, None, :]
    absent = rng.random(values.shape) < rng.uniform(0.05, 0.15, (days, 1, 1))
    absent[..., FEATURES // 2 :] = False
    values[absent] = np.nan
    return Stream(values)


def look(held: Stream, day: int) -> Drift:
    """What a day's monitoring says of the features."""
    return drift(histograms(*held.window(day)))


def naive(held: Stream, day: int, back: int = LOOK_BACK) -> bool:
    """The control: any number whose Kolmogorov-Smirnov p is below .05, rows taken as independent."""
    for i in range(FEATURES - CATEGORIES):
        now, then = held.values[day, :, i], held.values[day - back : day, :, i].ravel()
        if ks_2samp(now[~np.isnan(now)], then[~np.isnan(then)]).pvalue < 0.05:
            return True
    return False


def batches(seed: int, days: int, *, lost_from: int | None = None) -> tuple[list[Outcome], Promise]:
    """Graded batches of each day, and the backtest's promise; from a day on the model is no better than
    chance.
    """
    rng = generator(seed, "batches")
    lift = LIFT + NOISE * rng.normal(size=days + 12) + ERROR * rng.normal(size=days + 12)
    score = SCORE + 0.8 * NOISE * rng.normal(size=days + 12) + (lift - LIFT)
    if lost_from is not None:
        score[lost_from + 12 :] -= SCORE - 0.6
        lift[lost_from + 12 :] -= LIFT + 0.1
    slices = tuple(zip(score[:12].tolist(), lift[:12].tolist()))
    mean = float(score[:12].mean())
    promise = Promise("auroc", mean, mean - 2 * ERROR, mean + 2 * ERROR, float(lift[:12].mean()), slices)
    return [
        Outcome(day * DAY, 500, float(score[12 + day]), ERROR, float(lift[12 + day]), ERROR)
        for day in range(days)
    ], promise


def arrivals(seed: int, days: int) -> Instants:
    """The times of a feed's rows: fewer at weekends, none at night, days that differ."""
    rng = generator(seed, "arrivals")
    usual = ARRIVING * np.array([1, 1.1, 1, 0.9, 1.2, 0.3, 0.25])[np.arange(days) % 7]
    counts = rng.poisson(usual * rng.lognormal(0, 0.15, days))
    hours = rng.uniform(7, 21, counts.sum()) / 24
    return np.sort(((np.repeat(np.arange(days), counts) + hours) * DAY).astype(np.int64))


@dataclass(frozen=True)
class Looks:
    """A year and more of looks, added up."""

    looks: int = 0
    pages: int = 0
    drifting: int = 0
    together: int = 0
    feeds: int = 0
    naive: int = 0

    def __add__(self, other: Looks) -> Looks:
        return Looks(*(a + b for a, b in zip(vars(self).values(), vars(other).values())))


def placebo(seed: int, days: int, rows: int, *, control: int = 1) -> Looks:
    """Look at a stream day by day; the control is asked every `control` days."""
    held, (graded, promise) = stream(seed, days + WINDOWS, rows), batches(seed, days)
    times, total = arrivals(seed, days + 2 * WINDOWS), Looks()
    for day in range(days):
        features = look(held, day + WINDOWS)
        judged: Judged = judge(graded[: day + 1], promise)
        rows_of: Feed = feed("rows", times, int((day + 2 * WINDOWS + 0.96) * DAY))
        total += Looks(
            1,
            int(judged.harm is not None or rows_of.stopped is not None),
            int(bool(features.drifting)),
            int(features.unusual and not features.drifting),
            int(rows_of.odd is not None),
            int(naive(held, day + WINDOWS)) if day % control == 0 else 0,
        )
    return total


def seen_within(seed: int, rows: int, batches_later: int = SOON) -> list[bool]:
    """Whether a moved feature is said to drift by the first, second, … batch after a tenth were moved."""
    held = stream(1000 + seed, WINDOWS + batches_later, rows).moved(WINDOWS)
    moved = {f"f{i}" for i in range(MOVED)}
    hits = [
        any(f.name in moved for f in look(held, WINDOWS + later).drifting) for later in range(batches_later)
    ]
    return [any(hits[: i + 1]) for i in range(batches_later)]


def paged_within(seed: int, most: int = 6, before: int = 14) -> list[bool]:
    """Whether harm is paged by the first, second, … batch after a model has lost its advantage."""
    graded, promise = batches(2000 + seed, before + most, lost_from=before)
    return [judge(graded[: before + i + 1], promise).harm is not None for i in range(most)]


def stopped_within(seed: int, most: int = 6, before: int = 56) -> list[bool]:
    """Whether a feed is said to have stopped one, two, … days after its last row."""
    times = arrivals(3000 + seed, before)
    return [feed("rows", times, int((before + i + 0.96) * DAY)).stopped is not None for i in range(most)]


def told_apart(seed: int, rows: int, looks: int, *, moved: bool) -> float:
    """The share of looks at which the adversary's AUROC is unusual."""
    held = stream(4000 + seed, WINDOWS + looks, rows)
    found = []
    for day in range(WINDOWS, WINDOWS + looks):
        matrix, window = (held.moved(day) if moved else held).window(day)
        told = adversary(matrix, window, np.arange(matrix.rows))
        found.append(told is not None and told.p < UNLIKELY)
    return float(np.mean(found))


def shares(found: Sequence[Sequence[bool]]) -> str:
    return ", ".join(f"{100 * v:.0f}%" for v in np.mean(np.asarray(found, dtype=np.float64), axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--adversary", type=int, default=12, help="looks of the adversary, of 3 seeds")
    said = parser.parse_args()
    total = Looks()
    for seed in range(said.seeds):
        total += placebo(seed, said.days, said.rows, control=5)
    years = total.looks / 365
    controls = said.seeds * len(range(0, said.days, 5))
    print(f"placebo: {said.seeds} streams of {said.days} days, {total.looks:,} looks")
    print(f"  pages: {total.pages}, {total.pages / years:.2f} per model-year")
    for what, count in (
        ("drifting features", total.drifting),
        ("features together", total.together),
        ("feeds", total.feeds),
    ):
        print(f"  digests, {what}: {count}, {100 * count / total.looks:.1f}% of days")
    print(f"  control, any column's KS p < .05: {100 * total.naive / controls:.1f}% of days")
    trials = 5 * said.seeds
    found = [seen_within(seed, said.rows) for seed in range(trials)]
    print(f"{BY} sd in {MOVED} of {FEATURES} features, {trials} trials:")
    print(f"  seen by batch 1, 2, 3: {shares(found)}")
    harmed = [paged_within(seed) for seed in range(trials)]
    print(f"an advantage lost (AUROC .75 to .60), {trials} trials:")
    print(f"  paged by batch 1 to 6: {shares(harmed)}")
    ended = [stopped_within(seed) for seed in range(trials)]
    print(f"a feed that stops, {trials} trials:")
    print(f"  paged after 0 to 5 days: {shares(ended)}")
    if said.adversary:
        quiet = np.mean([told_apart(seed, said.rows, said.adversary, moved=False) for seed in range(3)])
        moved = np.mean([told_apart(seed, said.rows, said.adversary, moved=True) for seed in range(3)])
        print(f"the adversary alone, {3 * said.adversary} looks:")
        print(f"  placebo days: {100 * quiet:.0f}%, first batches after the move: {100 * moved:.0f}%")


if __name__ == "__main__":
    main()
