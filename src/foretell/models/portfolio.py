"""The portfolio: which learners are tried in the time given, and how they become one model.

Every candidate is trained on the training rows and scores the validation rows. There the weights, the
calibration, the interval's residuals and the best baseline are chosen; then the chosen members are trained
anew on both. Where rows are few, earlier folds are looked at beside the last one: for the calibration and the
residuals, and with time for it for the weights and the number of trees too.

The calibration and the residuals are those of the members before the last step: their predictions are out of
sample, which the final members' would not be. The final members have seen more and later rows, so they can be
expected to err a little less than the calibration assumes, not more.

Choices depend on sizes, the seed and the time limit's value, never on measured time: two runs give one model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foretell.core.errors import DataError, UsageError
from foretell.core.progress import QUIET, Progress
from foretell.models.abreast import abreast
from foretell.models.base import Context, Fitted, Learner
from foretell.models.baselines import fit_baselines
from foretell.models.candidates import (
    FEW_ROWS,
    FIRST,
    THOROUGH,
    base_recipe,
    plan,
    search_seconds,
    with_shallow,
)
from foretell.models.choice import Choice, Family
from foretell.models.criteria import METRICS, Metric, criterion_for, metric_for
from foretell.models.dataset import Dataset, Index, concat, split_by_group
from foretell.models.deep import NET_SHARE, nets_to_try
from foretell.models.ensemble import blend, tied_with_best
from foretell.models.families import CLEARLY, net_share
from foretell.models.fitted import FittedModel, check_labels, refitted, settle
from foretell.models.links import to_link
from foretell.models.rolling import STARTS, Fold, Rolling, Seen, agrees, earlier_folds
from foretell.models.screen import screened
from foretell.models.search import searched
from foretell.models.trees import TreeFitted, TreeLearner
from foretell.models.weigh import mixed, weigh
from foretell.task.model import TaskKind

HOLDOUT = 0.2
FAR_TRAVEL = 3.6
"""Rounds times rate that trees are given at least where history was frozen: 200 rounds at preset A's rate.
A period far ahead stops them by its level, and earlier than serves their order (benchmarks/LOG.md).
"""
ROLLING_ROWS = 20_000
"""With more rows one validation period is long enough, and others cost too much."""


def fit(
    train: Dataset,
    valid: Dataset | None,
    *,
    kind: TaskKind,
    classes: tuple[str, ...] = (),
    metric: str | None = None,
    time_limit: float = 30.0,
    seed: int = 0,
    threads: int = 2,
    choice: Choice = Choice.AUTO,
    earlier: FittedModel | None = None,
    no_net: str | None = None,
    whole: Dataset | None = None,
    rolling: Rolling | None = None,
    frozen: bool = False,
    progress: Progress = QUIET,
) -> FittedModel:
    """Train, choose on validation, and train anew on everything.

    `valid` lies after `train` in time, with a gap of at least the horizon; without it some entities are
    held out. `time_limit` is in seconds and soft: what is tried and how long follows from it and from the
    sizes by estimate. Of hundreds of columns the weakest are left out. `choice` says which families are
    tried. `earlier` is a model of the rows of `train`: beyond the first two, no learners are tried that it
    did not keep, and its nets are taken as they are. `whole` is what the chosen members are trained on in the
    end, by default all the rows given. With `rolling` its earlier folds are looked at too. Where history was
    `frozen`, validation lies far from what models know: all columns are kept, trees are not stopped soon,
    shallow ones are tried too, and models count alike.
    """
    if time_limit <= 0:
        raise UsageError(f"found {time_limit:g} seconds, expected a time limit above 0")
    chosen_metric = metric_for(kind, metric)
    criterion = criterion_for(kind, metric)
    context = Context(kind, criterion, classes, seed=seed, threads=threads, progress=progress)
    if whole is None:
        whole = train if valid is None else concat(train, valid)
    notes = check_labels(train, context)
    if valid is None or valid.rows == 0:
        kept, held = _internal_split(train, context)
        train, valid = whole.take(kept), whole.take(held)
        notes.append("there was too little history for later cutoffs: some entities were held out instead")
    context = replace(context, criterion=_usable_criterion(criterion, valid, notes))
    names = train.X.names if frozen else screened(train, context, time_limit)
    if earlier is not None and earlier.nets:
        wanted = {*names, *earlier.columns}  # its nets read these
        names = tuple(n for n in train.X.names if n in wanted)
    if len(names) < len(train.X.names):
        train, valid, whole = train.select(names), valid.select(names), whole.select(names)
    baselines = fit_baselines(train, context)
    nets, left_out = _nets(train, valid, context, choice, time_limit, earlier, no_net)
    folds = _folds(whole, valid, rolling)
    own_time = time_limit * (1 - NET_SHARE if nets else 1)
    learners = _learners([*folds, Fold(train, valid)], context, choice, own_time, earlier)
    if frozen and learners:
        learners = with_shallow(learners, train, context)
    if time_limit >= THOROUGH:
        learners = [(learner, seconds / (1 + sum(STARTS) * bool(folds))) for learner, seconds in learners]
    context.progress.stage("training", len(learners))
    trees = _trained(learners, train, valid, context)
    early: list[Seen] = []
    if time_limit >= THOROUGH:
        trees, early = _tried(folds, learners, trees, context)
    if frozen:
        trees = {n: m.with_travel(FAR_TRAVEL) if isinstance(m, TreeFitted) else m for n, m in trees.items()}
    candidates: dict[str, Fitted] = {**baselines, **trees, **nets}
    seen = Seen.of(candidates, valid)
    predictions = seen.predictions
    usable = context.criterion
    few = train.rows < FEW_ROWS
    own = _weigh_trees(
        context, Seen.joined([*early, seen]), list(baselines), list(trees), few=few, far=frozen
    )
    weights = _with_nets(context, seen, own, list(nets), alone=not trees)
    members = tuple(candidates[n] for n in weights)
    floor = 0.0 if kind is TaskKind.REGRESSION and bool((whole.y >= 0).all()) else None
    if kind is not TaskKind.REGRESSION or not trees:  # how sure models that knew less were is not how sure
        early = []
    elif not early:
        early = [_said({n: candidates[n] for n in own}, fold, context) for fold in folds]
    parts = [*((part, own) for part in early), (seen, weights)]  # nets are not trained on earlier folds
    raw = np.concatenate(
        [blend(kind, [part.predictions[n] for n in by], list(by.values())) for part, by in parts]
    )
    known = Seen.joined([part for part, _ in parts])
    calibration, conformal, final = settle(kind, raw, known.y, known.cutoffs, floor)
    scores = {n: usable.score(valid.y, p) for n, p in predictions.items()}
    gains = {n: usable.gain(valid.y, predictions[n]) for n in baselines}
    model = FittedModel(
        kind=kind,
        classes=classes,
        metric=chosen_metric.name,
        criterion=usable.name,
        columns=train.X.names,
        members=members,
        weights=tuple(weights.values()),
        spreads=tuple(float(to_link(kind, predictions[n]).std(axis=0).mean()) for n in weights),
        baselines=baselines,
        best_baseline=max(gains, key=lambda n: gains[n]),
        calibration=calibration,
        conformal=conformal,
        validation={**scores, "ensemble": usable.score(valid.y, final[-valid.rows :])},
        notes=tuple(notes),
        rows=train.rows,
        floor=floor,
        families=tuple(_family(n, list(nets), choice) for n in weights),
        left_out=left_out,
    )
    progress.stage("training on all of it")
    return refitted(model, whole, context)


def _learners(
    folds: list[Fold], context: Context, choice: Choice, time_limit: float, earlier: FittedModel | None
) -> list[tuple[Learner, float]]:
    """The linear model and the trees to try, with their seconds; none where the choice leaves them out."""
    if not choice.has_trees:
        return []
    train = folds[-1].train
    learners = plan(train, context, time_limit)
    each = learners[-1][1]
    if earlier is None:
        seconds = search_seconds(train.rows, time_limit)
        found = searched(folds, base_recipe(train, context), context, seconds)
        return [*learners, *((TreeLearner(recipe), each) for recipe in found)]
    kept = {m.name for m in earlier.members}
    found = [m.recipe for m in earlier.members if isinstance(m, TreeFitted) and m.recipe.is_found]
    again = [pair for i, pair in enumerate(learners) if i < FIRST or pair[0].name in kept]
    return [*again, *((TreeLearner(recipe), each) for recipe in found)]


def _trained(
    learners: list[tuple[Learner, float]], train: Dataset, valid: Dataset, context: Context
) -> dict[str, Fitted]:
    """Every learner's model by name, trained side by side where rows are few."""

    def train_one(pair: tuple[Learner, float]) -> Fitted:
        return pair[0].fit(train, valid, replace(context, seconds=pair[1]))

    found: dict[str, Fitted] = {}
    trained = abreast(train_one, learners, rows=train.rows, threads=context.threads)
    for (learner, _), fitted in zip(learners, trained):
        found[learner.name] = fitted
        context.progress.advance()
    return found


