"""Leak detectors: each tries one way in which the future could reach a feature, on a small database.

None of them proves that a database is free of leaks; the proof over the plans does that for what plans say,
and these look at what was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import LeakError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import listing, plural
from foretell.core.time import Instant, format_instant
from foretell.engines.base import Engine, Rows
from foretell.engines.choose import make_engine
from foretell.evaluation import canary
from foretell.evaluation.futures import NEVER, Frames, perturb, truncate, visible_from
from foretell.evaluation.law import Difference, asked, differences
from foretell.evaluation.pasts import counted, rewrite_past
from foretell.features.matrix import Matrix
from foretell.plan import nodes
from foretell.plan.prepare import one_row_keys
from foretell.plan.proof import prove
from foretell.query import ast
from foretell.schema.model import Schema, Semantic
from foretell.sources.frames import FramesSource
from foretell.store.working import Store

FAULT = "this is a fault in foretell itself: report it with what is shown here, and trust no score until then"
SHOWN = 3
WORDS = 8  # of each categorical column, the most frequent values become features


class Outcome(StrEnum):
    """What a detector came to."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Detection:
    """One detector's report: what it did, what came of it and why, examples, and how to mend it."""

    name: str
    outcome: Outcome
    did: str
    found: str = ""
    examples: tuple[str, ...] = ()
    mend: str = ""


Opens = Callable[[Frames, Schema, int], AbstractContextManager[Engine]]


@contextmanager
def open_frames(frames: Frames, schema: Schema, threads: int) -> Iterator[Engine]:
    """An engine over tables in memory, the one that runs everything else; its features keep every bit."""
    with Store.load(FramesSource(dict(frames)).snapshot()) as store:
        yield make_engine(store, schema, threads=threads, precision=np.float64)


