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

from collections.abc import Sequence

import numpy as np

from foretell.core.progress import QUIET, Progress
from foretell.features.matrix import Floats
from foretell.models.base import Context, Fitted
from foretell.models.baselines import fit_baselines
from foretell.models.candidates import FEW_ROWS
from foretell.models.choice import Choice, Family
from foretell.models.criteria import criterion_for, metric_for
from foretell.models.dataset import Dataset
from foretell.models.deep import NET_SHARE
from foretell.models.ensemble import blend, tied_with_best
from foretell.models.families import CLEARLY, far_net_share, net_share
from foretell.models.fitted import FittedModel, refitted, settle
from foretell.models.follow import Judged
from foretell.models.level import at_latest_level
from foretell.models.links import to_link
from foretell.models.material import Terms, columns_to_learn, gathered
from foretell.models.rolling import Rolling, Seen
from foretell.models.tryout import Tried, said_earlier, tried_nets, tried_trees
from foretell.models.weigh import mixed, weigh
from foretell.task.model import TaskKind


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
    `frozen`, validation lies far from what models know: all columns are kept, values are learned at their
    latest level, trees are not stopped soon, shallow ones are tried too, and models count alike.
    """
    context = Context(
        kind, criterion_for(kind, metric), classes, seed=seed, threads=threads, progress=progress
    )
    terms = Terms(time_limit, choice, earlier, no_net, rolling, frozen)
    material = gathered(train, valid, whole, context)
    material = material.select(columns_to_learn(material, terms))
    if frozen:
        material = at_latest_level(material)
    context, y = material.context, material.valid.y
    baselines = fit_baselines(material.train, context)
    nets, left_out = tried_nets(material, terms)
    trees = tried_trees(material, terms, time_limit * (1 - NET_SHARE if nets else 1))
    candidates: dict[str, Fitted] = {**baselines, **trees.models, **nets}
    seen = Seen.of(candidates, material.valid)
    few = material.train.rows < FEW_ROWS
    own = _weigh_trees(
        context, Seen.joined([*trees.early, seen]), list(baselines), trees, few=few, far=frozen
    )
    weights = _with_nets(context, seen, own, list(nets), alone=not trees.models, far=frozen)
    early = _heard_earlier(context, trees, {n: candidates[n] for n in own})
    raw = _mixed_links(kind, early, own, seen, weights)
    known = Seen.joined([*early, seen])
    calibration, conformal, final = settle(kind, raw, known.y, known.cutoffs, material.floor)
    said = seen.predictions
    gains = {n: context.criterion.gain(y, said[n]) for n in baselines}
    scores = {n: context.criterion.score(y, p) for n, p in said.items()}
    scores["ensemble"] = context.criterion.score(y, final[-len(y) :])
    model = FittedModel(
        kind=kind,
        classes=classes,
        metric=metric_for(kind, metric).name,
        criterion=context.criterion.name,
        columns=material.train.X.names,
        members=tuple(candidates[n] for n in weights),
        weights=tuple(weights.values()),
        spreads=tuple(float(to_link(kind, said[n]).std(axis=0).mean()) for n in weights),
        baselines=baselines,
        best_baseline=max(gains, key=lambda n: gains[n]),
        calibration=calibration,
        conformal=conformal,
        validation=scores,
        notes=material.notes,
        rows=material.train.rows,
        floor=material.floor,
        families=tuple(_family(n, list(nets), choice) for n in weights),
        left_out=left_out,
        judged=None if conformal is None else Judged(known.y, final, known.cutoffs),
    )
    progress.stage("training on all of it")
    return refitted(model, material.whole, context)


def _heard_earlier(context: Context, trees: Tried, members: dict[str, Fitted]) -> tuple[Seen, ...]:
    """What trees' members say of earlier folds, whose residuals count too.

    For regressions alone: how sure models that knew less were is not how sure those that know more are.
    """
    if context.kind is not TaskKind.REGRESSION or not trees.models:
        return ()
    return trees.early or said_earlier(members, trees.folds, context)


def _mixed_links(
    kind: TaskKind, early: Sequence[Seen], own: dict[str, float], last: Seen, weights: dict[str, float]
) -> Floats:
    """The blend's scores in link space, of the earlier folds and then of the last, which alone nets know."""
    parts = [*((part, own) for part in early), (last, weights)]
    links = [blend(kind, [part.predictions[n] for n in by], list(by.values())) for part, by in parts]
    return np.concatenate(links)


def _family(member: str, nets: list[str], choice: Choice) -> Family:
    if choice is Choice.BASELINE:
        return Family.BASELINE
    return Family.NET if member in nets else Family.TREES


def _weigh_trees(
    context: Context, seen: Seen, baselines: list[str], trees: Tried, *, few: bool, far: bool
) -> dict[str, float]:
    """The weights of trees and rules among themselves; without trees the rule that is best."""
    kind, criterion, y = context.kind, context.criterion, seen.y
    if not trees.models:
        gains = {n: np.nan_to_num(criterion.gain(y, seen.predictions[n]), nan=-np.inf) for n in baselines}
        return {max(gains, key=lambda n: gains[n]): 1.0}
    known = {n: seen.predictions[n] for n in (*baselines, *trees.models)}
    return weigh(kind, criterion, y, known, baselines, few=few, far=far, seed=context.seed)


def _with_nets(
    context: Context, seen: Seen, own: dict[str, float], nets: list[str], *, alone: bool, far: bool
) -> dict[str, float]:
    """The weights with the nets': equal among those that are not clearly worse, and the family's share."""
    if not nets:
        return own
    kind, said = context.kind, seen.predictions
    sound = tied_with_best(kind, context.criterion, seen.y, {n: said[n] for n in nets}, errors=CLEARLY)
    equal = {n: 1 / len(sound) for n in sound}
    if alone:
        return equal
    trees, net = mixed(kind, said, own), mixed(kind, said, equal)
    if far:
        share = far_net_share(context.criterion, seen.y, said["constant"], trees, net)
    else:
        share = net_share(kind, context.criterion, seen.y, trees, net)
    shares = {n: (1 - share) * w for n, w in own.items()} | {n: share * w for n, w in equal.items()}
    return {n: w for n, w in shares.items() if w > 0}
