"""Oddities: periods far off what their season and their neighbours let expect, and rows unlike the others.

They are ranked, not tested: something is always the oddest. Rows are ranked by an isolation forest (Liu, Ting
& Zhou 2008), and each is told by the columns in which it is rarest.
"""

from __future__ import annotations

import numpy as np

from foretell.core.lazy import require
from foretell.core.random import derive, generator
from foretell.core.time import DAY, Instant
from foretell.features.matrix import Categorical, Floats
from foretell.patterns.finding import Oddity
from foretell.patterns.mine.grid import YEAR, Grid
from foretell.patterns.mine.levels import Level
from foretell.patterns.mine.phrases import date, figure, first_upper, value
from foretell.patterns.mine.statement import equals, moment, name, number, statement
from foretell.patterns.sheet import Sheet

PERIODS = 4  # odd ones shown of each level, at most
ROWS = 5
LEAST = 4.0  # robust deviations
NEIGHBOURS = 6  # periods on either side, of the same weekday where they are days
READ = 200_000  # rows that the forest sees
FAR = 0.03  # a forest cannot tell how far beyond all others a row lies: this much is added by it
DIFFERENT = 500  # categories; a column with more names rows


def oddities(sheet: Sheet, *, seed: int = 0, most: int = 12) -> tuple[Oddity, ...]:
    """The oddest periods and rows of all of history, the oddest first of each."""
    periods = _odd_periods(sheet)
    rows = _odd_rows(sheet, seed)
    half = most // 2
    return (*periods[: max(half, most - len(rows))], *rows[: max(half, most - len(periods))])[:most]


def _odd_periods(sheet: Sheet) -> list[Oddity]:
    grid = _fine(sheet)
    if grid is None:
        return []
    found: list[Oddity] = []
    for level in (Level(sheet, grid), *(Level(sheet, grid, outcome=o.name) for o in sheet.outcomes)):
        found.extend(_of_level(level))
    return sorted(found, key=lambda o: -o.score)


def _of_level(level: Level) -> list[Oddity]:
    """The level's oddest periods: far off the median of their neighbours, in units of what is usual."""
    grid, sheet = level.grid, level.sheet
    start, stop = grid.first, grid.later(int(sheet.times[-1]))
    rows, sums = level.per_period(start, stop)
    if not level.counts:
        rows = np.where(rows >= max(5.0, 0.1 * np.median(rows)), rows, 0.0)  # means of few rows are noise
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(rows > 0, sums / rows, np.nan)
    expected = _neighbours(values, 7 if grid.length == DAY else 1)
    off = values - expected
    usual = _usual(off, 60)
    known = np.isfinite(off) & (usual > 0)
    score = np.where(known, np.abs(off) / np.where(known, usual, 1.0), 0.0)
    order = np.argsort(-score, kind="stable")[:PERIODS]
    return [
        _odd_period(level, start + int(i), float(values[i]), float(expected[i]), float(score[i]))
        for i in order
        if score[i] >= LEAST
    ]