def _folds(whole: Dataset, valid: Dataset, rolling: Rolling | None) -> tuple[Fold, ...]:
    """The folds before the last one, where rows are few enough to train on all of them."""
    if rolling is None or whole.rows > ROLLING_ROWS:
        return ()
    return earlier_folds(whole, int(valid.cutoffs.min()), rolling)


def _tried(
    folds: tuple[Fold, ...],
    learners: list[tuple[Learner, float]],
    trees: dict[str, Fitted],
    context: Context,
) -> tuple[dict[str, Fitted], list[Seen]]:
    """The learners tried on earlier folds too: members as the folds agree on, and what each fold's said."""
    made = []
    for fold in folds:
        context.progress.stage("training on earlier folds", len(learners))
        made.append(_trained(learners, fold.train, fold.valid, context))
    agreed = {n: m.agreed([held[n] for held in made]) if agrees(m) else m for n, m in trees.items()}
    early = [
        Seen.of({**fit_baselines(fold.train, context), **held}, fold.valid) for fold, held in zip(folds, made)
    ]
    return agreed, early


def _said(members: dict[str, Fitted], fold: Fold, context: Context) -> Seen:
    """What the members, trained anew on an earlier fold, say of the period after it."""
    again = abreast(
        lambda m: m.refit(fold.train, context),
        members.values(),
        rows=fold.train.rows,
        threads=context.threads,
    )
    return Seen.of(dict(zip(members, again)), fold.valid)


