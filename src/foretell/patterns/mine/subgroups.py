"""Subgroups: conditions on one to three attributes for whose rows an outcome differs from the others'.

A beam search (Lavrač et al. 2004; Atzmueller 2015) from one condition to conjunctions. A longer one must
surely improve on each that it extends, and in the end a group stays only where it tells something beside the
others that stay: a group is not news because a part of it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TypeAlias

import numpy as np
from scipy import stats

from foretell.core.random import derive, generator
from foretell.core.text import listing
from foretell.features.matrix import Categorical, Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.collapse import overlap
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.conditions import Coded, Condition, coded
from foretell.patterns.mine.contrasts import Contrasts
from foretell.patterns.mine.groups import Ground, ground
from foretell.patterns.mine.phrases import between, date, figure, first_upper, step
from foretell.patterns.sheet import Attribute, Bools, Ints, Outcome, Part, Sheet
from foretell.patterns.statistics import estimate
from foretell.patterns.trivial import WHOLE, defining, settled, unusable

DEPTH = 3
LEAST_ROWS = 30
LEAST_SHARE = 0.005  # of the early rows
LEAST_Z = 3.0
PER_CONDITION = 0.6  # of z, that each further condition must be worth
IMPROVES = 0.05  # chance that any extension of a group improves on it so surely where none does
BESIDE_Z = 2.5
BESIDE = 0.5  # of its difference, that a group must keep beside the others
LOOKED_AT = 60  # groups of a length, closely
KEPT = 12  # of an outcome
TWINS = 2  # of a kept group
MOVED = 0.8  # of the smaller group's rows
ROWS = 200_000  # early ones that are searched
WORK = 20_000_000  # values read per length and outcome: it sets the width of the beam
WIDEST = 300
NARROWEST = 30
AT_ONCE = 4_000  # rows: of more, attributes are counted one by one


Picks: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Rows for which all conditions hold, against the others."""

    ground: Ground
    conditions: tuple[Condition, ...]
    strength: float
    kind: Kind = Kind.SUBGROUP

    @property
    def key(self) -> str:
        held = " & ".join(sorted(c.key for c in self.conditions))
        return f"subgroup:{self.ground.sheet.name}:{self.ground.outcome.name}:{held}"

    @property
    def about(self) -> str:
        return f"group:{self.ground.sheet.name}:{self.ground.outcome.name}"

    @cached_property
    def inside(self) -> Bools:
        """(rows,) of the sheet."""
        sheet = self.ground.sheet
        return reduce(np.logical_and, (c.holds(sheet.attribute(c.attribute)) for c in self.conditions))

    def sample(self, part: Part) -> Sample:
        return self.ground.sample(part, self.inside, ~self.inside)

    def rows(self) -> Bools | None:
        return np.asarray(self.inside[self.ground.sheet.part(Part.EARLY)])

    def series(self) -> tuple[Instants, Floats]:
        return self.ground.series(self.inside, ~self.inside)

    @property
    def words(self) -> str:
        """The rows in English: "orders with carrier DHL and amount of at least 20"."""
        sheet = self.ground.sheet
        said = listing([c.words(sheet.attribute(c.attribute)) for c in self.conditions])
        return f"{rows_of(sheet)} with {said}"

    def sentence(self, measured: Measured) -> str:
        one, other = self.ground.means(Part.LATER, self.inside, ~self.inside)
        return compared(self.ground, f"among {self.words}", "the others", one, other, measured)

    def sql(self) -> str:
        sheet = self.ground.sheet
        tests = [c.sql(sheet.attribute(c.attribute).is_numeric) for c in self.conditions]
        inside = "\n  AND ".join(tests)
        return self.ground.sql(inside, f"NOT ({inside})")