def _odd_period(level: Level, period: int, held: float, expected: float, score: float) -> Oddity:
    grid, sheet, share = level.grid, level.sheet, level.is_share
    at = int(grid.starts(np.array([period]))[0])
    when = date(at) if grid.length == DAY else f"the {grid.word} from {_minute(at)}"
    day = f" for a {_WEEKDAYS[(at // DAY + 3) % 7]} then" if grid.length == DAY else ""
    what = sheet.title if level.counts else level.title()
    text = (
        f"{when}: {figure(held, share)} {what}, where about {figure(expected, share)} were usual{day}"
        if level.counts
        else f"{when}: {what} was {figure(held, share)}, where about {figure(expected, share)} was usual{day}"
    )
    shown = (
        f'SELECT * FROM sheet WHERE CAST("time" AS TIMESTAMP) >= {moment(at)} '
        f'AND CAST("time" AS TIMESTAMP) < {moment(at + grid.length)} ORDER BY "time"'
    )
    return Oddity(
        sheet.name, f"{first_upper(text)} ({figure(score)} times the usual deviation)", score, at,
        statement(sheet.source, sheet.preamble, {}, shown),
    )  # fmt: skip


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _fine(sheet: Sheet) -> Grid | None:
    """Periods as short as rows allow: days where most have some, else weeks or months."""
    if len(sheet) < 100:
        return None
    times = sheet.times
    tick = DAY if not (times % DAY).any() and sheet.split % DAY == 0 else 1
    for length, word in ((DAY, "day"), (7 * DAY, "week"), (28 * DAY, "four weeks"), (YEAR, "year")):
        first = -int((sheet.split - times[0]) // length)
        grid = Grid(sheet.split, length, word, first, 0, tick, yearly=False)
        count = grid.later(int(times[-1])) - first
        if 24 <= count <= 20_000 and len(sheet) >= 5 * count:
            return grid
    return None


def _neighbours(values: Floats, stride: int) -> Floats:
    """The median of the periods around each, itself left out."""
    n = len(values)
    steps = [k * stride for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k]
    around = np.full((len(steps), n), np.nan)
    for row, step in zip(around, steps):
        if abs(step) < n:
            row[max(0, -step) : n - max(0, step)] = values[max(0, step) : n - max(0, -step)]
    enough = np.isfinite(around).sum(axis=0) >= NEIGHBOURS
    middle = np.full(n, np.nan)
    middle[enough] = np.nanmedian(around[:, enough], axis=0)
    return middle


def _usual(off: Floats, width: int) -> Floats:
    """How far off is usual around each period: the median size in its neighbourhood, as a deviation; where
    one period in fifty is a burst, bursts are usual.
    """
    size = np.abs(off)
    overall, bursts = np.nanquantile(size, [0.5, 0.98]) if np.isfinite(size).any() else (0.0, 0.0)
    near = np.empty(len(size))
    for i in range(len(size)):
        around = size[max(0, i - width) : i + width + 1]
        around = around[np.isfinite(around)]
        near[i] = np.median(around) if len(around) else overall
    return np.asarray(np.maximum(1.4826 * np.maximum(near, 0.5 * overall), bursts / 2.33))


def _odd_rows(sheet: Sheet, seed: int) -> list[Oddity]:
    """The rows that a forest isolates soonest, no two of them for the same columns."""
    columns = _columns(sheet)
    if len(sheet) < 100 or not columns:
        return []
    table = np.stack([c for _, c, _ in columns], axis=1)
    rng = generator(seed, "oddities")
    seen = (
        np.sort(rng.choice(len(table), READ, replace=False)) if len(table) > READ else np.arange(len(table))
    )
    ensemble = require("sklearn.ensemble")
    forest = ensemble.IsolationForest(n_estimators=100, random_state=derive(seed, "oddities"), n_jobs=1)
    forest.fit(table[seen])
    # Rows in the middle of every column are not asked about: the oddest are far out in one at least.
    rare = np.stack([r for _, _, r in columns], axis=1)  # (rows, columns) the share that is as far out
    far = np.argsort(rare.min(axis=1), kind="stable")[:20_000]
    away = np.abs(table[far] - np.median(table, axis=0)).max(axis=1)
    scores = -forest.score_samples(table[far]) + FAR * away
    found: list[Oddity] = []
    told: set[tuple[str, ...]] = set()
    for place in np.argsort(-scores, kind="stable"):
        row = int(far[place])
        why = [int(c) for c in np.argsort(rare[row], kind="stable")[:2] if rare[row, c] < 0.005]
        reason = tuple(columns[c][0] for c in why)
        if not why or reason in told:
            continue
        told.add(reason)
        found.append(_odd_row(sheet, row, reason, [float(rare[row, c]) for c in why], float(scores[place])))
        if len(found) == ROWS:
            break
    return found


def _columns(sheet: Sheet) -> list[tuple[str, Floats, Floats]]:
    """Per column its name, its values as the forest reads them, and the share of rows as far out."""
    found = []
    numbers = {o.name: o.values for o in sheet.outcomes if not o.share}
    for a in sheet.attributes:
        if not isinstance(a.values, Categorical):
            numbers.setdefault(a.name, a.values.values.astype(np.float64))
            continue
        different = len(a.values.categories)
        if not 2 <= different <= DIFFERENT or a.name in numbers:
            continue
        shares = np.bincount(a.values.codes + 1, minlength=different + 1) / max(1, len(sheet))
        share = shares[a.values.codes + 1]
        found.append((a.name, np.log(share), share))
    for column, values in numbers.items():
        known = np.isfinite(values)
        held = np.sort(values[known])
        if len(held) < 100 or held[0] == held[-1]:
            continue
        middle = float(np.median(held))
        spread = float(np.median(np.abs(held - middle))) or float(held.std()) or 1.0
        z = np.where(known, (values - middle) / spread, 0.0)
        below = np.searchsorted(held, values, side="right") / len(held)
        above = 1 - np.searchsorted(held, values, side="left") / len(held)
        found.append((column, np.arcsinh(z), np.where(known, np.minimum(below, above), 1.0)))
    return found


def _odd_row(sheet: Sheet, row: int, reason: tuple[str, ...], rare: list[float], score: float) -> Oddity:
    at = int(sheet.times[row])
    tests = [f'CAST("time" AS TIMESTAMP) = {moment(at)}']
    told = []
    numbers = {o.name: o for o in sheet.outcomes}
    for column, share in zip(reason, rare):
        if column in numbers or sheet.attribute(column).is_numeric:
            held = numbers[column].values if column in numbers else None
            title = numbers[column].title if column in numbers else sheet.attribute(column).title
            if held is None:
                values = sheet.attribute(column).values
                assert not isinstance(values, Categorical)
                held = values.values.astype(np.float64)
            own, middle = float(held[row]), float(np.nanmedian(held))
            side = "high" if own > middle else "low"
            told.append(f"{title} {figure(own)} (the median is {figure(middle)}, {_few(share)} is as {side})")
            near = max(abs(own) * 1e-6, 1e-12)
            tests.append(f"abs(CAST({name(column)} AS DOUBLE) - {number(own)}) <= {number(near)}")
        else:
            attribute = sheet.attribute(column)
            assert isinstance(attribute.values, Categorical)
            code = int(attribute.values.codes[row])
            if code < 0:
                told.append(f"{attribute.title} missing ({_few(share)})")
                tests.append(f"{name(column)} IS NULL")
            else:
                kept = attribute.values.categories[code]
                told.append(f"{attribute.title} {value(kept)} ({_few(share)})")
                tests.append(equals(column, kept))
    text = f"{_minute(at)}, one of the {sheet.title}: {', '.join(told)}"
    shown = f"SELECT * FROM sheet WHERE {' AND '.join(tests)}"
    return Oddity(sheet.name, text, score, at, statement(sheet.source, sheet.preamble, {}, shown))


def _few(share: float) -> str:
    """A small share as one in so many.

    >>> _few(0.001), _few(0.4)
    ('one in 1,000', 'one in 2')
    """
    return f"one in {max(1, int(1 / share)):,}" if share > 0 else "none other"


def _minute(at: Instant) -> str:
    clock = (at % DAY) // 60_000_000
    return date(at) + (f" {clock // 60:02d}:{clock % 60:02d}" if clock else "")
