"""The watch: schema, feeds, performance, predictions and features of a model, under one verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from foretell.core.errors import SchemaError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.evaluation.bootstrap import Score
from foretell.features.matrix import Floats
from foretell.lifecycle.grading import grades_of
from foretell.lifecycle.monitor.adversary import Adversary, adversary
from foretell.lifecycle.monitor.drift import UNLIKELY, Drift, drift
from foretell.lifecycle.monitor.estimate import Estimate, estimate, expected
from foretell.lifecycle.monitor.feeds import Feed, feed
from foretell.lifecycle.monitor.finding import Finding, Severity, by_weight
from foretell.lifecycle.monitor.gather import (
    Gathered,
    Window,
    feed_times,
    gather,
    least_age,
    past_cutoffs,
    said_columns,
    trained_until,
    unseen_windows,
    used_tables,
)
from foretell.lifecycle.monitor.harm import Outcome, Promise, judge
from foretell.lifecycle.monitor.histograms import histograms
from foretell.lifecycle.monitor.record import Monitoring, Performance
from foretell.lifecycle.monitor.tell import ALL, of_drift, of_feeds, of_schema
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase, Target, end_of_history, open_database
from foretell.prediction.model import Model

KIND = "monitor"
"""The kind of the registry's entries that hold what was seen, by cutoff."""
FEWEST_GRADES = 3
"""With fewer graded batches the model is judged by what it would have said at past cutoffs."""


def monitor(
    registry: Registry,
    name: str,
    target: Target | OpenDatabase,
    *,
    config: str | os.PathLike[str] | None = None,
    threads: int = 2,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> Monitoring:
    """Look at a model and its database as of the registry's clock, and keep what was seen.

    `name` may name a version (churn@3); by default it is the champion. A database that no longer fits the
    model's schema is harm that is told, and no error.
    """
    version = registry.version(name)
    model = registry.load(name)
    now = registry.clock()
    try:
        held: Any = (
            nullcontext(target)
            if isinstance(target, OpenDatabase)
            else open_database(
                target,
                config=config,
                schema=model.task.schema,
                threads=threads,
                now=now,
                memory=memory,
                cache=cache,
                progress=progress,
            )
        )
    except SchemaError as error:
        broken = Finding(Severity.PAGE, "schema", error.message, f"the schema is broken: {error.message}")
        seen = Monitoring(version.name, version.number, model.description, now, None, (broken,))
    else:
        with held as database:
            seen = watch(registry, version, model, database, progress)
    key = format_instant(now if seen.cutoff is None else seen.cutoff)
    registry.keep(version.name, KIND, key, _brief(seen))
    return seen


def watch(
    registry: Registry, version: Version, model: Model, database: OpenDatabase, progress: Progress = QUIET
) -> Monitoring:
    """Look at all parts of a model whose database is open."""
    now = registry.clock()
    cutoff = min(now, end_of_history(database, model.task))
    notes: list[str] = []
    progress.stage("looking at the feeds")
    feeds = _feeds(database, model, now)
    descriptions = {f.name: f.description for f in model.features.features}
    progress.stage("computing features of past windows")
    gathered = gather(database, model, past_cutoffs(database, model.task, cutoff))
    earlier = _earlier(registry, version.name, cutoff)
    findings = [*of_schema(database.changes, database.schema, earlier), *of_feeds(feeds)]
    if any(f.subject == ALL for f in findings):
        notes.append("if this is a copy of how things once stood, say when that was: --now TIME")
    features = predictions = told_apart = None
    if gathered is None:
        nobody = f"there is nobody to score at {format_instant(cutoff)}"
        if model.task.is_static:  # every row has its value already
            notes.append(nobody)
        else:
            findings.append(Finding(Severity.PAGE, "predictions", "population", nobody))
    else:
        progress.stage("comparing windows")
        features, predictions, told_apart = _drifts(model, gathered, database.threads)
        if not features.known:
            past = plural(len(gathered.cutoffs) - 1, "past window")
            notes.append(f"drift is not judged: {past} cannot tell what is usual")
        findings += of_drift(descriptions, features, predictions, told_apart)
    progress.stage("judging past predictions")
    performance = _performance(registry, version, model, database, gathered)
    if performance.judged.harm is not None:
        findings.insert(0, Finding(Severity.PAGE, "performance", str(version), performance.judged.harm))
    return Monitoring(
        name=version.name,
        version=version.number,
        question=model.description,
        at=now,
        cutoff=cutoff,
        findings=by_weight(findings),
        feeds=feeds,
        changes=database.changes,
        performance=performance,
        predictions=predictions,
        features=features,
        adversary=told_apart,
        descriptions=descriptions,
        notes=tuple(notes),
    )


def _earlier(registry: Registry, name: str, cutoff: Instant) -> list[str] | None:
    """The changes of the schema that the look before told of; None where there was none."""
    before = [e for e in registry.entries(name, KIND) if e.key < format_instant(cutoff)]
    if not before:
        return None
    found: list[str] = max(before, key=lambda e: e.key).record["schema_changes"]
    return found


def _feeds(database: OpenDatabase, model: Model, now: Instant) -> tuple[Feed, ...]:
    trained, least = trained_until(model), least_age(model.task)
    times = feed_times(database, used_tables(model))
    return tuple(feed(t, held, now, trained=trained, least=least) for t, held in times.items())


def _drifts(model: Model, gathered: Gathered, threads: int) -> tuple[Drift, Drift, Adversary | None]:
    features = drift(histograms(gathered.matrix, gathered.window))
    predictions = drift(histograms(said_columns(model, gathered.said), gathered.window), UNLIKELY)
    steady = [f.name for f in features.features if not f.tells_time]
    told_apart = None
    if features.known and steady:
        shown = gathered.matrix.select(steady)
        told_apart = adversary(shown, gathered.window, gathered.rows.entities, threads=threads)
    return features, predictions, told_apart


def _performance(
    registry: Registry, version: Version, model: Model, database: OpenDatabase, gathered: Gathered | None
) -> Performance:
    promise = Promise.of(model.backtest)
    graded = [
        Outcome(g.cutoff, g.labelled, g.score.value, _error(g.score), _value(g.lift), _error(g.lift))
        for g in grades_of(registry, version.name)
        if g.version == version.number and not g.hindsight
    ]
    windows = unseen_windows(database, model)
    realised = len(graded) >= FEWEST_GRADES or not windows
    batches = tuple(graded) if realised else tuple(w.outcome for w in windows)
    metric = None if promise is None else promise.metric
    estimated = None
    if promise is not None and gathered is not None:
        estimated = _estimate(model, promise, gathered, windows)
    return Performance(metric, promise, batches, realised, judge(batches, promise), estimated)


def _value(score: Score | None) -> float:
    return float("nan") if score is None else score.value


def _error(score: Score | None) -> float:
    """The standard error that an interval of 95% tells."""
    return float("nan") if score is None else (score.high - score.low) / 3.92


def _estimate(model: Model, promise: Promise, gathered: Gathered, windows: Sequence[Window]) -> Estimate:
    def said(rows: Floats) -> float:
        return expected(model.task.kind, promise.metric, rows, model.fitted.conformal)

    pairs = [(said(w.said), w.outcome.score) for w in windows]
    latest = said(gathered.said[gathered.latest])
    return estimate(promise.metric, latest, pairs, promise.score, (promise.high - promise.low) / 4)


def _brief(seen: Monitoring) -> dict[str, Any]:
    """What is kept: all but the features that are as usual."""
    told = seen.to_dict()
    if told["features"] is not None:
        told["features"]["features"] = [f for f in told["features"]["features"] if f["drifts"]]
    return told