def compared(ground: Ground, where: str, others: str, one: float, other: float, measured: Measured) -> str:
    """A sentence on two means and their difference in the later part, and what it was before."""
    outcome, share = ground.outcome, ground.outcome.share
    what = f"the share of {outcome.title}" if share else f"the mean {outcome.title}"
    way = "higher" if measured.early > measured.null else "lower"
    same = (measured.value - measured.null) * (measured.early - measured.null) > 0
    sure = measured.low > measured.null or measured.high < measured.null
    since = ""
    verb = "is"
    if not (same and sure):
        verb, since = "was", f" until {date(ground.sheet.split)}; since then"
    if not np.isfinite(measured.value):
        before = f"{step(measured.early, share)} {'more' if measured.early > 0 else 'less'}"
        until = date(ground.sheet.split)
        return first_upper(f"{what} was {way} {where} until {until}, by {before}; since then there are none")
    gap = step(measured.value, share)
    more = "more" if measured.value > 0 else "less"
    signed = f"{gap} {more} {between(measured, share)}"
    rows = f"{measured.support:,} of {measured.population:,} {rows_of(ground.sheet)}"
    return first_upper(
        f"{what} {verb} {way} {where}{since}: {figure(one, share)} against {figure(other, share)} for "
        f"{others}, {signed}, in {rows}; before {date(ground.sheet.split)} it was "
        f"{step(measured.early, share)} {'more' if measured.early > 0 else 'less'}"
    )


def rows_of(sheet: Sheet) -> str:
    """What rows are, in the plural, without remarks."""
    return sheet.title.split(",")[0]


def mine_subgroups(sheet: Sheet, *, seconds: float, seed: int) -> Mined:
    """Groups whose outcomes differ in the early part, of each outcome the surest."""
    start = time.monotonic()
    early = sheet.part(Part.EARLY)
    useless = unusable(sheet.attributes, sheet.times, early, seed=seed)
    found: list[Subgroup] = []
    notes: list[str] = []
    searched = 0
    sources: dict[str, set[str]] = {}
    for number, outcome in enumerate(sheet.outcomes):
        left = seconds - (time.monotonic() - start)
        if left <= 0:
            notes.append(f"subgroups of {outcome.title} in {sheet.title} were not looked for: time was over")
            continue
        defined = defining(sheet.attributes, outcome, early, seed=seed)
        usable = [a for a in sheet.attributes if a.name not in useless and a.name not in defined]
        sources[outcome.name] = set(defined)
        defined = {n: why for n, why in defined.items() if not _is_made_from(outcome, n)}
        if defined:
            which = listing([sheet.attribute(n).title for n in list(defined)[:5]])
            notes.append(f"{outcome.title} of {sheet.title}: left out as no news: {which}")
        until = time.monotonic() + left / (len(sheet.outcomes) - number)
        held, looked = _search(sheet, outcome, usable, until, derive(seed, "subgroups", outcome.name))
        found += held
        searched += looked
    rows = int(early.sum())
    if rows > ROWS and found:
        notes.append(f"subgroups of {sheet.title} were searched in {ROWS:,} of {rows:,} early rows")
    return Mined(_one_way(found, sources), searched, tuple(notes))


def _is_made_from(outcome: Outcome, attribute: str) -> bool:
    """Whether an outcome is an attribute's own column, which need not be told."""
    return outcome.name == attribute or outcome.name.startswith(f"{attribute} is ")


def _one_way(found: Sequence[Subgroup], sources: Mapping[str, set[str]]) -> tuple[Candidate, ...]:
    """Without statements that turn another round: of shares by one condition each, the more natural stays.

    "Returns are more frequent among those paid by invoice" and "invoices are more frequent among returns" are
    one association. The attribute of fewer values is taken for the outcome; `sources` are those of outcomes.
    """
    best: dict[frozenset[str], tuple[int, float, str]] = {}
    turns: list[tuple[frozenset[str], str] | None] = []
    for one in found:
        turn = None
        made = [n for n in sources.get(one.ground.outcome.name, ()) if _is_made_from(one.ground.outcome, n)]
        if len(made) == 1 and len(one.conditions) == 1:
            values = one.ground.sheet.attribute(made[0]).values
            size = len(values.categories) if isinstance(values, Categorical) else 2
            turn = (frozenset((made[0], one.conditions[0].attribute)), made[0])
            rank = (size, -one.strength, made[0])
            best[turn[0]] = min(best.get(turn[0], rank), rank)
        turns.append(turn)
    return tuple(one for one, turn in zip(found, turns) if turn is None or best[turn[0]][2] == turn[1])


