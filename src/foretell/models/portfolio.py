"""The portfolio: which learners are tried in the time given, and how they become one model.

Every candidate is trained on the training rows and scores the validation rows. There the weights, the
calibration, the interval's residuals and the best baseline are chosen; then the chosen members are trained
anew on both. The calibration and the residuals are those of the members before that last step: their
validation predictions are out of sample, which the final members' would not be. The final members have seen
more and later rows, so they can be expected to err a little less than the calibration assumes, not more.

Choices depend on sizes, the seed and the time limit's value, never on measured time: two runs give one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foretell.core.errors import DataError, UsageError
from foretell.core.progress import QUIET, Progress
from foretell.features.matrix import Floats
from foretell.models.abreast import abreast
from foretell.models.base import Context, Fitted, Learner
from foretell.models.baselines import fit_baselines
from foretell.models.candidates import FEW_ROWS, FIRST, plan
from foretell.models.choice import Choice, Family
from foretell.models.criteria import METRICS, Metric, criterion_for, metric_for
from foretell.models.dataset import Dataset, Index, concat, split_by_group
from foretell.models.deep import NET_SHARE, nets_to_try
from foretell.models.ensemble import blend
from foretell.models.families import net_share
from foretell.models.fitted import FittedModel, check_labels, refitted, settle
from foretell.models.links import to_link
from foretell.models.screen import screened
from foretell.models.weigh import mixed, weigh
from foretell.task.model import TaskKind

HOLDOUT = 0.2


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
    whole: Dataset | None = None,
    progress: Progress = QUIET,
) -> FittedModel:
    """Train, choose on validation, and train anew on everything.

    `valid` lies after `train` in time, with a gap of at least the horizon; without it some entities are
    held out. `time_limit` is in seconds and soft: what is tried and how long follows from it and from the
    sizes by estimate. Of hundreds of columns and many rows the weakest columns are left out. `choice` says
    which families are tried. `earlier` is a model of the rows of `train`: beyond the first two, no learners
    are tried that it did not keep, and its nets are taken as they are. `whole` is what the chosen members are
    trained on in the end, by default all the rows given.
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
    names = screened(train, context)
    if earlier is not None:
        wanted = {*names, *earlier.columns}  # its nets read these
        names = tuple(n for n in train.X.names if n in wanted)
    if len(names) < len(train.X.names):
        train, valid, whole = train.select(names), valid.select(names), whole.select(names)
    baselines = fit_baselines(train, context)
    nets, left_out = _nets(train, valid, context, choice, time_limit, earlier)
    trees = _trees(train, valid, context, choice, time_limit * (1 - NET_SHARE if nets else 1), earlier)
    candidates: dict[str, Fitted] = {**baselines, **trees, **nets}
    predictions = {name: c.predict(valid.X) for name, c in candidates.items()}
    usable = context.criterion
    weights = _weigh_families(train, valid, context, predictions, list(baselines), list(trees), list(nets))
    members = tuple(candidates[n] for n in weights)
    floor = 0.0 if kind is TaskKind.REGRESSION and bool((whole.y >= 0).all()) else None
    raw = blend(kind, [predictions[n] for n in weights], list(weights.values()))
    calibration, conformal, final = settle(kind, raw, valid, floor)
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
        validation={**scores, "ensemble": usable.score(valid.y, final)},
        notes=tuple(notes),
        rows=train.rows,
        floor=floor,
        families=tuple(_family(n, list(nets), choice) for n in weights),
        left_out=left_out,
    )
    progress.stage("training on all of it")
    return refitted(model, whole, context)


def _trees(
    train: Dataset,
    valid: Dataset,
    context: Context,
    choice: Choice,
    time_limit: float,
    earlier: FittedModel | None,
) -> dict[str, Fitted]:
    """The linear model and the trees, trained; none where the choice leaves them out."""
    if not choice.has_trees:
        return {}
    learners = plan(train, context, time_limit)
    if earlier is not None:
        kept = {m.name for m in earlier.members}
        learners = [pair for i, pair in enumerate(learners) if i < FIRST or pair[0].name in kept]
    context.progress.stage("training", len(learners))

    def train_one(pair: tuple[Learner, float]) -> Fitted:
        return pair[0].fit(train, valid, replace(context, seconds=pair[1]))

    found: dict[str, Fitted] = {}
    trained = abreast(train_one, learners, rows=train.rows, threads=context.threads)
    for (learner, _), fitted in zip(learners, trained):
        found[learner.name] = fitted
        context.progress.advance()
    return found


def _nets(
    train: Dataset,
    valid: Dataset,
    context: Context,
    choice: Choice,
    time_limit: float,
    earlier: FittedModel | None,
) -> tuple[dict[str, Fitted], tuple[str, ...]]:
    """The nets, trained one after the other, and why there are none."""
    if earlier is not None:
        return {m.name: m for m in earlier.nets}, earlier.left_out
    learners, left_out = nets_to_try(train, context, choice, time_limit)
    return {n.name: n.fit(train, valid, replace(context, seconds=s)) for n, s in learners}, left_out


def _family(member: str, nets: list[str], choice: Choice) -> Family:
    if choice is Choice.BASELINE:
        return Family.BASELINE
    return Family.NET if member in nets else Family.TREES


def _weigh_families(
    train: Dataset,
    valid: Dataset,
    context: Context,
    predictions: Mapping[str, Floats],
    baselines: list[str],
    trees: list[str],
    nets: list[str],
) -> dict[str, float]:
    """Members and their weights: the trees' among themselves, the nets equally, and the two families' shares.

    Without either it is the rule that is best on validation.
    """
    kind, criterion, y = context.kind, context.criterion, valid.y
    if not trees and not nets:
        gains = {n: np.nan_to_num(criterion.gain(y, predictions[n]), nan=-np.inf) for n in baselines}
        return {max(gains, key=lambda n: gains[n]): 1.0}
    equal = {n: 1 / len(nets) for n in nets}
    if not trees:
        return equal
    own = weigh(
        kind,
        criterion,
        y,
        {n: predictions[n] for n in (*baselines, *trees)},
        baselines,
        few=train.rows < FEW_ROWS,
        seed=context.seed,
    )
    if not nets:
        return own

    share = net_share(kind, criterion, y, mixed(kind, predictions, own), mixed(kind, predictions, equal))
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
