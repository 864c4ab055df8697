"""The audit of a question on a database: what the detectors need is gathered, and each of them is run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from foretell.core.progress import Progress
from foretell.core.random import generator
from foretell.core.text import listing, plural
from foretell.core.time import Instant, format_instant
from foretell.engines.base import Labels, Rows
from foretell.evaluation import detectors, replay
from foretell.evaluation import remember as memories
from foretell.evaluation.audit import suspects
from foretell.evaluation.detectors import SHOWN, Detection, Outcome, Subject
from foretell.evaluation.law import Difference, asked, differences
from foretell.evaluation.sample import ENTITIES, sample
from foretell.features.lower import feature_plan, target_plan
from foretell.prediction import batch, learn
from foretell.prediction.database import OpenDatabase, Target, moment_of, open_database
from foretell.schema.breadth import FeatureSettings
from foretell.task.model import Task

CUTOFFS = 3
LABELS = 10_000  # rows whose features are compared with their outcomes, one by one
REPLAYED = 2_000  # entities whose features are computed from the earlier copy too


Earlier: TypeAlias = OpenDatabase | memories.Memory | None


@dataclass(frozen=True)
class Inspection:
    """What was looked for, and what was found. `verdict` says first whether the future reaches the answer.

    `question` is the task in words, `looked_at` the part of the database that the detectors were shown, and
    `cutoffs` the moments at which they looked.
    """

    question: str
    looked_at: str
    cutoffs: tuple[Instant, ...]
    detections: tuple[Detection, ...]

    @property
    def clean(self) -> bool:
        """Whether no detector found a leak."""
        return not self.of(Outcome.FAILED)

    @property
    def verdict(self) -> str:
        failed, skipped = self.of(Outcome.FAILED), self.of(Outcome.SKIPPED)
        left = f", {listing([d.name for d in skipped])} skipped" if skipped else ""
        if not failed:
            return f"No leak found: {plural(len(self.of(Outcome.PASSED)), 'detector')} passed{left}."
        names = [d.name for d in failed]
        word = "suspected" if names == ["single feature"] else "found"
        return f"Leak {word} by {listing(names)}: {failed[0].found}."

    def of(self, outcome: Outcome) -> tuple[Detection, ...]:
        """The detectors that came to this."""
        return tuple(d for d in self.detections if d.outcome is outcome)

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "clean": self.clean,
            "question": self.question,
            "looked_at": self.looked_at,
            "cutoffs": [format_instant(c) for c in self.cutoffs],
            "detectors": [
                {
                    "name": d.name,
                    "outcome": d.outcome.value,
                    "did": d.did,
                    "found": d.found,
                    "examples": list(d.examples),
                    "mend": d.mend,
                }
                for d in self.detections
            ],
        }


def inspect(
    database: OpenDatabase,
    task: Task,
    labels: Labels,
    settings: FeatureSettings,
    *,
    cutoffs: int = CUTOFFS,
    then: Target | None = None,
    seed: int = 0,
    progress: Progress,
) -> Inspection:
    """Run every detector on a question's own plans and data.

    `then` is an earlier copy of the database, or a file of its row hashes.
    """
    with _earlier(database, then, progress) as state:
        return _inspected(database, task, labels, settings, cutoffs, state, seed, progress)


def _inspected(
    database: OpenDatabase,
    task: Task,
    labels: Labels,
    settings: FeatureSettings,
    cutoffs: int,
    then: Earlier,
    seed: int,
    progress: Progress,
) -> Inspection:
    question = batch.describe_task(task)
    lesson = learn.prepare(
        database, task, _some(labels, LABELS, seed), learn.Budget(seed=seed), progress, settings
    )
    moments = _spread(labels, cutoffs)
    progress.stage("taking a sample")
    taken = sample(
        database.store, task.schema, task.entity.name, _keys(database, task, labels, moments, seed)
    )
    subject = Subject(
        taken.frames,
        task.schema,
        target_plan(task),
        target_plan(replace(task, where=None)),
        feature_plan(task, lesson.features),
        moments,
        {f.name: f.group for f in lesson.features.features},
        seed,
        database.threads,
    )
    proven = detectors.proof(subject)
    if proven.outcome is Outcome.FAILED:
        return Inspection(question, str(taken), moments, (proven,))
    progress.stage("changing the future", total=2.0 * len(moments))
    found = [proven, *detectors.other_futures(subject, progress)]
    if any(d.outcome is Outcome.FAILED and d.name == "row count" for d in found):
        return Inspection(question, str(taken), moments, tuple(found))
    progress.stage("changing the past", total=float(len(moments)))
    found.append(detectors.labels(subject, progress))
    progress.stage("tossing coins", total=float(len(moments)))
    found.append(detectors.listen(subject, progress))
    found.append(single_feature(lesson))
    progress.stage("comparing with an earlier state")
    found.append(_replay(database, lesson, subject, then))
    return Inspection(question, str(taken), moments, tuple(found))


def single_feature(lesson: learn.Lesson) -> Detection:
    """Look for a feature that alone tells the outcome."""
    X, y = lesson.matrix, lesson.y
    did = f"compared each of {plural(len(X.names), 'feature')} with the outcomes of {plural(X.rows, 'row')}"
    known = suspects(X, y, lesson.task.kind, lesson.classes, groups=lesson.labels.rows.entities)
    if not known:
        return Detection("single feature", Outcome.PASSED, did, "none tells the outcome alone")
    groups = {f.name: f.group for f in lesson.features.features}
    tables = dict.fromkeys(groups[s.column] for s in known)
    return Detection(
        "single feature",
        Outcome.FAILED,
        did,
        f"{plural(len(known), 'feature tells', 'features tell')} the outcome alone",
        tuple(str(s) for s in known[:SHOWN]),
        "if a value is filled in after the outcome, say so in foretell.toml: known_at (when it is known), or "
        f"ignore, for columns of {', '.join(tables)}",
    )


def _some(labels: Labels, most: int, seed: int) -> Labels:
    count = len(labels.rows)
    if count <= most:
        return labels
    chosen = np.sort(generator(seed, "audit").choice(count, size=most, replace=False))
    return Labels(labels.rows.take(chosen), labels.values[chosen], labels.dropped)


def _spread(labels: Labels, count: int) -> tuple[Instant, ...]:
    """Learning cutoffs from the first to the last, evenly."""
    moments = np.unique(labels.rows.cutoffs)
    place = np.linspace(0, len(moments) - 1, min(count, len(moments))).round().astype(int)
    return tuple(int(m) for m in moments[place])


def _keys(
    database: OpenDatabase, task: Task, labels: Labels, moments: tuple[Instant, ...], seed: int
) -> pa.Table:
    """The keys of entities with a label at the moments, in random order."""
    chosen = np.unique(labels.rows.entities[np.isin(labels.rows.cutoffs, np.array(moments))])
    if len(chosen) < ENTITIES // 2:  # rows with cutoffs of their own
        chosen = np.unique(labels.rows.entities)
    chosen = generator(seed, "audit", "entities").permutation(chosen)[:ENTITIES]
    keys = database.engine.keys(task.entity.name, task.entity_key, chosen)
    return pa.table({name: pa.array(values) for name, values in keys.items()})


# ── an earlier state ──


@contextmanager
def _earlier(database: OpenDatabase, then: Target | None, progress: Progress) -> Iterator[Earlier]:
    """The earlier state: opened before anything else, so that a slip in its name costs no time."""
    if then is None:
        yield None
    elif isinstance(then, str | os.PathLike) and memories.is_memory(Path(then)):
        yield memories.load(Path(then))
    else:
        with open_database(
            then, schema=database.schema, threads=database.threads, now=database.now, progress=progress
        ) as copy:
            yield copy


def _replay(database: OpenDatabase, lesson: learn.Lesson, subject: Subject, then: Earlier) -> Detection:
    schema = lesson.task.schema
    if then is None:
        return replay.skipped([t for t in lesson.exposed if not schema.is_timed(t)])
    moved: tuple[Difference, ...] = ()
    if isinstance(then, OpenDatabase):
        moved = _moved(then, database, lesson, subject)
        then = memories.remember(then.store, schema, _last_instant(then))
    changed = memories.changes(then, database.store, schema)
    reads = replay.read_columns(subject.plan, subject.target, schema)
    return replay.replayed(then.at, changed, moved, reads, schema)


def remember(database: OpenDatabase, path: Path) -> int:
    """Write hashes of the rows as they are now; how many rows they are of."""
    memory = memories.remember(database.store, database.schema, _last_instant(database))
    memories.save(memory, path)
    return memory.rows


def _last_instant(database: OpenDatabase) -> Instant:
    """The last instant that a database knows of, in any of its tables; without times, now."""
    schema = database.schema
    tables = tuple(t.name for t in schema.tables if not t.ignored and schema.is_timed(t.name))
    filled = tuple(t for t in tables if database.engine.span(t) is not None)
    return database.end_of_data(filled) if filled else database.now or 0


def _moved(
    copy: OpenDatabase, database: OpenDatabase, lesson: learn.Lesson, subject: Subject
) -> tuple[Difference, ...]:
    """What differs, at the copy's own last cutoff, between the copy and the database."""
    task = lesson.task
    rows, matrix = asked(copy.engine, subject.target, subject.plan, moment_of(copy, task, None))
    rows, matrix = rows.take(_first(len(rows))), matrix.take(_first(len(rows)))
    keys = copy.engine.keys(task.entity.name, task.entity_key, rows.entities)
    here = database.engine.find(task.entity.name, keys)
    there = here >= 0
    gone = int((~there).sum())
    rows, matrix = Rows(here[there], rows.cutoffs[there]), matrix.take(there)
    now = database.engine.features(subject.plan, rows)
    found = differences((rows, matrix), (rows, now), "replay")
    return (*([Difference("population", "replay", gone)] if gone else []), *found)


def _first(count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.arange(min(count, REPLAYED), dtype=np.intp)