@dataclass(frozen=True, eq=False)
class _Group:
    """A conjunction on the searched rows; `picks` are pairs of a coded attribute and its condition."""

    picks: Picks
    mask: Bools
    difference: float
    z: float

    @property
    def quality(self) -> float:
        return abs(self.z) - PER_CONDITION * (len(self.picks) - 1)


def _search(
    sheet: Sheet, outcome: Outcome, attributes: Sequence[Attribute], until: float, seed: int
) -> tuple[list[Subgroup], int]:
    """The candidates of one outcome, and how many groups were looked at."""
    about = ground(sheet, outcome)
    rows = np.flatnonzero(sheet.part(Part.EARLY) & about.known)
    if len(rows) > ROWS:
        rows = np.sort(generator(seed, "rows").choice(rows, ROWS, replace=False))
    least = max(LEAST_ROWS, int(LEAST_SHARE * len(rows)))
    table = [c for c in (coded(a, rows, least) for a in attributes) if c is not None]
    if len(rows) < 4 * LEAST_ROWS or not table:
        return [], 0
    board = _board(table)
    contrasts = contrasts_of(about, rows)
    if contrasts.spread <= 0:
        return [], 0
    found: list[_Group] = []
    searched = 0
    beam = [_Group((), np.ones(len(rows), dtype=np.bool_), 0.0, 0.0)]
    known: dict[Picks, _Group] = {}
    for depth in range(1, DEPTH + 1):
        extended, looked = _extend(beam, board, contrasts, least, about.least, until)
        searched += looked
        level: list[_Group] = []
        for picks, _ in extended:
            if time.monotonic() > until:
                break
            group = _closely(picks, table, contrasts, known, about.outcome.share, looked / max(1, len(beam)))
            if group is not None:
                level.append(group)
                known[picks] = group
        found += [g for g in level if g.quality >= LEAST_Z]
        if depth == 1:  # single conditions that are not sure may be with others
            level = _singles(board, contrasts, least)
        width = max(NARROWEST, min(WIDEST, WORK // max(1, len(rows) * len(table) // 4)))
        beam = sorted(level, key=lambda g: (-abs(g.z), g.picks))[:width]
        if not beam or time.monotonic() > until:
            break
    return _candidates(_apart(found, contrasts, table), about, table), searched


def contrasts_of(about: Ground, rows: Ints) -> Contrasts:
    """The rows' outcomes with their clusters."""
    _, entities = np.unique(about.entities[rows], return_inverse=True)
    periods = about.periods[rows]
    return Contrasts(
        about.outcome.values[rows],
        entities,
        periods - periods.min(),
        tuple(o[rows] for o in about.others),
    )


def _mask(picks: Picks, table: Sequence[Coded]) -> Bools:
    masks = [(table[a].codes >= table[a].low[k]) & (table[a].codes < table[a].high[k]) for a, k in picks]
    return reduce(np.logical_and, masks)


def _singles(board: _Board, contrasts: Contrasts, least: int) -> list[_Group]:
    """All single conditions, by a quick z."""
    y = contrasts.y - contrasts.y.mean()
    count = len(y)
    n, s = board.sums(None, y)
    with np.errstate(all="ignore"):
        gap = s / n + s / (count - n)
        z = gap / (contrasts.spread * np.sqrt(1 / n + 1 / (count - n)))
    found = []
    for k in np.flatnonzero((n >= least) & (n <= WHOLE * count) & np.isfinite(z)):
        picks = (board.pick(int(k)),)
        found.append(_Group(picks, _mask(picks, board.table), float(gap[k]), float(z[k])))
    return found


@dataclass(frozen=True, eq=False)
class _Board:
    """All conditions of all attributes side by side, so that those of a group are counted at once."""

    table: tuple[Coded, ...]
    codes: Ints  # (attributes, rows), each attribute's after those of the one before
    low: Ints  # (conditions,)
    high: Ints  # (conditions,)
    owner: Ints  # (conditions,) positions in `table`
    first: Ints  # (attributes,) number of its first condition
    size: int

    def pick(self, k: int) -> tuple[int, int]:
        """The attribute of condition `k`, and which of its conditions it is."""
        a = int(self.owner[k])
        return a, k - int(self.first[a])

    def sums(self, rows: Ints | None, y: Floats) -> tuple[Floats, Floats]:
        """(conditions,) rows and sums of `y` where each condition holds among `rows`, or among all."""
        counts, totals = np.zeros(self.size), np.zeros(self.size)
        if len(y) > AT_ONCE:
            for codes in self.codes:
                held = codes if rows is None else codes[rows]
                counts += np.bincount(held, minlength=self.size)
                totals += np.bincount(held, weights=y, minlength=self.size)
        else:
            codes = self.codes if rows is None else self.codes[:, rows]
            flat = codes.ravel()
            counts = counts + np.bincount(flat, minlength=self.size)
            weights = np.broadcast_to(y, codes.shape).ravel()
            totals = totals + np.bincount(flat, weights=weights, minlength=self.size)
        n, s = (np.concatenate([[0.0], np.cumsum(held)]) for held in (counts, totals))
        return n[self.high] - n[self.low], s[self.high] - s[self.low]


def _board(table: Sequence[Coded]) -> _Board:
    sizes = np.array([c.size for c in table])
    before = np.cumsum(sizes) - sizes
    counts = np.array([len(c.conditions) for c in table])
    return _Board(
        tuple(table),
        np.stack([c.codes.astype(np.int64) + b for c, b in zip(table, before)]),
        np.concatenate([c.low + b for c, b in zip(table, before)]),
        np.concatenate([c.high + b for c, b in zip(table, before)]),
        np.repeat(np.arange(len(table)), counts),
        np.cumsum(counts) - counts,
        int(sizes.sum()),
    )


def _extend(
    beam: Sequence[_Group],
    board: _Board,
    contrasts: Contrasts,
    least: int,
    smallest: float,
    until: float,
) -> tuple[list[tuple[Picks, float]], int]:
    """The best extensions of groups by one condition, by a quick z; and how many were looked at.

    An extension is passed over where even independent rows would not make it better than its group.
    """
    y = contrasts.y - contrasts.y.mean()
    count, spread = len(y), contrasts.spread
    best: dict[Picks, float] = {}
    searched = 0
    for parent in beam:
        if time.monotonic() > until:
            break
        rows = np.flatnonzero(parent.mask) if parent.picks else None
        inner = y if rows is None else y[rows]
        size, total = len(inner), float(inner.sum())
        if size < 2 * least:
            continue
        n, s = board.sums(rows, inner)
        enough = (n >= least) & (count - n >= (1 - WHOLE) * count) & (n <= WHOLE * size)
        for a, _ in parent.picks:
            enough &= board.owner != a
        searched += int(enough.sum())
        with np.errstate(all="ignore"):
            gap = s / n + s / (count - n)
            z = gap / (spread * np.sqrt(1 / n + 1 / (count - n)))
            if rows is not None:
                more = (s / n - (total - s) / (size - n)) / (spread * np.sqrt(1 / n + 1 / (size - n)))
                enough &= (more * z > 0) & (np.abs(more) >= LEAST_Z)
            enough &= (np.abs(z) >= LEAST_Z) & (np.abs(gap) >= smallest)
        for k in np.flatnonzero(enough):
            picks = tuple(sorted((*parent.picks, board.pick(int(k)))))
            best[picks] = abs(float(z[k]))
    ranked = sorted(best.items(), key=lambda b: (-b[1], b[0]))
    return _varied(ranked), searched


def _varied(
    ranked: Sequence[tuple[Picks, float]],
) -> list[tuple[Picks, float]]:
    """The first of the ranked, of each set of attributes only a few."""
    seen: dict[tuple[int, ...], int] = {}
    out = []
    for picks, z in ranked:
        which = tuple(a for a, _ in picks)
        if seen.get(which, 0) < 6:
            seen[which] = seen.get(which, 0) + 1
            out.append((picks, z))
        if len(out) == LOOKED_AT:
            break
    return out


def _closely(
    picks: Picks,
    table: Sequence[Coded],
    contrasts: Contrasts,
    known: dict[Picks, _Group],
    share: bool,
    tries: float,
) -> _Group | None:
    """The group with its clustered z, if it is sure and improves surely on all that it extends."""
    mask = _mask(picks, table)
    difference, z = contrasts.between(mask)
    if abs(z) < LEAST_Z or not contrasts.has_clusters(mask):
        return None
    if share and settled(mask, contrasts.y):
        return None
    if len(picks) > 1:
        bar = float(stats.norm.isf(IMPROVES / max(1.0, tries) / 2))
        for left in range(len(picks)):
            wider = _mask((*picks[:left], *picks[left + 1 :]), table)
            _, more = contrasts.between(mask, wider)
            if more * z <= 0 or abs(more) < bar:
                return None
    return _Group(picks, mask, difference, z)


def _apart(
    found: Sequence[_Group], contrasts: Contrasts, table: Sequence[Coded]
) -> list[tuple[_Group, list[_Group]]]:
    """Groups that tell something beside each other, the surest first, each with nearly equal ones."""
    kept: list[_Group] = []
    twins: dict[int, list[_Group]] = {}
    for group in sorted(found, key=lambda g: (-g.quality, g.picks))[: 6 * KEPT]:
        twin = next((k for k, g in enumerate(kept) if overlap(g.mask, group.mask)), None)
        if twin is not None:
            twins.setdefault(id(kept[twin]), []).append(group)
            continue
        if any(_moved(group, g, table) for g in kept):
            continue
        if len(kept) < 2 * KEPT and _tells(group, kept, contrasts):
            kept.append(group)
    for group in reversed(tuple(kept)):
        others = [g for g in kept if g is not group]
        if others and not _tells(group, others, contrasts):
            kept = others
    return [(g, twins.get(id(g), [])[:TWINS]) for g in kept[:KEPT]]


def _moved(group: _Group, other: _Group, table: Sequence[Coded]) -> bool:
    """Whether it is the other with its limits moved: numbers of the same attributes, and mostly the same rows
    or mostly the rest.
    """
    if [a for a, _ in group.picks] != [a for a, _ in other.picks]:
        return False
    for (a, k), (_, j) in zip(group.picks, other.picks):
        one, two = table[a].conditions[k], table[a].conditions[j]
        if k != j and (one.category is not None or one.unknown or two.unknown):
            return False
    size = int(group.mask.sum())
    return any(
        int((group.mask & rows).sum()) > MOVED * min(size, int(rows.sum()))
        for rows in (other.mask, ~other.mask)
    )


def _tells(group: _Group, others: Sequence[_Group], contrasts: Contrasts) -> bool:
    if not others:
        return True
    more, z = contrasts.beside(group.mask, contrasts.basis([g.mask for g in others]))
    return abs(z) >= BESIDE_Z and more * group.difference > 0 and abs(more) >= BESIDE * abs(group.difference)


def _candidates(
    kept: Sequence[tuple[_Group, Sequence[_Group]]], about: Ground, table: Sequence[Coded]
) -> list[Subgroup]:
    """With the strength that the error of confirmation gives on all early rows."""
    out: list[Subgroup] = []
    for group, twins in kept:
        plain = Subgroup(about, _conditions(group, table), 0.0)
        strength = abs(estimate(plain.sample(Part.EARLY)).z()) - PER_CONDITION * (len(group.picks) - 1)
        if strength < LEAST_Z:
            continue
        out.append(replace(plain, strength=strength))
        for twin in twins:  # named with it, never instead of it
            out.append(Subgroup(about, _conditions(twin, table), min(strength, max(LEAST_Z, twin.quality))))
    return out


def _conditions(group: _Group, table: Sequence[Coded]) -> tuple[Condition, ...]:
    return tuple(table[a].conditions[k] for a, k in group.picks)