def _nets(
    train: Dataset,
    valid: Dataset,
    context: Context,
    choice: Choice,
    time_limit: float,
    earlier: FittedModel | None,
    no_net: str | None,
) -> tuple[dict[str, Fitted], tuple[str, ...]]:
    """The nets, trained one after the other, and why there are none."""
    if earlier is not None:
        return {m.name: m for m in earlier.nets}, earlier.left_out
    learners, left_out = nets_to_try(train, context, choice, time_limit, no_net)
    return {n.name: n.fit(train, valid, replace(context, seconds=s)) for n, s in learners}, left_out


def _family(member: str, nets: list[str], choice: Choice) -> Family:
    if choice is Choice.BASELINE:
        return Family.BASELINE
    return Family.NET if member in nets else Family.TREES


def _weigh_trees(
    context: Context, seen: Seen, baselines: list[str], trees: list[str], *, few: bool, far: bool
) -> dict[str, float]:
    """The weights of trees and rules among themselves; without trees the rule that is best."""
    kind, criterion, y = context.kind, context.criterion, seen.y
    if not trees:
        gains = {n: np.nan_to_num(criterion.gain(y, seen.predictions[n]), nan=-np.inf) for n in baselines}
        return {max(gains, key=lambda n: gains[n]): 1.0}
    known = {n: seen.predictions[n] for n in (*baselines, *trees)}
    return weigh(kind, criterion, y, known, baselines, few=few, far=far, seed=context.seed)


def _with_nets(
    context: Context, seen: Seen, own: dict[str, float], nets: list[str], *, alone: bool
) -> dict[str, float]:
    """The weights with the nets': equal among those that are not clearly worse, and the family's share."""
    if not nets:
        return own
    kind, said = context.kind, seen.predictions
    sound = tied_with_best(kind, context.criterion, seen.y, {n: said[n] for n in nets}, errors=CLEARLY)
    equal = {n: 1 / len(sound) for n in sound}
    if alone:
        return equal
    share = net_share(kind, context.criterion, seen.y, mixed(kind, said, own), mixed(kind, said, equal))
    shares = {n: (1 - share) * w for n, w in own.items()} | {n: share * w for n, w in equal.items()}
    return {n: w for n, w in shares.items() if w > 0}


def _usable_criterion(criterion: Metric, valid: Dataset, notes: list[str]) -> Metric:
    """The criterion, or log-loss where it is not defined on these rows (AUROC of one class)."""
    if criterion.ranked is None or np.isfinite(criterion.score(valid.y, np.zeros(valid.rows))):
        return criterion
    notes.append(f"{criterion.name} is not defined on the validation rows: log-loss chose the model")
    return METRICS["logloss"]


def _internal_split(train: Dataset, context: Context) -> tuple[Index, Index]:
    """Entities held out for validation; dealt again (a fixed number of times) while a side has a single
    class.
    """
    for attempt in range(20):
        kept, held = split_by_group(train, HOLDOUT, context.seed + attempt)
        sides = (train.y[kept], train.y[held])
        if len(kept) and len(held) and all(len(np.unique(s)) > 1 for s in sides):
            return kept, held
    raise DataError(
        f"{train.rows:,} training rows are too few to hold some out",
        mend="use more cutoffs, or a larger population",
    )
