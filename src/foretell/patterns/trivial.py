"""What is no news: attributes that define an outcome or follow from it, that are time or a name, and groups
that are nearly everybody.

All is judged on early rows. The tests ask for near certainty, not for strength: an attribute that tells an
outcome very well, but as one thing tells another, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foretell.core.random import generator
from foretell.features.matrix import Categorical, Floats, Instants
from foretell.patterns.sheet import Attribute, Bools, Ints, Outcome

WHOLE = 0.95  # of the rows: a group of more is everybody
CONSTANT = 0.995  # of the rows have one value
SETTLED = 0.9  # of the outcome's variance, told by the attribute: beyond, the two are one measured twice
TOGETHER = 0.98  # rank correlation with the outcome
FOLLOWS = 0.995  # of the rows have the attribute that the outcome settles
IDENTIFIES = 0.9  # different values per row
TIME = 0.98  # rank correlation with the time
EXACT = 0.98  # of the rows obey a formula
READ = 20_000  # rows
BINS = 64
ENOUGH = 5  # rows of a value, to be told from a name
EXPECTED = 40  # outcomes, of which next to none came


@dataclass(frozen=True)
class Column:
    """An attribute's early values as numbers and as codes (-1 becomes a value of its own)."""

    numbers: Floats | None  # (rows,) where it is numeric
    codes: Ints  # (rows,) >= 0
    size: int  # codes


def column(attribute: Attribute, rows: Ints) -> Column:
    """An attribute's values at `rows`; numbers are put into bins of equally many."""
    values = attribute.values
    if isinstance(values, Categorical):
        _, codes = np.unique(values.codes[rows], return_inverse=True)
        return Column(None, codes.astype(np.int64), int(codes.max(initial=0)) + 1)
    numbers = values.values[rows].astype(np.float64)
    codes, size = binned(numbers)
    return Column(numbers, codes, size)


def binned(numbers: Floats, bins: int = BINS) -> tuple[Ints, int]:
    """Codes of bins of about equally many, the last one for unknown values; few values stay apart.

    >>> binned(np.array([3.0, 1.0, np.nan, 1.0]))[0].tolist()
    [1, 0, 2, 0]
    """
    known = numbers[np.isfinite(numbers)]
    different = np.unique(known)
    if len(different) > bins:
        different = np.unique(np.quantile(known, np.arange(1, bins) / bins))
        codes = np.searchsorted(different, numbers, side="right")
        size = len(different) + 1
    else:
        codes = np.searchsorted(different, numbers)
        size = len(different)
    return np.where(np.isfinite(numbers), codes, size).astype(np.int64), size + 1


def unusable(attributes: Sequence[Attribute], times: Instants, early: Bools, *, seed: int) -> dict[str, str]:
    """Attributes that tell no groups apart in early rows, whatever the outcome, and why."""
    rows = _some(early, seed)
    found = {}
    for attribute in attributes:
        why = _unusable(attribute, column(attribute, rows), times[rows])
        if why is not None:
            found[attribute.name] = why
    return found


def _unusable(attribute: Attribute, held: Column, times: Instants) -> str | None:
    count = len(held.codes)
    if count == 0:
        return "it has no early rows"
    if np.bincount(held.codes).max() >= CONSTANT * count:
        return "it is nearly constant"
    if held.numbers is None:
        if held.size >= IDENTIFIES * count:
            return "it is a name of its own for each row"
        return None
    known = np.isfinite(held.numbers)
    numbers = held.numbers[known]
    if len(numbers) > 2 and abs(_ranked(numbers, times[known].astype(np.float64))) >= TIME:
        return "it goes with time itself"
    whole = bool((numbers == np.round(numbers)).all())
    if whole and len(numbers) > 100:
        different = len(np.unique(numbers))
        spread = float(np.ptp(numbers)) + 1
        if (
            different >= IDENTIFIES * len(numbers)
            and spread > 3 * len(numbers)
            and attribute.name.lower().endswith("id")
        ):
            return "it is a number that names each row"
    return None


def defining(attributes: Sequence[Attribute], outcome: Outcome, early: Bools, *, seed: int) -> dict[str, str]:
    """Attributes that settle the outcome in early rows or are settled by it, and why."""
    rows = _some(early & np.isfinite(outcome.values), seed)
    y = outcome.values[rows]
    if len(y) < 20 or y.min() == y.max():
        return {}
    found: dict[str, str] = {}
    numbers: dict[str, Floats] = {}
    for attribute in attributes:
        held = column(attribute, rows)
        if held.numbers is not None:
            numbers[attribute.name] = held.numbers
        why = _defines(attribute, held, outcome, y)
        if why is not None:
            found[attribute.name] = why
    if not outcome.share:
        for name, formula in _formulas(numbers, y).items():
            found.setdefault(name, formula)
    return found


def _defines(attribute: Attribute, held: Column, outcome: Outcome, y: Floats) -> str | None:
    if attribute.name == outcome.name:
        return "it is the outcome itself"
    if told(held.codes, y) >= SETTLED:
        return "it settles the outcome"
    if not outcome.share:
        if held.numbers is not None:
            known = np.isfinite(held.numbers)
            if known.sum() > 20 and abs(_ranked(held.numbers[known], y[known])) >= TOGETHER:
                return "it rises and falls with the outcome as one"
        if _follows(held, y):
            return "it follows from the outcome"
    return None


