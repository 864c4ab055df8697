"""The whole story on one page: connect, ask, label, learn, backtest, release, predict."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from foretell.core.errors import DataError, UsageError
from foretell.core.lazy import require
from foretell.core.progress import QUIET, Progress
from foretell.core.text import plural
from foretell.core.time import Instant, Offset, from_datetime, parse_instant
from foretell.engines.base import Labels
from foretell.evaluation.backtest import Backtest
from foretell.evaluation.labels import LabelReport, report, warnings
from foretell.explain.reasons import Driver
from foretell.features.describe import left_out_words
from foretell.features.lower import feature_plan, target_plan
from foretell.models.choice import Choice, choice_of
from foretell.prediction import batch, learn
from foretell.prediction.database import OpenDatabase, Target, open_database
from foretell.prediction.inspect import CUTOFFS, inspect, remember
from foretell.prediction.labels import computed_labels, refuse_open_windows
from foretell.prediction.model import Model
from foretell.prediction.predictions import Predictions, beside_keys
from foretell.prediction.recipe import Recipe
from foretell.query.parser import parse
from foretell.schema.breadth import FeatureSettings
from foretell.schema.model import Schema
from foretell.task.bind import bind
from foretell.task.given import given_task, is_given
from foretell.task.model import Task, TaskKind
from foretell.task.regime import SEED_TIME, Regime

if TYPE_CHECKING:
    from foretell.patterns.finding import Patterns
    from foretell.report.audit import Audit


def connect(
    target: Target,
    *,
    config: str | os.PathLike[str] | None = None,
    seed: int = 0,
    threads: int = 2,
    now: str | Instant | None = None,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> Database:
    """Open a database: a DuckDB or SQLite file, a folder or file of Parquet or CSV, a URL, or a dict of
    frames.

    One consistent snapshot is read, and its schema is found. `config` is a foretell.toml (default: the one
    beside the database). `now` is the present, by default the clock's; rows dated later do not stretch the
    history. `memory` is how much may be used, such as "2GB". With `cache`, a copy of what is read from large
    files is kept for the next time, in the folder that FORETELL_CACHE names.

    >>> import pyarrow as pa
    >>> database = connect({"customers": pa.table({"customer_id": [1, 2]})})
    >>> database.schema.table("customers").primary_key
    ('customer_id',)
    """
    if "IPython" in sys.modules:
        from foretell.report import notebook

        notebook.register()
    moment = parse_instant(now) if isinstance(now, str) else now
    opened = open_database(
        target,
        config=config,
        threads=threads,
        now=from_datetime(datetime.now(UTC)) if moment is None else moment,
        memory=memory,
        cache=cache,
        progress=progress,
    )
    return Database(opened, seed=seed, progress=progress)


class Database:
    """An open database that can be asked. Close it, or use it in a `with` statement."""

    def __init__(self, opened: OpenDatabase, *, seed: int, progress: Progress) -> None:
        self._opened = opened
        self.seed = seed
        self.progress = progress

    @property
    def opened(self) -> OpenDatabase:
        """The snapshot, its working copy and its engine."""
        return self._opened

    @property
    def name(self) -> str:
        return self._opened.name

    @property
    def schema(self) -> Schema:
        return self._opened.schema

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data: guesses to check, values that could not be read."""
        return self._opened.notes

    def query(
        self,
        text: str,
        *,
        labels: Any = None,
        features: str | None = None,
        windows: str | Sequence[str] | None = None,
    ) -> Question:
        """A question in the query language. With `labels`, those rows are learned from (see `given`).

        `features` says how much is tried: "less", "standard" or "more"; `windows` the look-back windows, such
        as ("7d", "30d"). Both go over what foretell.toml says.
        """
        settings = self._opened.features.said(features, windows)
        return Question(self, bind(parse(text), self.schema), labels, settings)

    def given(
        self,
        labels: Any,
        *,
        entity: str,
        kind: TaskKind | str | None = None,
        horizon: Offset | None = None,
        features: str | None = None,
        windows: str | Sequence[str] | None = None,
    ) -> Question:
        """A question whose labels are brought along: a table of (entity key, cutoff, label).

        `labels` is an Arrow table, a pandas or polars frame, a Parquet or CSV file, or a SELECT over this
        database with `:cutoff` (and, if wanted, `:horizon`) in it, run at each learning cutoff. `kind` is
        read off the labels where it is left out. `features` and `windows` as in `query`.
        """
        from foretell.prediction.labels import given_kind, read_labels

        settled = given_task(self.schema, entity, TaskKind.REGRESSION, horizon)
        table = read_labels(labels, self._opened, settled)
        chosen = TaskKind(kind) if kind is not None else given_kind(table)
        asked = given_task(self.schema, entity, chosen, horizon)
        return Question(self, asked, table, self._opened.features.said(features, windows))

    def patterns(self, table: str | None = None, *, time_limit: float = 60.0) -> Patterns:
        """What the history of a table, or of the main tables, shows: mined in its early part, confirmed in
        its later part. `time_limit` is in seconds, for reading and mining; confirmation comes on top.
        """
        from foretell.patterns.search import find_patterns

        return find_patterns(
            self._opened.store,
            self.schema,
            title=self.name,
            end=lambda name: self._opened.end_of_data((name,)),
            table=table,
            time_limit=time_limit,
            seed=self.seed,
            progress=self.progress,
        )

    def remember(self, path: str | os.PathLike[str]) -> int:
        """Write hashes of the rows as they are now, for a later audit; how many rows they are of."""
        return remember(self._opened, Path(path))

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._opened)


