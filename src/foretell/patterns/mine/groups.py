"""Groups of rows against the others: what subgroups and drivers are judged by.

The figure is the difference between two means of an outcome. Its errors are clustered by entity, and by
periods that are as long as the early part lets: there are at least thirty of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foretell.core.time import DAY
from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Sample
from foretell.patterns.mine.grid import HOUR, YEAR
from foretell.patterns.mine.statement import moment, name, statement
from foretell.patterns.sheet import Bools, Ints, Outcome, Part, Sheet

PERIODS = 30  # of the early part, at least
FEW_ENTITIES = 30  # of fewer, statements speak of these alone
LEAST_ROWS = 30  # of each side
LEAST_CLUSTERS = 10  # entities and periods of each side
LEAST = 0.1  # of the outcome's early standard deviation: what a reader cares for
POINTS = 24  # of a series' early part
_LENGTHS = (YEAR, 28 * DAY, 7 * DAY, DAY, HOUR)


@dataclass(frozen=True, eq=False)
class Ground:
    """A sheet's outcome, with what all statements about it share; made by `ground`."""

    sheet: Sheet
    outcome: Outcome
    length: int  # microseconds of a period
    is_few: bool  # entities: only time's chance is judged, as the statement is about these alone

    @cached_property
    def periods(self) -> Ints:
        """(rows,) counted from the split."""
        return np.asarray((self.sheet.times - self.sheet.split) // self.length, np.int64)

    @cached_property
    def entities(self) -> Ints:
        """(rows,)"""
        return self.periods - self.periods.min() if self.is_few else self.sheet.entities

    @cached_property
    def others(self) -> tuple[Ints, ...]:
        """Each (rows,): other things that rows share."""
        return () if self.is_few else self.sheet.others

    @cached_property
    def known(self) -> Bools:
        return np.isfinite(self.outcome.values)

    @cached_property
    def least(self) -> float:
        """A tenth of the early standard deviation, extreme hundredths drawn in."""
        y = self.outcome.values[self.sheet.part(Part.EARLY) & self.known]
        if not len(y):
            return 0.0
        if not self.outcome.share:
            y = np.clip(y, *np.quantile(y, [0.01, 0.99]))
        return LEAST * float(y.std())

    @cached_property
    def _cells(self) -> dict[Part, _Cells]:
        return {}

    def cells(self, part: Part) -> _Cells:
        """The part's rows by entity and period; read when it is first asked for."""
        if part not in self._cells:
            rows = np.flatnonzero(self.sheet.part(part) & self.known)
            entities, periods = self.entities[rows], self.periods[rows]
            if self.others:
                self._cells[part] = _Cells(
                    rows, np.arange(len(rows)), entities, periods, self.outcome.values[rows]
                )
                return self._cells[part]
            low, first = (int(v.min()) if len(v) else 0 for v in (entities, periods))
            width = int(periods.max()) - first + 1 if len(rows) else 1
            there, cell = np.unique((entities - low) * width + periods - first, return_inverse=True)
            self._cells[part] = _Cells(
                rows, cell, there // width + low, there % width + first, self.outcome.values[rows]
            )
        return self._cells[part]

    def sample(self, part: Part, inside: Bools, outside: Bools) -> Sample:
        """The mean of rows `inside` less that of rows `outside`, both (rows,) of the sheet.

        Its error is not below the one that `modelled` gives.
        """
        held = self.cells(part)
        columns = []
        for mask in (inside, outside):
            there = mask[held.rows].astype(np.float64)
            columns += [there, there * held.values]
        count = len(held.entities)
        tallies = [np.bincount(held.cell, weights=c, minlength=count) for c in columns]
        sums = np.stack(tallies, axis=1).astype(np.float64)
        n, _, m, _ = sums.sum(axis=0)
        either = (sums[:, 0] + sums[:, 2]) > 0
        first = held.periods.min() if len(held.periods) else 0
        shared = (held.entities, held.periods - first, *(o[held.rows] for o in self.others))
        enough = min(n, m) >= LEAST_ROWS and all(
            np.count_nonzero(np.bincount(of[sums[:, side] > 0], minlength=1)) >= LEAST_CLUSTERS
            for side in (0, 2)
            for of in shared
        )
        return Sample(
            sums[either],
            apart,
            held.entities[either],
            held.periods[either],
            support=int(n),
            population=len(held.rows),
            least=self.least,
            others=tuple(o[either] for o in shared[2:]),
            floor=modelled(sums, shared, self._squares(part, inside | outside)) if enough else 0.0,
            enough=enough,
        )

    def _squares(self, part: Part, rows: Bools) -> Floats:
        """(cells,) sums of squares of the outcome in `rows` (of the sheet)."""
        held = self.cells(part)
        weights = rows[held.rows] * held.values**2
        return np.bincount(held.cell, weights=weights, minlength=len(held.entities)).astype(np.float64)

    def means(self, part: Part, inside: Bools, outside: Bools) -> tuple[float, float]:
        """Both means, NaN where there are no rows."""
        held = self.cells(part)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = []
            for mask in (inside, outside):
                there = mask[held.rows]
                found.append(float(np.float64(held.values[there].sum()) / there.sum()))
        return found[0], found[1]

    def series(self, inside: Bools, outside: Bools) -> tuple[Instants, Floats]:
        """The difference per period over all of history, periods joined until it shows more than noise."""
        sheet = self.sheet
        if not len(sheet):
            return np.zeros(0, np.int64), np.zeros(0)
        early = sheet.times[: int(sheet.part(Part.EARLY).sum())]
        span = int(sheet.split - early[0]) // self.length if len(early) else 1
        length = self.length * max(1, span // POINTS)
        at = (sheet.times - sheet.split) // length
        first = int(at[0])
        size = int(at[-1]) - first + 1
        columns = []
        for mask in (inside, outside):
            rows = mask & self.known
            columns.append(np.bincount(at[rows] - first, minlength=size).astype(np.float64))
            columns.append(
                np.bincount(at[rows] - first, weights=self.outcome.values[rows], minlength=size).astype(
                    np.float64
                )
            )
        starts = sheet.split + (np.arange(size) + first) * length
        return starts.astype(np.int64), apart(np.stack(columns, axis=1))

    def sql(self, inside: str, outside: str) -> str:
        """The later difference of rows for which either of two expressions holds."""
        read = f"CAST({name(self.outcome.name)} AS DOUBLE)"
        steps = {
            "later": f"SELECT {read} AS outcome, {inside} AS inside, {outside} AS outside\nFROM sheet "
            f'WHERE CAST("time" AS TIMESTAMP) >= {moment(self.sheet.split)} AND isfinite({read})'
        }
        last = (
            "SELECT avg(outcome) FILTER (inside) - avg(outcome) FILTER (outside) AS value,\n"
            "  count(*) FILTER (inside) AS support FROM later"
        )
        return statement(self.sheet.source, self.sheet.preamble, steps, last)


@dataclass(frozen=True)
class _Cells:
    """Rows of one part with a known outcome, by cells of entity and period; where rows share more, a cell
    is a row.
    """

    rows: Ints
    cell: Ints  # (rows,)
    entities: Ints  # (cells,)
    periods: Ints  # (cells,)
    values: Floats  # (rows,)


def ground(sheet: Sheet, outcome: Outcome) -> Ground:
    """What statements about an outcome share; the length of periods is settled by the early part."""
    early = sheet.part(Part.EARLY) & np.isfinite(outcome.values)
    times = sheet.times[early]
    length = _LENGTHS[-1]
    if len(times):
        reach = int(sheet.split - times[0])
        length = next((x for x in _LENGTHS if reach >= PERIODS * x), length)
    return Ground(sheet, outcome, length, len(np.unique(sheet.entities[early])) < FEW_ENTITIES)


def modelled(sums: Floats, shared: Sequence[Ints], squares: Floats) -> float:
    """The error of a difference of means if groups were alike in spread and in what rows share.

    `sums` are (cells, 4) as for `apart`, `shared` number the clusters of cells, `squares` (cells,) are sums
    of squares. A random effect per cluster has the variance that all rows tell (Moulton 1986), so that a
    group of a few clusters, in which next to nothing happened, does not seem sure of it.
    """
    n, y, m, z = sums.sum(axis=0)
    rows = sums[:, 0] + sums[:, 2]
    one, other = y / n, z / m
    left = sums[:, 1] - one * sums[:, 0] + sums[:, 3] - other * sums[:, 2]  # of residuals
    square = (
        squares - 2 * (one * sums[:, 1] + other * sums[:, 3]) + one**2 * sums[:, 0] + other**2 * sums[:, 2]
    )
    middle = (y + z) / (n + m)
    spread = float(squares.sum()) / (n + m) - middle**2
    independent = variance = spread * (1 / n + 1 / m)
    for of in shared:
        counts, totals = np.bincount(of, weights=rows), np.bincount(of, weights=left)
        pairs = float((counts * (counts - 1)).sum())
        if pairs <= 0:
            continue
        alike = min(
            1.0, max(0.0, (float((totals**2).sum()) - float(square.sum())) / pairs / max(spread, 1e-300))
        )
        weight = np.bincount(of, weights=sums[:, 0]) / n - np.bincount(of, weights=sums[:, 2]) / m
        variance += alike * max(0.0, spread * float(weight @ weight) - independent)
    return float(np.sqrt(max(0.0, variance)))


def apart(sums: Floats) -> Floats:
    """The difference of means from (…, 4): rows and sum inside, rows and sum outside."""
    n, y, m, z = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(y / n - z / m)
