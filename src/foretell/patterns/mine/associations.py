"""Associations: items that come together more often than their popularity lets expect.

The figure is a difference of shares: of the transactions with the rarer item, those that have the other as
well, less those that would if each item fell into transactions as often as it does, and into large ones more
readily than into small (the expectation of Chung & Lu 2002 for given degrees). Without the sizes, all items
of large baskets would seem to belong together.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from scipy import sparse

from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.grid import Grid, choose
from foretell.patterns.mine.inputs import Baskets
from foretell.patterns.mine.levels import cells
from foretell.patterns.mine.phrases import between, date, figure, step, value
from foretell.patterns.mine.statement import moment, statement, text
from foretell.patterns.sheet import Bools, Ints, Part

ITEMS = 3000  # the most frequent ones
LEAST_ITEM = 20  # early transactions with an item
LEAST_BOTH = 10  # early transactions with both
LATELY = 0.2  # of the early transactions, the last ones
STILL = 3  # of them that have both: what is no longer sold together is no candidate
LEAST_LIFT = 1.5
LEAST_Z = 4.0
LEAST_MOVE = 0.03  # beyond the share that is to be expected
SURE = 0.98  # items that are never apart are one thing under two names
KEPT = 14
LARGE = 400  # items; baskets beyond are left out of the search for pairs


@dataclass(frozen=True, eq=False)
class Pair:
    """Two items that come together."""

    baskets: Baskets
    grid: Grid | None
    left: int  # item, the more frequent one
    right: int
    strength: float
    kind: Kind = Kind.ASSOCIATION

    @property
    def key(self) -> str:
        return f"association:{self.baskets.name}:{self._names[0]}+{self._names[1]}"

    @property
    def about(self) -> str:
        return f"association:{self.baskets.name}"

    @property
    def _names(self) -> tuple[str, str]:
        return self.baskets.labels[self.left], self.baskets.labels[self.right]

    @cached_property
    def _held(self) -> tuple[Bools, Bools]:
        """(transactions,) those that have either."""
        found = []
        for item in (self.left, self.right):
            there = np.zeros(len(self.baskets.times), dtype=np.bool_)
            there[self.baskets.transactions[self.baskets.items == item]] = True
            found.append(there)
        return found[0], found[1]

    def sample(self, part: Part) -> Sample:
        within = in_part(self.baskets, part)
        sizes = _sizes(self.baskets)[within].astype(np.float64)
        left, right = (h[within].astype(np.float64) for h in self._held)
        columns = np.stack([left, right, left * right], axis=1)
        chance = float((sizes**2).sum() / max(sizes.sum(), 1.0) ** 2)
        times = self.baskets.times[within]
        periods = self.grid.of(times) if self.grid is not None else np.zeros(len(times), np.int64)
        sums, entities, blocks = cells(columns, self.baskets.entities[within], periods)
        finish = partial(_excess, chance=chance)
        return Sample(sums, finish, entities, blocks, int(right.sum()), len(sizes), least=LEAST_MOVE)

    def rows(self) -> Bools | None:
        within = in_part(self.baskets, Part.EARLY)
        return np.asarray((self._held[0] & self._held[1])[within])

    def series(self) -> tuple[Instants, Floats]:
        if self.grid is None:
            return np.zeros(0, np.int64), np.zeros(0)
        grid, baskets = self.grid, self.baskets
        width = max(1, grid.early // 12)  # shares of short periods are mostly noise
        start, stop = grid.first, grid.later(int(baskets.times[-1]))
        numbers = np.arange(-(-start // width), stop // width)
        at = grid.of(baskets.times) // width - numbers[0]
        keep = (at >= 0) & (at < len(numbers))
        sizes = _sizes(baskets).astype(np.float64)
        left, right = self._held
        columns = (sizes, sizes**2, left, right, left & right)
        sums = [np.bincount(at[keep], weights=c[keep], minlength=len(numbers)) for c in columns]
        size, square, *held = sums
        chance = square / np.maximum(size, 1.0) ** 2
        return grid.starts(numbers * width), _excess(np.stack(held, axis=1), chance)

    def sentence(self, measured: Measured) -> str:
        baskets = self.baskets
        within = in_part(baskets, Part.LATER)
        left, right = (h[within] for h in self._held)
        names = [value(n) for n in self._names]
        before = f"{step(measured.early, share=True)} {'more' if measured.early > 0 else 'less'}"
        if not right.any():
            return (
                f"{names[1]} came with {names[0]} until {date(baskets.split)}: {before} of {baskets.title} "
                f"with the one had the other than popularity let expect; since then none has the one"
            )
        of = float((left & right).sum()) / max(1, int(right.sum()))
        expected = of - measured.value
        times = f" ({figure(of / expected)} times as many)" if expected > 0 else ""
        shown = figure(expected, share=True)
        return (
            f"{names[1]} comes with {names[0]}: of {int(right.sum()):,} {baskets.title} with the one, "
            f"{figure(of, share=True)} have the other, where its popularity and the size of "
            f"{baskets.title} let expect {shown}{times}: {step(measured.value, share=True)} "
            f"{'more' if measured.value > 0 else 'less'} {between(measured, share=True)}; before "
            f"{date(baskets.split)} {before}"
        )

    def sql(self) -> str:
        one, other = (text(n) for n in self._names)
        steps = {
            "later": f"SELECT DISTINCT transaction, CAST(item AS VARCHAR) AS item FROM sheet\n"
            f'WHERE CAST("time" AS TIMESTAMP) >= {moment(self.baskets.split)} AND item IS NOT NULL',
            "sized": "SELECT count(*) AS size,\n"
            f"  count(*) FILTER (item = {one}) AS a, count(*) FILTER (item = {other}) AS b\n"
            "FROM later GROUP BY transaction",
        }
        last = (
            "SELECT sum(a * b) / sum(b)\n"
            "  - sum(a) * sum(CAST(size AS DOUBLE) * size) / sum(CAST(size AS DOUBLE)) ** 2 AS value,\n"
            "  CAST(sum(b) AS BIGINT) AS support FROM sized"
        )
        return statement(self.baskets.source, self.baskets.preamble, steps, last)


def mine_associations(baskets: Baskets, *, seconds: float, seed: int) -> Mined:
    """Pairs of items with a lift beyond chance; pairs of one kind, and those never apart, are no news."""
    until = time.monotonic() + seconds
    early = in_part(baskets, Part.EARLY)
    count = int(early.sum())
    if count < 50:
        return Mined((), 0)
    sizes = _sizes(baskets)[early].astype(np.float64)
    moments = sizes.sum() ** 2 / max((sizes**2).sum(), 1e-300)
    table, chosen = _table(baskets, count)
    if len(chosen) < 2 or time.monotonic() > until:
        return Mined((), 0)
    items = np.asarray(table.sum(axis=0)).ravel().astype(np.float64)
    narrow = sizes <= LARGE
    both = sparse.triu(table[narrow].T @ table[narrow], k=1).tocoo()
    searched = len(chosen) * (len(chosen) - 1) // 2
    lately = table[-max(1, round(LATELY * count)) :]
    still = sparse.triu(lately.T @ lately, k=1).tocsr()
    enough = both.data >= LEAST_BOTH
    a, b, together = both.row[enough], both.col[enough], both.data[enough].astype(np.float64)
    if not len(a):
        return Mined((), searched)
    expected = items[a] * items[b] / moments
    lift = together / expected
    z = np.log(np.maximum(lift, 1e-9)) / np.sqrt(1 / together + 1 / items[a] + 1 / items[b])
    odds = together / np.minimum(items[a], items[b])
    good = (lift >= LEAST_LIFT) & (z >= LEAST_Z) & (odds < SURE)
    good &= np.asarray(still[a, b]).ravel() >= STILL
    for kinds in baskets.kinds:
        of = np.asarray(kinds)[chosen]
        good &= (of[a] != of[b]) | (of[a] < 0)
    order = sorted(
        np.flatnonzero(good),
        key=lambda i: (-z[i], baskets.labels[chosen[a[i]]], baskets.labels[chosen[b[i]]]),
    )
    grid = choose(baskets.times, baskets.split, baskets.gap)
    pairs = ((int(chosen[a[i]]), int(chosen[b[i]]), items[a[i]] >= items[b[i]], float(z[i])) for i in order)
    return Mined(_spread(baskets, grid, pairs), searched)


def _spread(
    baskets: Baskets, grid: Grid | None, pairs: Iterable[tuple[int, int, bool, float]]
) -> tuple[Candidate, ...]:
    """The strongest pairs, each item in one; half of them of items whose names have no word in common: the
    same cup in another colour is less of a surprise.
    """
    found: list[Candidate] = []
    used: set[int] = set()
    alike = 0
    for a, b, first, z in pairs:
        if a in used or b in used:  # sets of several would fill the list
            continue
        similar = bool(_words(baskets.labels[a]) & _words(baskets.labels[b]))
        if similar and alike >= KEPT // 2:
            continue
        alike += similar
        used |= {a, b}
        left, right = (a, b) if first else (b, a)
        found.append(Pair(baskets, grid, left, right, z))
        if len(found) == KEPT:
            break
    return tuple(found)


def _words(label: str) -> set[str]:
    """The words of a name, short ones left out."""
    return {w for w in re.findall(r"[^\W\d_]+", label.casefold()) if len(w) > 3}


def _table(baskets: Baskets, count: int) -> tuple[sparse.csr_matrix, Ints]:
    """Early transactions by their more frequent items (0 and 1), and which items these are."""
    known = baskets.transactions < count
    rows, items = baskets.transactions[known], baskets.items[known]
    counts = np.bincount(items, minlength=len(baskets.labels))
    often = np.lexsort((np.array(baskets.labels, dtype=object).astype(str), -counts))
    chosen = np.array([k for k in often[:ITEMS] if counts[k] >= LEAST_ITEM], dtype=np.int64)
    place = np.full(len(baskets.labels), -1)
    place[chosen] = np.arange(len(chosen))
    keep = place[items] >= 0
    ones = np.ones(int(keep.sum()), dtype=np.int32)
    table = sparse.csr_matrix((ones, (rows[keep], place[items[keep]])), shape=(count, len(chosen)))
    return table, chosen


def in_part(baskets: Baskets, part: Part) -> Bools:
    """(transactions,) those of the part."""
    early = baskets.times < baskets.split - baskets.gap
    return early if part is Part.EARLY else np.asarray(baskets.times >= baskets.split)


def _sizes(baskets: Baskets) -> Ints:
    """(transactions,) items of each."""
    return np.bincount(baskets.transactions, minlength=len(baskets.times))


def _excess(sums: Floats, chance: float | Floats) -> Floats:
    """`chance` is that of two items of all baskets to share one, which the sizes alone settle."""
    left, right, both = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(both / right - left * chance)
