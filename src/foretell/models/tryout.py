"""The tryout: every learner that the terms allow is trained, and heard on rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from foretell.models.abreast import abreast
from foretell.models.base import Context, Fitted, Learner
from foretell.models.baselines import fit_baselines
from foretell.models.candidates import FIRST, THOROUGH, base_recipe, plan, search_seconds, with_shallow
from foretell.models.dataset import Dataset
from foretell.models.deep import nets_to_try
from foretell.models.material import Material, Terms
from foretell.models.rolling import STARTS, Fold, Seen, agrees, earlier_folds
from foretell.models.search import HALF_LIFE_SHARE, searched, with_half_life
from foretell.models.trees import TreeFitted, TreeLearner

FAR_TRAVEL = 3.6
"""Rounds times rate that trees are given at least where history was frozen: 200 rounds at preset A's rate.
A period far ahead stops them by its level, and earlier than serves their order (benchmarks/LOG.md).
"""
ROLLING_ROWS = 20_000
"""With more rows one validation period is long enough, and others cost too much."""


@dataclass(frozen=True)
class Tried:
    """The linear model and the trees by name, the folds before the last one, and, where those were tried in
    full, what the candidates of each fold said of its later rows.
    """

    models: Mapping[str, Fitted]
    folds: tuple[Fold, ...] = ()
    early: tuple[Seen, ...] = ()


def tried_trees(material: Material, terms: Terms, seconds: float) -> Tried:
    """The linear model and the trees, trained within so many seconds by estimate.

    With time for it (`THOROUGH`) they are trained on earlier folds too, and make the choices that these agree
    on. Where history was frozen trees are not stopped soon, and shallow ones are tried too.
    """
    train, context = material.train, material.context
    folds = _folds(material, terms)
    learners = _learners([*folds, Fold(train, material.valid)], context, terms, seconds)
    if terms.frozen and learners:
        learners = with_shallow(learners, train, context)
    thorough = terms.time_limit >= THOROUGH
    if thorough:
        learners = [(learner, each / (1 + sum(STARTS) * bool(folds))) for learner, each in learners]
    context.progress.stage("training", len(learners))
    models = _trained(learners, train, material.valid, context)
    early: tuple[Seen, ...] = ()
    if thorough:
        models, early = _tried_earlier(folds, learners, models, context)
    if terms.frozen:
        models = {n: m.with_travel(FAR_TRAVEL) if isinstance(m, TreeFitted) else m for n, m in models.items()}
    return Tried(models, folds, early)


def tried_nets(material: Material, terms: Terms) -> tuple[dict[str, Fitted], tuple[str, ...]]:
    """The nets, trained one after the other, and why there are none; an earlier model's as they are."""
    if terms.earlier is not None:
        return {m.name: m for m in terms.earlier.nets}, terms.earlier.left_out
    train, context = material.train, material.context
    learners, left_out = nets_to_try(
        train, context, terms.choice, terms.time_limit, terms.no_net, frozen=terms.frozen
    )
    return {n.name: n.fit(train, material.valid, replace(context, seconds=s)) for n, s in learners}, left_out


def said_earlier(members: Mapping[str, Fitted], folds: Sequence[Fold], context: Context) -> tuple[Seen, ...]:
    """What the members, trained anew on each earlier fold, say of the period after it."""
    return tuple(_said(members, fold, context) for fold in folds)


def _folds(material: Material, terms: Terms) -> tuple[Fold, ...]:
    """The folds before the last one, where rows are few enough to train on all of them."""
    if terms.rolling is None or material.whole.rows > ROLLING_ROWS:
        return ()
    return earlier_folds(material.whole, int(material.valid.cutoffs.min()), terms.rolling)


def _learners(
    folds: list[Fold], context: Context, terms: Terms, seconds: float
) -> list[tuple[Learner, float]]:
    """The linear model and the trees to try, with their seconds; none where the choice leaves them out."""
    if not terms.choice.has_trees:
        return []
    train = folds[-1].train
    learners = plan(train, context, seconds)
    each = learners[-1][1]
    if terms.earlier is None:
        searching, base = search_seconds(train.rows, seconds), base_recipe(train, context)
        if not searching:
            return learners
        recent = with_half_life(folds, base, context, HALF_LIFE_SHARE * searching)
        found = searched(folds, base, context, (1 - HALF_LIFE_SHARE) * searching)
        found += [] if recent is None else [recent]
        usual = replace(base, recency=True).name  # the folds have chosen now
        learners = [pair for pair in learners if pair[0].name != usual]
        return [*learners, *((TreeLearner(recipe), each) for recipe in found)]
    members = terms.earlier.members
    kept = {m.name for m in members}
    found = [m.recipe for m in members if isinstance(m, TreeFitted) and m.recipe.is_found]
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


def _tried_earlier(
    folds: tuple[Fold, ...],
    learners: list[tuple[Learner, float]],
    models: dict[str, Fitted],
    context: Context,
) -> tuple[dict[str, Fitted], tuple[Seen, ...]]:
    """The learners tried on earlier folds too: members as the folds agree on, and what each fold's said."""
    made = []
    for fold in folds:
        context.progress.stage("training on earlier folds", len(learners))
        made.append(_trained(learners, fold.train, fold.valid, context))
    agreed = {n: m.agreed([held[n] for held in made]) if agrees(m) else m for n, m in models.items()}
    early = [
        Seen.of({**fit_baselines(fold.train, context), **held}, fold.valid) for fold, held in zip(folds, made)
    ]
    return agreed, tuple(early)


def _said(members: Mapping[str, Fitted], fold: Fold, context: Context) -> Seen:
    again = abreast(
        lambda m: m.refit(fold.train, context),
        members.values(),
        rows=fold.train.rows,
        threads=context.threads,
    )
    return Seen.of(dict(zip(members, again)), fold.valid)