@dataclass(frozen=True)
class Subject:
    """What is audited: a small database and the plans that are run on it, at a few cutoffs.

    `everyone` is the target without its WHERE, so that its labels depend on no past. `groups` tells the table
    that each feature is told under. `opens` makes an engine of tables.
    """

    frames: Frames
    schema: Schema
    target: nodes.Target
    everyone: nodes.Target
    plan: nodes.FeaturePlan
    cutoffs: tuple[Instant, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    threads: int = 2
    opens: Opens = open_frames


Known = tuple[Rows, Matrix, dict[str, tuple[str, ...]]]


def known(engine: Engine, subject: Subject, cutoff: Instant) -> Known:
    """What is known at a cutoff: the population, its features, the most frequent words of each column."""
    rows, matrix = asked(engine, subject.target, subject.plan, cutoff)
    words = {
        f"{t.name}.{c.name}": engine.frequent(t.name, c.name, until=cutoff, limit=WORDS)
        for t in subject.schema.tables
        for c in t.columns
        if c.semantic is Semantic.CATEGORICAL and not c.ignored and not t.ignored
    }
    return rows, matrix, words


# ── the plan ──


def proof(subject: Subject) -> Detection:
    """Prove that the plans read the past only."""
    did = "proved that every table with a time is read up to the cutoff only, and labels after it"
    try:
        prove(subject.target, subject.schema)
        prove(subject.plan, subject.schema)
    except LeakError as error:
        return Detection("proof", Outcome.FAILED, did, error.message, mend=FAULT)
    return Detection("proof", Outcome.PASSED, did)


# ── other futures ──


def other_futures(subject: Subject, progress: Progress = QUIET) -> tuple[Detection, ...]:
    """Perturb, truncate, and one row each: what the cutoffs know must not move with what comes after them.

    Each future is computed with another number of threads, which must not show either.
    """
    if twice := _repeats(subject):
        return (
            *(Detection(n, Outcome.SKIPPED, "not run", "a key repeats") for n in _FUTURES),
            _multiplied(twice),
        )
    moved: dict[str, list[tuple[Instant, Difference]]] = {name: [] for name in _FUTURES}
    count = 0
    with subject.opens(subject.frames, subject.schema, subject.threads) as engine:
        for cutoff in subject.cutoffs:
            first = known(engine, subject, cutoff)
            count += len(first[0])
            twice += _repeated(first, cutoff)
            for threads, (how, made) in enumerate(_FUTURES.items(), start=1):
                future = made(subject, cutoff)
                with subject.opens(future, subject.schema, threads) as other:
                    found = _moved(first, known(other, subject, cutoff), how)
                moved[how] += [(cutoff, d) for d in found]
                progress.advance()
    compared = f"compared {plural(len(subject.plan.outputs), 'feature')} of {plural(count, 'row')}"
    changed = f"changed, added and deleted rows after each cutoff, and {compared}"
    deleted = f"deleted everything after each cutoff, and {compared}"
    once = Detection(
        "row count", Outcome.PASSED, f"{_COUNTED} among {plural(count, 'row')}", "nothing repeats"
    )
    if twice:
        once = _multiplied(twice)
    return (
        _told("perturb", changed, moved["perturb"], subject),
        _told("truncate", deleted, moved["truncate"], subject),
        once,
    )


_FUTURES: dict[str, Callable[[Subject, Instant], Frames]] = {
    "perturb": lambda s, cutoff: perturb(s.frames, s.schema, cutoff, seed=s.seed),
    "truncate": lambda s, cutoff: truncate(s.frames, s.schema, cutoff),
}
_COUNTED = "looked for keys that repeat, and for one row per entity and cutoff"


def _multiplied(twice: Sequence[str]) -> Detection:
    found = "rows are multiplied: sums and counts are of several rows where there is one"
    mend = "remove the rows that repeat, or set another primary_key in foretell.toml"
    return Detection("row count", Outcome.FAILED, _COUNTED, found, tuple(twice[:SHOWN]), mend)


def _moved(first: Known, other: Known, how: str) -> tuple[Difference, ...]:
    found = differences(first[:2], other[:2], how)
    words = [n for n in first[2] if first[2][n] != other[2].get(n)]
    return (*found, *(Difference(f"the words of {n}", how, len(first[2][n])) for n in words))


def _repeats(subject: Subject) -> list[str]:
    """Keys that several visible rows have: every join to one multiplies rows."""
    visible = visible_from(subject.frames, subject.schema)
    found = []
    for table in subject.schema.tables:
        for key in one_row_keys(table.name, subject.schema):
            rows = subject.frames[table.name].filter(pa.array(visible[table.name] != NEVER))
            named = rows.select(key).drop_null()
            counts = named.group_by(list(key)).aggregate([([], "count_all")])["count_all"]
            several = pc.sum(pc.greater(counts, 1)).as_py() or 0
            if several:
                found.append(f"{several:,} values of the key {', '.join(key)} of {table.name} repeat")
    return found


def _repeated(found: Known, cutoff: Instant) -> list[str]:
    rows, matrix, _ = found
    pairs = np.unique(np.stack([rows.entities, rows.cutoffs]), axis=1).shape[1]
    if pairs == len(rows) == matrix.rows:
        return []
    return [f"{matrix.rows:,} feature rows for {pairs:,} entities at {format_instant(cutoff)}"]


def _told(name: str, did: str, moved: Sequence[tuple[Instant, Difference]], subject: Subject) -> Detection:
    if not moved:
        return Detection(name, Outcome.PASSED, did, "nothing moved by a bit")
    what = list(dict.fromkeys(d.what for _, d in moved))
    tables = list(dict.fromkeys(subject.groups[w] for w in what if w in subject.groups))
    about = f", of {listing(tables)}" if tables else ""
    found = f"{plural(len(what), 'thing')} moved with the future{about}"
    examples = [f"{d.what} in {plural(d.rows, 'row')} at {format_instant(at)}" for at, d in moved[:SHOWN]]
    return Detection(name, Outcome.FAILED, did, found, tuple(examples), FAULT)


# ── other pasts ──


def labels(subject: Subject, progress: Progress = QUIET) -> Detection:
    """What a label counts lies after its cutoff, and not on it: another past must not move labels."""
    did = "deleted rows before each cutoff, put new ones exactly on it, and compared labels"
    tables = counted(subject.everyone)
    if not tables:
        why = "the target counts no rows after the cutoff that could be told from those before"
        return Detection("labels", Outcome.SKIPPED, did, why)
    moved, count = [], 0
    with subject.opens(subject.frames, subject.schema, subject.threads) as engine:
        for cutoff in subject.cutoffs:
            first = engine.labels(subject.everyone, [cutoff])
            count += len(first.rows)
            past = rewrite_past(subject.frames, subject.schema, subject.everyone, cutoff, seed=subject.seed)
            with subject.opens(past, subject.schema, 1) as other:
                second = other.labels(subject.everyone, [cutoff])
            progress.advance()
            same = np.array_equal(first.rows.entities, second.rows.entities)
            if not same or not _alike(first.values, second.values):
                changed = (
                    int((first.values != second.values).sum())
                    if same
                    else abs(len(first.rows) - len(second.rows))
                )
                moved.append(f"{plural(changed, 'label')} of {len(first.rows):,} at {format_instant(cutoff)}")
    if moved:
        found = f"labels count rows of {listing(list(tables))} at or before their cutoff"
        return Detection("labels", Outcome.FAILED, did, found, tuple(moved[:SHOWN]), FAULT)
    return Detection("labels", Outcome.PASSED, did, f"none of {plural(count, 'label')} moved")


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype == object or b.dtype == object:
        return bool(a.tolist() == b.tolist())
    return np.array_equal(a, b, equal_nan=True)


# ── a coin that only the future tells ──


def listen(subject: Subject, progress: Progress = QUIET) -> Detection:
    """Toss a coin for each entity, plant it in the future, and see whether a model can tell it."""
    static = subject.target.horizon is None
    parts = []
    key = subject.target.key
    where = subject.target.where
    choosing = {c.name for c in ast.columns(where.expr)} if where is not None else set()
    for cutoff in subject.cutoffs[-1:] if static else subject.cutoffs:
        future = canary.plant(
            subject.frames,
            subject.schema,
            subject.target.population.table,
            key,
            cutoff,
            hidden=tuple(c for c in subject.plan.hidden if c not in choosing),
            own=static,
            seed=subject.seed,
        )
        with subject.opens(future, subject.schema, subject.threads) as engine:
            rows, matrix = asked(engine, subject.target, subject.plan, cutoff)
            named = engine.keys(subject.target.population.table, key, rows.entities)
        heads = canary.coins(list(zip(*(named[k] for k in key))), cutoff, seed=subject.seed)
        parts.append((matrix, heads, rows.entities, rows.cutoffs))
        progress.advance()
    did = "tossed a coin for each entity, planted the outcome in its future, and trained a model to tell it"
    heard = canary.listen(parts, seed=subject.seed)
    if heard is None:
        return Detection(
            "canary",
            Outcome.SKIPPED,
            did,
            "there are too few rows to judge a model on; more --cutoffs give more",
        )
    if heard.biased:
        found = f"the future chooses who is asked about: nearly all of {plural(heard.rows, 'row')} fell alike"
        return Detection("canary", Outcome.FAILED, did, found, mend=FAULT)
    found = f"AUROC {heard.auroc:.3f} on {plural(heard.rows, 'row')}; by chance up to {heard.limit:.3f}"
    if heard.silent:
        return Detection("canary", Outcome.PASSED, did, found)
    return Detection("canary", Outcome.FAILED, did, f"the future reaches the model: {found}", mend=FAULT)