@dataclass(frozen=True)
class Check:
    """What would be learned, without learning it."""

    description: str
    labels: LabelReport
    warnings: tuple[str, ...]

    def view(self) -> Any:
        """The check laid out for a terminal, as a rich renderable."""
        from foretell.report.answer import check_view

        return check_view(self.description, self.labels, self.warnings)

    def _repr_html_(self) -> str:
        return _html(self.view())

    def to_dict(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "labels": self.labels.to_dict(),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Answer:
    """Everything that `ask` found out. `verdict` says first whether the model beats the best simple rule."""

    schema: Schema
    check: Check
    backtest: Backtest
    drivers: tuple[Driver, ...]
    predictions: Predictions
    model: Model
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        return self.backtest.verdict

    def view(self, *, name: str = "the database", top: int = 10) -> Any:
        """The answer laid out for a terminal, as a rich renderable."""
        from foretell.report.answer import answer_view

        return answer_view(
            description=self.check.description,
            schema=self.schema,
            labels=self.check.labels,
            warnings=self.warnings,
            backtest=self.backtest,
            drivers=self.drivers,
            predictions=self.predictions,
            name=name,
            top=top,
        )

    def _repr_html_(self) -> str:
        return _html(self.view())

    def report(self, path: str | os.PathLike[str], *, top: int = 10) -> Path:
        """Write all of it into one HTML file that loads nothing; needs the extra `report`."""
        from foretell.report.html import Extras, write_report

        said = self.predictions.head(top)
        extras = Extras(predictions=tuple(said.rows()), meaning=said.meaning, warnings=self.warnings)
        return write_report(path, self.model, extras)

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "task": self.check.description,
            "labels": self.check.labels.to_dict(),
            "warnings": list(self.warnings),
            "backtest": self.backtest.to_dict(),
            "drivers": [{"text": d.text, "share": d.share, "direction": d.direction} for d in self.drivers],
            "features": {"tried": self.model.features.tried, "used": len(self.model.features)},
            "left_out": [x.to_dict() for x in self.model.features.left_out],
            "predictions": list(self.predictions.rows()),
        }

    def __repr__(self) -> str:
        return f"<Answer: {self.verdict}>"


