"""The search: what is read of a database, which miners look at it and for how long, and one confirmation.

Every statement of a report, of whatever table and kind, belongs to one family: it is counted, frozen and
confirmed with all the others. Miners see rows before the split; the later part is opened once, by `confirm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from foretell.core.errors import DataError, SchemaError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import did_you_mean, listing
from foretell.core.time import DAY, Instant, format_instant, from_datetime
from foretell.features.describe import words
from foretell.patterns.baskets import baskets_of
from foretell.patterns.candidate import Candidate, Mined
from foretell.patterns.clusters import entity_of, paths_up
from foretell.patterns.confirm import confirm
from foretell.patterns.contents import is_first_seen
from foretell.patterns.finding import Kind, Oddity, Patterns
from foretell.patterns.flows import durations_of, stream_of
from foretell.patterns.mine.associations import mine_associations
from foretell.patterns.mine.changes import mine_changes
from foretell.patterns.mine.drivers import mine_drivers
from foretell.patterns.mine.inputs import Baskets, Durations, Stream
from foretell.patterns.mine.oddities import oddities
from foretell.patterns.mine.segments import mine_segments
from foretell.patterns.mine.sequences import mine_sequences
from foretell.patterns.mine.subgroups import mine_subgroups
from foretell.patterns.mine.timing import curves, mine_timing
from foretell.patterns.mine.trends import mine_trends
from foretell.patterns.naming import singular_of, who_of
from foretell.patterns.rows import RowsOf, text_of
from foretell.patterns.sheet import Part, Sheet
from foretell.patterns.tables import OFTEN, SINCE, paths_to_one, table_sheet
from foretell.patterns.targets import Asked
from foretell.schema.model import Schema
from foretell.store import Store

TABLES = 5  # looked at where none is named
LEAST_ROWS = 200
EARLY = 0.5  # of a table's rows
MINING = 0.5  # of what time is left once everything is read
FROZEN = 60
ODDITIES = 9
KEPT = 40  # of a miner's candidates, the strongest
SLOW = 5.0  # times what other miners get, for the one that tries conditions on conditions
OVER_TIME = (mine_trends, mine_changes)


@dataclass
class Material:
    """What is looked at: sheets, baskets, streams and waits."""

    sheets: list[Sheet] = field(default_factory=list)
    baskets: list[Baskets] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    durations: list[Durations] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    panel: bool = False  # whether rows are entities at cutoffs: how many there are, and when, tells nothing


def find_patterns(
    store: Store,
    schema: Schema,
    *,
    title: str,
    end: Callable[[str], Instant],
    table: str | None = None,
    time_limit: float = 60.0,
    seed: int = 0,
    progress: Progress = QUIET,
) -> Patterns:
    """What the history of a table, or of the main tables that have a time, shows.

    `end` gives the last instant that a table knows of. A table without a time is a DataError.
    """
    started = time.monotonic()
    if table is not None:
        _refuse_timeless(schema, table)
    chosen = [table] if table is not None else main_tables(store, schema)
    if not chosen:
        note = f"no table has a time and {LEAST_ROWS} rows or more, so there is no history to look at"
        return Patterns(title, (), notes=(note,))
    progress.stage("reading tables", total=float(len(chosen)))
    material = read(store, schema, chosen, end, progress, streams=table is None)
    return patterns_in(
        material,
        title=title,
        time_limit=time_limit - (time.monotonic() - started),
        seed=seed,
        progress=progress,
    )


def patterns_of_target(
    asked: Asked, *, title: str, time_limit: float, seed: int, progress: Progress = QUIET
) -> Patterns:
    """What goes along with a question's answer; each finding's SQL makes only the features it speaks of."""
    material = Material(sheets=[asked.sheet], panel=True)
    told = patterns_in(material, title=title, time_limit=time_limit, seed=seed, progress=progress)
    return replace(told, findings=tuple(asked.narrowed(f) for f in told.findings))


def main_tables(store: Store, schema: Schema) -> list[str]:
    """The tables whose rows happen: timed ones that point at others, the largest first.

    Where none points at another, all that have a time. A table whose time is that of the first row pointing
    at it holds things that were seen, and is passed over where there are others.
    """
    cursor = store.cursor()
    timed = [t for t in schema.tables if not t.ignored and t.rows >= LEAST_ROWS and schema.is_timed(t.name)]
    pointing = [t for t in timed if schema.links_up(t.name)]
    pointing = [t for t in pointing if not is_first_seen(cursor, schema, t.name)] or pointing
    ranked = sorted(pointing or timed, key=lambda t: (t.time_column is None, -t.rows, t.name))
    return [t.name for t in ranked[:TABLES]]


def read(
    store: Store,
    schema: Schema,
    tables: Sequence[str],
    end: Callable[[str], Instant],
    progress: Progress,
    *,
    streams: bool = True,
) -> Material:
    """Everything that miners look at, split at one instant."""
    made = Material()
    cursor = store.cursor()
    ends = {t: end(t) for t in tables}
    split = split_of(cursor, schema, ends)
    if split is None:
        made.notes.append(f"no row of {listing([repr(t) for t in tables])} has a time")
        return made
    for name in tables:
        progress.note(f"reading {name}")
        sheet = table_sheet(store, schema, name, split, end=ends[name])
        progress.advance()
        if sheet is None:
            made.notes.append(f"{name} has no rows before {_day(split)}, or none after it: not looked at")
            continue
        made.sheets.append(sheet)
        paths = paths_to_one(cursor, schema, name)
        made.baskets += baskets_of(cursor, schema, name, split, ends[name], paths)
        about = entity_of(cursor, schema, name, split, paths)
        if about and not sheet.title.startswith("sampled"):
            who, what = who_of(schema, about), singular_of(words(name))
            busy = frozenset({OFTEN, SINCE})
            found = durations_of(sheet, cursor, who, what, ends[name], busy)
            made.durations += [found] if found is not None else []
    if streams:
        parents = {k.parent for t in tables for p in paths_up(schema, t, 1) for k in p}
        parents = {p for p in parents if not schema.links_up(p)}  # who goes through events, not an event
        for parent in sorted(parents):
            stream = stream_of(cursor, schema, parent, split, max(ends.values()))
            made.streams += [stream] if stream is not None else []
    return made


def split_of(cursor: Any, schema: Schema, ends: dict[str, Instant]) -> Instant | None:
    """The first instant of the later part: a day by which half of the rows of most tables lie."""
    found = []
    for name, end in ends.items():
        source = text_of(RowsOf(schema, name).select({}))
        asked = f'SELECT CAST("time" AS TIMESTAMP) AS m FROM (\n{source}\n)'
        until = f"FROM (\n{asked}\n) WHERE epoch_us(m) <= {int(end)}"
        ((moment,),) = cursor.execute(f"SELECT quantile_disc(m, {EARLY}) {until}").fetchall()
        if moment is not None:
            found.append(from_datetime(moment) // DAY * DAY)
    return sorted(found)[len(found) // 2] if found else None


def patterns_in(
    material: Material,
    *,
    title: str,
    time_limit: float,
    seed: int,
    progress: Progress = QUIET,
) -> Patterns:
    """Mine all that was read, confirm what was found as one family, and add what is only for the eye."""
    tasks = tasks_of(material)
    progress.stage("looking for patterns", total=float(sum(t.weight for t in tasks)))
    mined: list[tuple[Any, Mined]] = []
    until = time.monotonic() + max(1.0, MINING * time_limit)
    notes = list(material.notes)
    left = sum(t.weight for t in tasks)
    for task in tasks:
        share = max(0.5, (until - time.monotonic()) * task.weight / left)
        found = task.miner(seconds=share, seed=seed)
        left -= task.weight
        best = sorted(found.candidates, key=lambda c: (-c.strength, c.key))[:KEPT]
        mined.append((task.of, replace(found, candidates=tuple(best))))
        notes += found.notes
        progress.advance(task.weight)
    progress.stage("confirming")
    findings, searched, frozen = confirm(_once(mined), most=FROZEN, seed=seed)
    odd = [] if material.panel else [o for s in material.sheets for o in oddities(s, seed=seed)]
    drawn = [c for d in material.durations for c in curves(d)]
    splits = {d.name: d.split for d in material.durations} | {s.name: s.split for s in material.streams}
    splits |= {b.name: b.split for b in material.baskets} | {s.name: s.split for s in material.sheets}
    return Patterns(
        title=title,
        findings=tuple(findings),
        oddities=_spread(odd),
        curves=tuple(drawn),
        searched=searched,
        frozen=frozen,
        spans={s.name: span_words(s) for s in material.sheets},
        splits=splits,
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass(frozen=True)
class Task:
    """What is looked at, by whom, and how much of the time that deserves."""

    of: Any
    miner: Callable[..., Mined]
    weight: float = 1.0


def tasks_of(material: Material) -> list[Task]:
    tasks: list[Task] = []
    for sheet in material.sheets:
        tasks.append(Task(sheet, partial(mine_subgroups, sheet), SLOW))
        tasks.append(Task(sheet, partial(mine_drivers, sheet)))
        if material.panel:
            continue
        tasks.append(Task(sheet, partial(mine_segments, sheet)))
        still = replace(sheet, attributes=tuple(a for a in sheet.attributes if not a.clock))
        tasks += [Task(sheet, partial(miner, still)) for miner in OVER_TIME]
    tasks += [Task(b, partial(mine_associations, b)) for b in material.baskets]
    tasks += [Task(s, partial(mine_sequences, s)) for s in material.streams]
    tasks += [Task(d, partial(mine_timing, d)) for d in material.durations]
    return sorted(tasks, key=lambda t: t.weight)


def _once(mined: Iterable[tuple[Any, Mined]]) -> list[tuple[Any, Mined]]:
    """Levels of the same rows are kept once: a status is an attribute, and an outcome too."""
    seen: set[tuple[Kind, int, float, str]] = set()
    kept = []
    for of, found in mined:
        candidates: list[Candidate] = []
        for candidate in found.candidates:
            if candidate.kind in (Kind.TREND, Kind.CHANGE):
                held = candidate.sample(Part.EARLY)
                figure = float(np.round(held.finish(held.sums.sum(axis=0)), 12))
                mark = (candidate.kind, held.support, figure, of.name)
                if mark in seen:
                    continue
                seen.add(mark)
            candidates.append(candidate)
        kept.append((of, replace(found, candidates=tuple(candidates))))
    return kept


def _spread(found: Sequence[Oddity]) -> tuple[Oddity, ...]:
    """Some of each sheet, the oddest first."""
    names = list(dict.fromkeys(o.sheet for o in found))
    each = max(2, ODDITIES // max(1, len(names)))
    kept = [o for n in names for o in [o for o in found if o.sheet == n][:each]]
    return tuple(kept[: max(ODDITIES, 2 * len(names))])


def span_words(sheet: Sheet) -> str:
    """A sheet's early and later part in words."""
    early, later = sheet.part(Part.EARLY), sheet.part(Part.LATER)
    first, last = _day(int(sheet.times[0])), _day(int(sheet.times[-1]))
    gap = f", {sheet.gap / DAY:g} days apart" if sheet.gap else ""
    return (
        f"mined on {int(early.sum()):,} {sheet.title} from {first} to {_day(sheet.split - sheet.gap)}, "
        f"confirmed on {int(later.sum()):,} up to {last}{gap}"
    )


def _day(instant: Instant) -> str:
    return format_instant(instant)[:10]


def _refuse_timeless(schema: Schema, table: str) -> None:
    if not schema.has(table):
        raise SchemaError(f"no table {table!r}", mend=did_you_mean(table, [t.name for t in schema.tables]))
    if not schema.is_timed(table):
        timed = [t.name for t in schema.tables if schema.is_timed(t.name)]
        raise DataError(
            f"table {table!r} has no time, so it has no history to look at",
            mend=f'name its time in foretell.toml: [tables.{table}] time = "…"'
            + (f"; these have one: {listing(timed)}" if timed else ""),
        )
