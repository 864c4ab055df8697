"""Groups of rows against the others: what subgroups and drivers are judged by.

The figure is the difference between two means of an outcome. Its errors are clustered by entity, and by
periods that are as long as the early part lets: there are at least thirty of them.
"""

from __future__ import annotations

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
            low, first = (int(v.min()) if len(v) else 0 for v in (entities, periods))
            width = int(periods.max()) - first + 1 if len(rows) else 1
            there, cell = np.unique((entities - low) * width + periods - first, return_inverse=True)
            self._cells[part] = _Cells(
                rows, cell, there // width + low, there % width + first, self.outcome.values[rows]
            )
        return self._cells[part]

    def sample(self, part: Part, inside: Bools, outside: Bools, *, population: int | None = None) -> Sample:
        """The mean of rows `inside` less that of rows `outside`, both (rows,) of the sheet."""
        held = self.cells(part)
        columns = []
        for mask in (inside, outside):
            there = mask[held.rows].astype(np.float64)
            columns += [there, there * held.values]
        count = len(held.entities)
        tallies = [np.bincount(held.cell, weights=c, minlength=count) for c in columns]
        sums = np.stack(tallies, axis=1).astype(np.float64)
        support = int(sums[:, 0].sum())
        everybody = len(held.rows) if population is None else population
        return Sample(sums, apart, held.entities, held.periods, support, everybody, least=self.least)

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
    """Rows of one part with a known outcome, by cells of entity and period."""

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


def apart(sums: Floats) -> Floats:
    """The difference of means from (…, 4): rows and sum inside, rows and sum outside."""
    n, y, m, z = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(y / n - z / m)