class Question:
    """A task on an open database. Labels and features are made once and kept."""

    def __init__(
        self, database: Database, task: Task, given: Any = None, settings: FeatureSettings | None = None
    ) -> None:
        self.database = database
        self.task = task
        self.settings = database._opened.features if settings is None else settings
        self._opened = database._opened
        self._given = given
        self._lessons: dict[tuple[int, int, Regime], learn.Lesson] = {}
        self._measured: dict[tuple[learn.Budget, Regime], learn.Measured] = {}

    def describe(self) -> str:
        """The task in words."""
        return batch.describe_task(self.task)

    @cached_property
    def _labels(self) -> Labels:
        if self._given is not None:
            from foretell.prediction.labels import read_labels, to_labels

            table = read_labels(self._given, self._opened, self.task)
            return to_labels(table, self._opened, self.task)
        self.database.progress.stage("making labels")
        moments = learn.learning_moments(self._opened, self.task)
        return computed_labels(self._opened, self.task, moments)

    def labels(self, cutoffs: Sequence[str | Instant] | None = None) -> pa.Table:
        """The labels as a table of the entity's key, `cutoff` and `label`; at `cutoffs` of one's own if
        given.
        """
        if cutoffs is None:
            made = self._labels
        elif self._given is None:
            moments = [parse_instant(c) if isinstance(c, str) else c for c in cutoffs]
            refuse_open_windows(self._opened, self.task, moments)
            made = computed_labels(self._opened, self.task, moments)
        else:
            raise UsageError("given labels have their own cutoffs")
        keys = self._opened.engine.keys(self.task.entity.name, self.task.entity_key, made.rows.entities)
        values = made.values
        if self.task.kind is TaskKind.BINARY:
            values = values.astype(np.bool_)
        shown = pa.array(values) if values.dtype != object else pa.array(values.tolist())
        moment = pa.array(made.rows.cutoffs).cast(pa.timestamp("us"))
        own = {"cutoff": moment, "label": shown}
        return pa.table(beside_keys(self.task.entity.name, {k: pa.array(v) for k, v in keys.items()}, own))

    def check(self) -> Check:
        """The task in words, its label statistics, and what warns. Nothing is trained."""
        batch.check_ids(self._opened, self.task)
        made = self._labels
        told = report(self.task.kind, made.values, made.rows.cutoffs, made.rows.entities, made.dropped)
        if not told.rows:
            reasons = ", ".join(f"{n:,} {why}" for why, n in told.dropped.items()) or "nobody at any cutoff"
            raise DataError(f"there is no label to learn from: {reasons}", mend="loosen WHERE or ASSUMING")
        return Check(self.describe(), told, self._warnings(told))

    def _warnings(self, told: LabelReport) -> tuple[str, ...]:
        found = list(warnings(told))
        if self.task.assuming is not None:
            found.append(
                f"scores are conditional on ASSUMING, not causal: {plural(told.rows, 'row')} support it"
            )
        elif self.task.is_static and self._opened.schema.is_timed(self.task.entity.name):
            found.append(
                "earlier rows' outcomes count as known at those rows' own time; "
                "where they arrive later, declare known_at in foretell.toml"
            )
        return tuple(found)

    def _budget(self, time_limit: float, model: str = Choice.AUTO) -> learn.Budget:
        choice = choice_of(model)
        if choice is Choice.DEEP:
            require("torch", extra="deep")  # a slip is told before anything is computed
        return learn.Budget(time_limit, self.database.seed, choice)

    def _lesson(self, budget: learn.Budget, regime: Regime = SEED_TIME) -> learn.Lesson:
        key = (budget.rows, budget.seed, regime)
        if key not in self._lessons:
            self._lessons[key] = learn.prepare(
                self._opened, self.task, self._labels, budget, self.database.progress, self.settings, regime
            )
        lesson = learn.with_neighbours(self._opened, self._lessons[key], budget)
        self._lessons[key] = lesson
        return lesson

    def backtest(
        self,
        *,
        time_limit: float = 30.0,
        model: str = Choice.AUTO,
        frozen_at: str | Instant | None = None,
        frozen_for: str | None = None,
    ) -> Backtest:
        """Learn from the past, predict later cutoffs that were not seen, and compare with simple rules.

        `model` says what is tried: "trees" (with the linear model), "deep" (the relational net), "baseline"
        (simple rules), or "auto": trees, and the net where it is installed and the time limit affords it.
        Each row sees everything before its own cutoff; with `frozen_at`, a time or "fold", it sees a snapshot
        that ends there, or at the start of its fold. Rows from that time on are the test. `frozen_for`, such
        as "90d", is how long the snapshot will be served; by default as long as the test lasts.
        """
        regime = Regime.of(frozen_at, frozen_for)
        return self._measure(self._budget(time_limit, model), regime).backtest

    def _measure(self, budget: learn.Budget, regime: Regime) -> learn.Measured:
        key = (budget, regime)
        if key not in self._measured:
            lesson = self._lesson(budget, regime)
            self._measured[key] = learn.measure(self._opened, lesson, budget, self.database.progress)
        return self._measured[key]

    def fit(
        self,
        *,
        time_limit: float = 30.0,
        model: str = Choice.AUTO,
        frozen_at: str | Instant | None = None,
        frozen_for: str | None = None,
    ) -> Model:
        """A model of the whole history, with the backtest that says how good such a model was.

        `model` says what is tried, as in `backtest`. With `frozen_at` it is trained for predictions from a
        snapshot (see `backtest`), and remembers that; nothing after a time that is given enters it.
        """
        budget, regime = self._budget(time_limit, model), Regime.of(frozen_at, frozen_for)
        measured, lesson = self._measure(budget, regime), self._lesson(budget, regime)
        released = learn.release(self._opened, lesson, measured, budget, self.database.progress)
        recipe = Recipe(budget, self.settings).to_dict()
        return replace(released, facts={**released.facts, "recipe": recipe})

    def ask(
        self,
        *,
        time_limit: float = 30.0,
        model: str = Choice.AUTO,
        as_of: str | Instant | None = None,
        frozen_at: str | Instant | None = None,
        frozen_for: str | None = None,
        top: int = 10,
    ) -> Answer:
        """Check, backtest, fit and predict in one go; `model`, `frozen_at` and `frozen_for` as in `fit`."""
        budget, progress = self._budget(time_limit, model), self.database.progress
        checked = self.check()
        lesson = self._lesson(budget, regime := Regime.of(frozen_at, frozen_for))
        measured = self._measure(budget, regime).backtest
        fitted = self.fit(time_limit=time_limit, model=model, frozen_at=frozen_at, frozen_for=frozen_for)
        doubts = learn.suspicions(self._opened, lesson, fitted, measured, budget, progress)
        progress.stage("predicting")
        return Answer(
            schema=self.database.schema,
            check=checked,
            backtest=measured,
            drivers=fitted.drivers,
            predictions=self._predict(fitted, lesson, as_of, top),
            model=fitted,
            warnings=tuple(dict.fromkeys((*checked.warnings, *doubts, *measured.notes, *fitted.notes))),
        )

    def _predict(
        self, model: Model, lesson: learn.Lesson, as_of: str | Instant | None, top: int
    ) -> Predictions:
        """Scores as of now; where a static target has no unknown value left, of the latest rows tested on."""
        try:
            return model.predict(self._opened, as_of=as_of, explain=top)
        except DataError:
            if not self.task.is_static:
                raise
        latest = np.flatnonzero(lesson.folds.test)[-1000:]
        rows = lesson.labels.rows.take(latest)
        note = "every row has its value already: these are the latest, scored as if it were not known"
        matrix = lesson.matrix.take(latest).select(model.fitted.columns)
        cutoff = int(rows.cutoffs.max())
        return batch.scored(
            self._opened,
            self.task,
            model.features,
            model.fitted,
            rows,
            matrix,
            cutoff,
            explain=top,
            notes=(note,),
        )

    def audit(self, *, cutoffs: int = CUTOFFS, then: Target | None = None) -> Audit:
        """Look for leaks: change the future of the data and of a coin, and see whether anything moves.

        `cutoffs` says at how many learning cutoffs. `then` is an earlier copy of the database, or the file
        that `Database.remember` wrote: it shows columns that were changed in place.
        """
        from foretell.report.audit import Audit

        found = inspect(
            self._opened,
            self.task,
            self._labels,
            self.settings,
            cutoffs=cutoffs,
            then=then,
            seed=self.database.seed,
            progress=self.database.progress,
        )
        return Audit(self.describe(), found.looked_at, found.cutoffs, found.detections)

    def patterns(self, *, time_limit: float = 60.0) -> Patterns:
        """What goes along with this question's answer: its labels against the plainer ones of its features,
        mined at early cutoffs and confirmed at later ones.
        """
        from foretell.patterns.search import patterns_of_target
        from foretell.patterns.targets import target_sheet

        self.database.progress.stage("reading the question's rows")
        features = self._lesson(self._budget(time_limit)).features
        asked = target_sheet(self.task, self._labels, features, self._opened.engine)
        return patterns_of_target(
            asked,
            title=self.describe(),
            time_limit=time_limit,
            seed=self.database.seed,
            progress=self.database.progress,
        )

    def sql(self, *, time_limit: float = 30.0) -> str:
        """The labels and features as one commented SQL script, without training; and what was left out."""
        from foretell.plan.script import script

        lesson = self._lesson(self._budget(time_limit))
        moments = sorted(set(lesson.labels.rows.cutoffs.tolist()))[-3:]
        texts = {f.name: f.description for f in lesson.features.features}
        labels = None if is_given(self.task) else target_plan(self.task)
        text = script(
            feature_plan(self.task, lesson.features),
            labels,
            self.task.schema,
            [int(m) for m in moments],
            texts,
            describe_title=self.describe(),
        )
        return text + left_out_words(lesson.features.left_out)

    def __repr__(self) -> str:
        return f"<Question {self.describe()}>"

    def _repr_html_(self) -> str:
        from foretell.report.answer import task_view

        return _html(task_view(self.describe()))


def _html(view: Any) -> str:
    from foretell.report.layout import to_html

    return to_html(view)
