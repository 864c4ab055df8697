"""From a task to a measured model: cutoffs, labels, features and folds; the backtest; the model for
release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError, UsageError
from foretell.core.progress import Progress
from foretell.core.random import generator
from foretell.core.text import listing, plural
from foretell.core.time import DAY, Instant, format_instant
from foretell.engines.base import GRID, Labels
from foretell.evaluation import audit
from foretell.evaluation.backtest import MODEL, Backtest, score
from foretell.evaluation.labels import class_name
from foretell.explain.overall import explained
from foretell.features.exposure import exposed
from foretell.features.lower import feature_plan
from foretell.features.matrix import Floats, Instants, Matrix
from foretell.features.model import FeatureSet
from foretell.features.prune import pruned
from foretell.features.synthesize import Profile, reach_of, synthesize
from foretell.models.choice import Choice, Family
from foretell.models.criteria import title
from foretell.models.dataset import Dataset, concat
from foretell.models.deep import net_obstacle
from foretell.models.fitted import FittedModel
from foretell.models.follow import Bands, Judged, bands_over_time
from foretell.models.rolling import Rolling
from foretell.models.screen import WEAK
from foretell.prediction import batch
from foretell.prediction.around import graph_of, surrounded
from foretell.prediction.database import OpenDatabase, counted_tables, moment_of
from foretell.prediction.health import health_of
from foretell.prediction.history import features_at, with_staleness
from foretell.prediction.margins import margins
from foretell.prediction.model import Model, package_versions
from foretell.schema.breadth import FeatureSettings
from foretell.schema.model import Semantic
from foretell.task.cutoffs import Folds, closed_before, learning_cutoffs, random_folds
from foretell.task.given import LEARNABLE
from foretell.task.model import Task, TaskKind
from foretell.task.regime import COPIES, SEED_TIME, Regime, drawn, fold_start, imitated

Mask: TypeAlias = npt.NDArray[np.bool_]

MOST_ROWS = 100_000  # labels learned from within a minute's budget; four times as many beyond it
FEWEST_CUTOFFS, MOST_CUTOFFS = 8, 120
ENOUGH_ROWS = 20_000  # with fewer rows than this at `MOST_CUTOFFS`, an engine that sweeps gets more cutoffs
MOST_CLASSES = 50
OTHER = "(other)"
LARGE = 1_000_000  # with a table of more rows, an engine that does not sweep gets half as many features
MANY_ROWS = 50_000  # with more, the model that is released keeps the weights of the one that was judged
EXPLAINED = 0.1  # the share of the time limit that the explanation may take
CROWD = 2_000  # fellows of one parent, beyond which an engine that does not sweep leaves the parent alone
MATTERS = 0.05  # from this share of the model on, columns that may have changed are worth a second backtest


@dataclass(frozen=True)
class Budget:
    """What learning may cost and try. `seconds` is for training, backtest and release together."""

    seconds: float = 30.0
    seed: int = 0
    choice: Choice = Choice.AUTO

    @property
    def share(self) -> float:
        """What one of the two trainings may take; the rest is for features, refits and reasons."""
        return self.seconds / 3

    @property
    def rows(self) -> int:
        return MOST_ROWS if self.seconds <= 60 else 4 * MOST_ROWS


@dataclass(frozen=True)
class Lesson:
    """What is learned from: the labels, their features, and the folds they are dealt to.

    `copies` are the features of the same rows with history frozen at other times; `known` says until when
    those of `matrix`, and then of each copy, are known (rows,), None for each row's own cutoff. `later` are
    the time columns that are not read, being written after their row came to be. `margin` is by how much a
    condition holds, where it has a margin; `no_net` is why rows have no neighbourhoods for a net.
    """

    task: Task
    labels: Labels
    y: npt.NDArray[np.float64]  # (rows,)
    classes: tuple[str, ...]
    features: FeatureSet
    matrix: Matrix
    folds: Folds
    regime: Regime = SEED_TIME
    known: tuple[Instants | None, ...] = (None,)
    copies: tuple[Matrix, ...] = ()
    later: tuple[str, ...] = ()
    margin: npt.NDArray[np.float64] | None = None  # (rows,)
    no_net: str | None = None

    def dataset(self, mask: Mask) -> Dataset:
        """The rows as they are judged."""
        return self._of(self.matrix, mask)

    def training(self, mask: Mask) -> Dataset:
        """The rows as they are learned from: with their copies."""
        return reduce(concat, (self._of(matrix, mask) for matrix in (self.matrix, *self.copies)))

    def _of(self, matrix: Matrix, mask: Mask) -> Dataset:
        rows = self.labels.rows
        cutoffs, entities = rows.cutoffs[mask], rows.entities[mask]
        margin = None if self.margin is None else self.margin[mask]
        return Dataset(matrix.take(mask), self.y[mask], cutoffs, entities, self.task.horizon, margin)

    @property
    def sealed(self) -> bool:
        """Whether the test rows lie after the time at which history is frozen: nothing learns from them."""
        at = self.regime.at
        return at is not None and bool((self.labels.rows.cutoffs[self.folds.test] >= at).all())

    @property
    def forward(self) -> bool:
        """Whether the folds follow one another in time, each row knowing all up to its cutoff."""
        cutoffs, folds = self.labels.rows.cutoffs, self.folds
        return not self.regime.frozen and bool(cutoffs[folds.train].max() < cutoffs[folds.test].min())

    @property
    def closed(self) -> Mask:
        """The rows learned from in the end: those of the embargo too whose windows closed before the test."""
        cutoffs, folds = self.labels.rows.cutoffs, self.folds
        if self.regime.frozen:
            return closed_before(cutoffs, self.task.horizon, fold_start(cutoffs, folds, self.regime.at))
        if not self.forward:
            return folds.train | folds.valid
        return closed_before(cutoffs, self.task.horizon, int(cutoffs[folds.test].min()))

    @property
    def rolling(self) -> Rolling | None:
        """Earlier folds may be looked at where they are like the last one."""
        return Rolling(self.task.horizon) if self.forward else None

    @cached_property
    def exposed(self) -> dict[str, tuple[str, ...]]:
        """Features that may read values from after the cutoff, by table."""
        return exposed(self.task, self.features)

    def without(self, names: set[str]) -> Lesson:
        """The same lesson with fewer features."""
        kept = [n for n in self.features.names if n not in names]
        return self.only(self.features.select(kept))

    def only(self, features: FeatureSet) -> Lesson:
        """The same lesson with these features alone."""
        matrix, *copies = (m.select(features.names) for m in (self.matrix, *self.copies))
        return replace(self, features=features, matrix=matrix, copies=tuple(copies))


def learning_moments(
    database: OpenDatabase, task: Task, most_rows: int = 4 * MOST_ROWS
) -> tuple[Instant, ...]:
    """The learning cutoffs; for a static target the moment up to which rows are taken."""
    if task.horizon is None or task.step is None:
        return (moment_of(database, task, None),)
    tables = counted_tables(task)
    if not tables:
        raise DataError(
            "the target counts rows that have no time",
            mend='name a time column in foretell.toml: [tables.<table>] time = "…"',
        )
    last = database.end_of_data(tables, earliest=True)
    first = database.start_of_data(tables)
    if task.as_of is not None:
        if task.as_of <= first:
            raise DataError(
                f"AS OF {format_instant(task.as_of)} lies before the data: the rows that the target counts "
                f"begin at {format_instant(first)}",
                mend=f"choose a time up to {format_instant(last)}, or leave AS OF out",
            )
        last = min(last, task.as_of)
    crowd = max(1, len(batch.population(database, task, last)))
    return learning_cutoffs(
        first,
        last,
        task.horizon,
        task.step,
        limit=int(np.clip(most_rows // crowd, FEWEST_CUTOFFS, _most_cutoffs(database, crowd))),
        every=task.query.every is not None,
    )


def _most_cutoffs(database: OpenDatabase, crowd: int) -> int:
    """Few entities are looked at at more moments: twelve stations at 120 of 1,400 days teach little."""
    return max(MOST_CUTOFFS, ENOUGH_ROWS // crowd) if database.engine.sweeps else MOST_CUTOFFS


def prepare(
    database: OpenDatabase,
    task: Task,
    labels: Labels,
    budget: Budget,
    progress: Progress,
    settings: FeatureSettings | None = None,
    regime: Regime = SEED_TIME,
) -> Lesson:
    """Deal the labels out to folds, and compute the features of every row; by default those of foretell.toml.

    Features that tell nothing new on the training rows are left out. Where the regime is frozen, rows see the
    history as the fold they are in will, and training rows have copies of other staleness.
    """
    if task.kind not in LEARNABLE:
        raise UsageError(
            f"{task.kind.value} tasks can be checked and labelled, not fitted in this release",
            mend="see their labels with `foretell check`",
        )
    if not database.engine.sweeps:
        labels = _latest(labels, budget.rows // 10)
    made = _thin(labels, budget.rows // 2 if regime.frozen else budget.rows, budget.seed)
    y, classes = _targets(task.kind, made.values)
    timed = not task.is_static or database.schema.is_timed(task.entity.name)
    if timed:
        folds = regime.folds(made.rows.cutoffs, task.horizon)
    elif regime.frozen:
        raise UsageError("the entities have no time, so there is no history to freeze")
    else:
        folds = random_folds(made.rows.entities, budget.seed)
    until = int(made.rows.cutoffs[folds.train].max()) if timed else None
    later = _later_columns(database, until if until is not None else int(made.rows.cutoffs.max()))
    wanted = database.features if settings is None else settings
    features = _settled(task, _synthesize(database, task, until, later, wanted), later)
    seen: tuple[Instants | None, ...] = (None,)
    if regime.frozen:
        features = with_staleness(features)
        known, span = imitated(made.rows.cutoffs, folds, regime)
        copies = int(np.clip(MANY_ROWS // len(made.rows) - 1, 1, COPIES))
        seen = (known, *drawn(made.rows.cutoffs, span, copies, budget.seed))
        regime = replace(regime, days=span / DAY)
    progress.stage("computing features", total=len(seen) * len(feature_plan(task, features).blocks))
    matrix, *others = (features_at(database.engine, task, features, made.rows, known) for known in seen)
    margin = margins(database.engine, task, made)
    lesson = Lesson(
        task, made, y, classes, features, matrix, folds, regime, seen, tuple(others), later, margin
    )
    return lesson.only(pruned(features, matrix, folds.train))


def with_neighbours(database: OpenDatabase, lesson: Lesson, budget: Budget) -> Lesson:
    """The lesson with the neighbourhoods of its rows, where a net is tried and so wants them."""
    if not budget.choice.has_nets or lesson.matrix.around is not None:
        return lesson
    graph = graph_of(database, lesson.task, lesson.later)
    rows = int(lesson.folds.train.sum())
    obstacle = net_obstacle(budget.choice, graph, rows, database.threads, budget.share)
    if graph is None or obstacle is not None:
        return replace(lesson, no_net=obstacle)
    every = zip((lesson.matrix, *lesson.copies), lesson.known)
    matrix, *copies = (surrounded(m, graph, lesson.labels.rows, known) for m, known in every)
    return replace(lesson, matrix=matrix, copies=tuple(copies), no_net=None)


def _later_columns(database: OpenDatabase, until: Instant) -> tuple[str, ...]:
    """Second time columns that were written after their row came to be, and have no declared `known_at`.

    Where a table has no time of its own, those with values after `until`, the last training cutoff.
    """
    found = []
    for table in database.schema.tables:
        if table.ignored:
            continue
        for column in table.columns:
            second = column.semantic is Semantic.TIME and column.name not in (
                table.time_column,
                table.end_time,
            )
            if not second or column.ignored or column.known_at is not None:
                continue
            if database.engine.later_share(table.name, column.name, until) > 0.01:
                found.append(f"{table.name}.{column.name}")
    return tuple(found)


def _settled(task: Task, features: FeatureSet, later: tuple[str, ...]) -> FeatureSet:
    """The features without those that read columns of rows that are changed after they are made.

    A column of such a row may hold a value from after the cutoff; a person can say of one that it does not.
    """
    changing = {table for table in (n.rpartition(".")[0] for n in later) if task.schema.is_timed(table)}
    doubtful = {t: n for t, n in exposed(task, features, changing).items() if t in changing}
    if not later:
        return features
    said = [f"later than the row's own time, so not read: {listing(later)}"]
    if doubtful:
        gone = {name for names in doubtful.values() for name in names}
        told = listing([repr(t) for t in doubtful])
        said.append(
            f"rows of {told} are changed after they are made, so {plural(len(gone), 'feature')} of their "
            "other columns could tell the future and are left out; where a column never changes, say so in "
            'foretell.toml: known_at = "<the row\'s time column>"'
        )
        features = features.without(gone, "of rows that are changed after they are made")
    return replace(features, notes=(*features.notes, *said))


def _synthesize(
    database: OpenDatabase,
    task: Task,
    until: Instant | None,
    later: tuple[str, ...],
    settings: FeatureSettings,
) -> FeatureSet:
    """The features; vocabularies come from rows known at `until`, the last training cutoff."""
    engine = database.engine
    tables = [t.name for t in database.schema.tables if not t.ignored]
    starts = [s[0] for s in map(engine.span, tables) if s is not None]
    span = (until - min(starts)) / DAY if starts and until is not None else 0.0

    reach = reach_of(settings)

    @cache
    def vocabulary(table: str, column: str) -> tuple[str, ...]:
        return engine.frequent(table, column, until=until, limit=reach.categories)

    slow = not engine.sweeps and max((t.rows for t in database.schema.tables), default=0) > LARGE
    return synthesize(
        task,
        Profile(max(span, 0.0), vocabulary, frozenset(later), _crowded(database, task, deep=reach.deep)),
        settings,
        budget=reach.budget // 2 if slow and settings.budget is None else reach.budget,
    )


def _crowded(database: OpenDatabase, task: Task, *, deep: bool) -> frozenset[str]:
    """Links to the parents of a static target's rows by which a row has more than `CROWD` fellows.

    An engine that sweeps does not mind them. With `deep`, to the parents' parents too.
    """
    schema = database.schema
    if not task.is_static or database.engine.sweeps:
        return frozenset()
    parents = {k.parent for k in schema.links_up(task.entity.name)}
    if deep:
        parents |= {k.parent for parent in sorted(parents) for k in schema.links_up(parent)}
    links = [k for parent in sorted(parents) for k in schema.links_down(parent)]
    return frozenset(k.name for k in links if database.engine.fellows(k) > CROWD)


@dataclass(frozen=True)
class Measured:
    """A backtest, and the model that it judged."""

    backtest: Backtest
    fitted: FittedModel


def measure(database: OpenDatabase, lesson: Lesson, budget: Budget, progress: Progress) -> Measured:
    """Learn from the past, predict later cutoffs that were not seen, and compare with simple rules."""
    from foretell.models.portfolio import fit

    kind, folds = lesson.task.kind, lesson.folds
    fitted = fit(
        lesson.training(folds.train),
        lesson.dataset(folds.valid) if folds.valid.any() else None,
        kind=kind,
        classes=lesson.classes,
        time_limit=budget.share,
        seed=budget.seed,
        threads=database.threads,
        choice=budget.choice,
        no_net=lesson.no_net,
        whole=lesson.training(lesson.closed),
        rolling=lesson.rolling,
        frozen=lesson.regime.frozen,
        progress=progress,
    )
    test = lesson.dataset(folds.test)
    said, members = fitted.predict_with_families(test.X)
    predictions = {MODEL: said, **fitted.predict_baselines(test.X)}
    scored = score(
        test.y,
        predictions,
        groups=test.groups,
        cutoffs=test.cutoffs,
        kind=kind,
        chosen_baseline=fitted.best_baseline,
        members=members,
        bands=_bands(lesson, fitted, test, said),
        level=batch.LEVEL,
        classes=lesson.classes,
        seed=budget.seed,
    )
    return Measured(replace(scored, regime=str(lesson.regime), left_out=fitted.left_out), fitted)


def _bands(lesson: Lesson, fitted: FittedModel, test: Dataset, said: Floats) -> Bands | None:
    """The intervals around what is said of the test rows: from windows that had closed by their cutoffs where
    rows see all before those, else from the validation rows alone.
    """
    if fitted.conformal is None:
        return None
    if lesson.forward and fitted.judged is not None:
        rows = Judged(test.y, said, test.cutoffs)
        return bands_over_time(fitted.judged, rows, lesson.task.horizon, batch.LEVEL)
    return Bands.of(fitted.conformal, said, batch.LEVEL)


def release(
    database: OpenDatabase, lesson: Lesson, measured: Measured, budget: Budget, progress: Progress
) -> Model:
    """A model of the whole history: weighed on its last part, then trained on all of it.

    What the backtest's model was made of is tried again, now with its test rows to choose on. Where rows are
    many the weights hardly move, and are kept. Rows that the embargo kept out of the folds are trained on
    too: their windows have closed by now. Where history is frozen before the test rows, the model is the one
    that was judged: nothing after that time enters it.
    """
    from foretell.models.portfolio import fit

    folds = lesson.folds
    everything = lesson.training(np.ones(len(lesson.labels.rows), dtype=np.bool_))
    if lesson.sealed:
        fitted = measured.fitted
    elif everything.rows > MANY_ROWS:
        progress.stage("training on all of it")
        judged = measured.fitted.recalibrated(lesson.dataset(folds.test))
        fitted = judged.refit_on(everything, seed=budget.seed, threads=database.threads, progress=progress)
    else:
        fitted = fit(
            lesson.training(folds.train | folds.valid),
            lesson.dataset(folds.test),
            kind=lesson.task.kind,
            classes=lesson.classes,
            time_limit=budget.share,
            seed=budget.seed,
            threads=database.threads,
            choice=budget.choice,
            earlier=measured.fitted,
            whole=everything,
            rolling=lesson.rolling,
            frozen=lesson.regime.frozen,
            progress=progress,
        )
    features = lesson.features.without(set(lesson.features.names) - set(fitted.columns), WEAK)
    progress.stage("explaining it")
    told = explained(
        measured.fitted,  # it has not seen the test rows
        lesson.features,
        lesson.task,
        lesson.dataset(folds.test),
        metric=measured.backtest.metric,
        seconds=EXPLAINED * budget.seconds,
        seed=budget.seed,
    )
    rows = lesson.labels.rows.take(folds.train | folds.valid) if lesson.sealed else lesson.labels.rows
    moments = np.unique(rows.cutoffs)
    facts = {
        "rows": len(rows),
        "entities": len(np.unique(rows.entities)),
        "cutoffs": [format_instant(int(c)) for c in moments] if len(moments) <= MOST_CUTOFFS else [],
        "last_cutoff": format_instant(int(moments[-1])),
        "seed": budget.seed,
        "time_limit": budget.seconds,
        "database": database.name,
        "snapshot": database.fingerprint,
        "packages": package_versions(),
        "health": health_of(lesson.task, lesson.labels, folds, lesson.features, database.notes),
    }
    return Model(
        task=lesson.task,
        features=features,
        fitted=fitted,
        drivers=told.drivers,
        explanation=told.explanation,
        backtest=measured.backtest.to_dict(),
        facts=facts,
        notes=fitted.notes,
        regime=lesson.regime,
        home=database,
    )


def suspicions(
    database: OpenDatabase,
    lesson: Lesson,
    model: Model,
    measured: Backtest,
    budget: Budget,
    progress: Progress,
) -> tuple[str, ...]:
    """What may be wrong although nothing failed.

    A feature that alone tells the outcome; columns that may have changed since the cutoff, with the score
    without them where they matter; what was left out.
    """
    train = lesson.dataset(lesson.folds.train | lesson.folds.valid)
    found = [str(s) for s in audit.suspects(train.X, train.y, lesson.task.kind, groups=train.groups)]
    if lesson.exposed:
        found.append(_exposure(database, lesson, model, measured, budget, progress))
    found.extend(model.features.remarks)
    if lesson.folds.note:
        found.append(lesson.folds.note)
    return tuple(found)


def _exposure(
    database: OpenDatabase,
    lesson: Lesson,
    model: Model,
    measured: Backtest,
    budget: Budget,
    progress: Progress,
) -> str:
    """The warning about tables without a time, with the score without their columns where they matter."""
    tables = listing([repr(t) for t in lesson.exposed])
    one = len(lesson.exposed) == 1
    verb, whose = ("has", "its") if one else ("have", "their")
    text = f"{tables} {verb} no time: {whose} columns are read as they are now"
    names = {n for group in lesson.exposed.values() for n in group}
    importance = model.fitted.importance()
    share = sum(v for n, v in importance.items() if n in names) / (sum(importance.values()) or 1.0)
    if share < MATTERS or len(names) == len(lesson.features):
        return f"{text} ({share:.0%} of the model)"
    progress.stage("checking without columns that may have changed")
    cheaper = replace(budget, seconds=budget.seconds / 2, choice=Choice.TREES)
    other = measure(database, lesson.without(names), cheaper, progress).backtest
    with_them = measured.members.get(Family.TREES, measured.model)  # nets would read them all the same
    return (
        f"{text} ({share:.0%} of the model). Without them the {title(measured.metric)} is "
        f"{other.model.value:.3f} instead of {with_them.value:.3f}; if they change over time, "
        "trust the lower one and ignore them in foretell.toml"
    )


def _latest(labels: Labels, most: int) -> Labels:
    """At most the `most` latest rows, where each has a cutoff of its own: such rows share little work."""
    moments = np.unique(labels.rows.cutoffs)
    if len(labels.rows) <= most or len(moments) <= GRID:
        return labels
    kept = np.arange(len(labels.rows) - most, len(labels.rows))
    dropped = {**labels.dropped, "older than the latest that time allows": len(labels.rows) - most}
    return Labels(labels.rows.take(kept), labels.values[kept], dropped)


def _thin(labels: Labels, most: int, seed: int) -> Labels:
    """At most `most` rows, drawn at random with a seed; their order stays."""
    if len(labels.rows) <= most:
        return labels
    chosen = generator(seed, "thin").choice(len(labels.rows), size=most, replace=False)
    chosen.sort()
    dropped: Mapping[str, int] = {**labels.dropped, "not drawn into the sample": len(labels.rows) - most}
    return Labels(labels.rows.take(chosen), labels.values[chosen], dropped)


def _targets(kind: TaskKind, values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Labels as numbers; classes beyond the fifty most frequent become one."""
    if kind is not TaskKind.MULTICLASS:
        return values.astype(np.float64), ()
    words = np.array([class_name(v) for v in values], dtype=object)
    names, counts = np.unique(words, return_counts=True)
    kept = sorted(names[np.argsort(-counts, kind="stable")][:MOST_CLASSES].tolist())
    classes = kept if len(kept) == len(names) else [*kept, OTHER]
    place = {name: float(i) for i, name in enumerate(classes)}
    return np.array([place.get(w, float(len(classes) - 1)) for w in words]), tuple(classes)