def told(codes: Ints, y: Floats) -> float:
    """Share of the outcome's variance that lies between codes, those of a few rows taken as unknown.

    Adjusted for the number of codes, so that names tell nothing (Wherry 1931).

    >>> told(np.array([0, 0, 1, 1] * 10), np.array([0.0, 0.0, 1.0, 1.0] * 10))
    1.0
    """
    counts = np.bincount(codes)
    codes = np.where(counts[codes] >= ENOUGH, codes, len(counts))
    counts = np.bincount(codes)
    groups = int((counts > 0).sum())
    if groups < 2 or len(y) <= groups + 1:
        return 0.0
    means = np.bincount(codes, weights=y) / np.maximum(counts, 1)
    within = float(((y - means[codes]) ** 2).sum()) / (len(y) - groups)
    whole = float(((y - y.mean()) ** 2).sum()) / (len(y) - 1)
    return 1.0 - within / whole if whole > 0 else 0.0


def settled(inside: Bools, y: Floats) -> bool:
    """Whether a share is certain in a group by its nature: next to none came of many that were expected.

    So it is of what never comes, and of what always does; everybody else tells what was expected.

    >>> y = np.array([0.0] * 300 + [0.0, 1.0] * 300)
    >>> settled(np.arange(900) < 300, y), settled(np.arange(900) < 450, y)
    (True, False)
    """
    n = int(inside.sum())
    rest = len(y) - n
    if not n or not rest:
        return False
    came = float(y[inside].sum())
    usual = (float(y.sum()) - came) / rest
    for hits, share in ((came, usual), (n - came, 1 - usual)):
        if n * share >= EXPECTED and hits <= 0.005 * n * share:
            return True
    return False


def whole(rows: Bools) -> bool:
    """Whether a group is nearly everybody, or nobody."""
    return not len(rows) or not rows.any() or float(rows.mean()) > WHOLE


def _follows(held: Column, y: Floats) -> bool:
    """Whether the outcome's rank settles the attribute: a class of size made from the size."""
    if held.numbers is not None:
        known = np.isfinite(held.numbers)
        if len(np.unique(held.numbers[known])) > 12:
            return False
    counts = np.bincount(held.codes)
    usual = counts.max() / len(y)
    if usual > 0.9 or (counts >= ENOUGH).sum() < 2 or (counts >= ENOUGH).sum() > 40:
        return False
    bins, size = binned(y, max(BINS, len(y) // 50))
    table = np.zeros((size, len(counts)))
    np.add.at(table, (bins, held.codes), 1)
    # a bin that an edge falls into holds two classes: as many bins as edges may be mixed
    pure = np.sort(table.max(axis=1) - table.sum(axis=1))
    edges = 2 * (int((counts > 0).sum()) - 1)
    if len(np.unique(y)) < 8 * edges:
        edges = 0
    return float(-pure[edges:].sum()) <= (1 - FOLLOWS) * len(y)


def _formulas(numbers: Mapping[str, Floats], y: Floats) -> dict[str, str]:
    """Attributes that the outcome is a product, sum, difference or quotient of, two by two."""
    pick = slice(0, 1000)
    y = y[pick]
    close = 1e-4 * np.maximum(np.abs(y), 1e-9)
    names = [n for n, v in numbers.items() if np.isfinite(v[pick]).mean() > 0.5]
    found: dict[str, str] = {}
    for i, one in enumerate(names):
        a = numbers[one][pick]
        others = list(names[i + 1 :])
        if not others:
            break
        b = np.stack([numbers[n][pick] for n in others])
        with np.errstate(all="ignore"):
            made = {"×": a * b, "+": a + b, "-": a - b, "from": b - a, "/": a / b, "into": b / a}
            for sign, value in made.items():
                sure = np.mean((np.abs(value - y) <= close) & (np.abs(y) > 1e-9), axis=1)
                busy = float(np.mean(np.abs(y) > 1e-9))
                for k in np.flatnonzero(sure >= EXACT * max(busy, 0.05)):
                    for name in (one, others[k]):
                        found.setdefault(name, f"the outcome is {one} {sign} {others[k]}")
    return found


def _ranked(a: Floats, b: Floats) -> float:
    """Rank correlation (Spearman), ties in the order they come."""
    if len(a) < 3 or a.min() == a.max() or b.min() == b.max():
        return 0.0
    ranks = [np.unique(v, return_inverse=True)[1].astype(np.float64) for v in (a, b)]
    counts = [np.cumsum(np.bincount(r.astype(np.int64))) for r in ranks]
    middles = [
        (c[r.astype(np.int64)] - np.diff(c, prepend=0)[r.astype(np.int64)] / 2) for c, r in zip(counts, ranks)
    ]
    return float(np.corrcoef(middles[0], middles[1])[0, 1])


def _some(rows: Bools, seed: int) -> Ints:
    """Positions of at most `READ` of the rows."""
    there = np.flatnonzero(rows)
    if len(there) > READ:
        there = np.sort(generator(seed, "trivial").choice(there, READ, replace=False))
    return there.astype(np.int64)
