"""The explanation of a whole model: made on rows of its backtest, in a bounded time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from foretell.explain.ablation import ablated
from foretell.explain.asked import nets_part, only, settled
from foretell.explain.cost import afforded, net_seconds, score_seconds, shap_seconds
from foretell.explain.dependence import dependence
from foretell.explain.drivers import (
    SHUFFLES,
    Parts,
    heads,
    influences,
    main_reasons,
    remarks,
    shuffled,
    with_losses,
)
from foretell.explain.explanation import Dependence, Explanation, Influence
from foretell.explain.reasons import Driver
from foretell.explain.stories import grouped, story, table
from foretell.features.model import FeatureSet
from foretell.models.choice import Family
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.task.model import Task, TaskKind

KEPT = 40
"""So many stories and paths are told of; the rest moves next to nothing."""
CHECKED, FEWEST_CHECKED = 8, 3
"""So many of the strongest stories are shuffled, and as many tables."""
CURVES = 6
"""So many of the strongest stories have a curve."""
FEWEST, SHAP_ROWS, MOST_ROWS = 50, 1_000, 3_000
NET_ROWS = 500
SHARES = {"contributions": 0.3, "shuffling": 0.5, "curves": 0.1, "nets": 0.1}


@dataclass(frozen=True)
class Overall:
    """An explanation, and its main reasons as an answer names them."""

    explanation: Explanation
    drivers: tuple[Driver, ...]


def explained(
    fitted: FittedModel,
    features: FeatureSet,
    task: Task,
    test: Dataset,
    *,
    metric: str,
    seconds: float,
    seed: int = 0,
) -> Overall:
    """What a model rests on, by rows that it was not trained on; about `seconds` are spent, by estimate.

    `test` are the rows of its backtest, `metric` is the one that heads the backtest.
    """
    test = test.select(fitted.columns)
    used = METRICS[metric]
    some = afforded(
        test, SHARES["contributions"] * seconds, shap_seconds(fitted), FEWEST, SHAP_ROWS, seed, "shap"
    )
    trees = only(fitted, lambda family: family != Family.NET) if fitted.nets else fitted
    parts = Parts.of(trees if trees is not None else fitted, some)
    stories, paths, tables = influences(parts, features, task)
    speaking = heads(parts, features)
    stories, paths = stories[:KEPT], paths[:KEPT]
    asked = _asked(fitted, features, task, test, stories, tables, seconds, seed)
    model = settled(fitted, asked.test.X)
    lost = shuffled(model, asked.test, asked.groups, used, seed=seed)
    stories = with_losses(
        stories, {k.removeprefix(_STORY): e for k, e in lost.items() if k.startswith(_STORY)}
    )
    tables = with_losses(tables, {k.removeprefix(_TABLE): e for k, e in lost.items() if k.startswith(_TABLE)})
    of = fitted.classes[parts.output] if fitted.kind is TaskKind.MULTICLASS else ""
    curves = _curves(fitted, test, stories, speaking, parts.output, of, seconds, seed)
    explanation = Explanation(
        kind=str(fitted.kind),
        metric=metric,
        measured=used.score(asked.test.y, model.predict(asked.test.X)),
        higher_is_better=used.higher_is_better,
        rows=asked.test.rows,
        entities=len(np.unique(asked.test.groups)),
        of=of,
        stories=stories,
        paths=paths,
        tables=tables,
        dependence=curves,
        nets=sum(w for w, f in zip(fitted.weights, fitted.families) if f == Family.NET),
        remarks=remarks(stories, used),
    )
    whole = _with_nets(explanation, fitted, features, task, test, seconds, seed)
    return Overall(whole, main_reasons(stories, speaking) or _reasons_of_nets(whole))


def _reasons_of_nets(explanation: Explanation) -> tuple[Driver, ...]:
    """The paths that nets rest on, where nothing else is in the model."""
    paths = sorted(explanation.paths, key=lambda p: -(p.net_share or 0.0))
    return tuple(Driver(p.key, p.text, p.net_share, "") for p in paths[:8] if p.net_share)


_STORY, _TABLE = "story ", "table "


@dataclass(frozen=True)
class _Asked:
    """The rows that are shuffled, and the columns that are shuffled together."""

    test: Dataset
    groups: dict[str, list[int]]


def _asked(
    fitted: FittedModel,
    features: FeatureSet,
    task: Task,
    test: Dataset,
    stories: tuple[Influence, ...],
    tables: tuple[Influence, ...],
    seconds: float,
    seed: int,
) -> _Asked:
    names = fitted.columns
    by_story, by_table = (
        grouped(names, features, story),
        grouped(names, features, lambda f: table(f, task.entity.name)),
    )
    spent = SHARES["shuffling"] * seconds
    # Where a row is dear (trees of fifty classes), fewer groups are shuffled, not fewer rows.
    groups_afforded = int(spent / max(score_seconds(fitted) * SHUFFLES * 4 * FEWEST, 1e-9) / 2)
    checked = int(np.clip(groups_afforded, FEWEST_CHECKED, CHECKED))
    groups = {f"{_STORY}{s.key}": by_story[s.key] for s in stories[:checked]}
    groups |= {f"{_TABLE}{t.key}": by_table[t.key] for t in tables[:checked]}
    each = score_seconds(fitted) * (SHUFFLES * len(groups) + 1) + net_seconds(fitted)
    return _Asked(afforded(test, spent, each, 4 * FEWEST, MOST_ROWS, seed, "shuffling"), groups)


def _curves(
    fitted: FittedModel,
    test: Dataset,
    stories: tuple[Influence, ...],
    speaking: dict[str, str],
    output: int,
    of: str,
    seconds: float,
    seed: int,
) -> tuple[Dependence, ...]:
    each = score_seconds(fitted) * 3 * CURVES + net_seconds(fitted)
    some = afforded(test, SHARES["curves"] * seconds, each, 4 * FEWEST, MOST_ROWS, seed, "curves")
    model = settled(fitted, some.X)
    found = []
    for told in stories[:CURVES]:
        if told.key not in speaking:
            continue
        curve = dependence(
            model,
            some,
            speaking[told.key],
            text=told.text,
            story=told.key,
            of=of,
            output=output,
            seed=seed,
        )
        if curve is not None:
            found.append(curve)
    return tuple(found)


def _with_nets(
    explanation: Explanation,
    fitted: FittedModel,
    features: FeatureSet,
    task: Task,
    test: Dataset,
    seconds: float,
    seed: int,
) -> Explanation:
    """The same with what the nets rest on, beside the trees' paths of the same names."""
    nets = only(fitted, lambda family: family == Family.NET)
    if nets is None:
        return explanation
    each = (net_seconds(nets) + score_seconds(nets)) * max(10, len(explanation.paths))
    some = afforded(test, SHARES["nets"] * seconds, each, FEWEST, NET_ROWS, seed, "nets")
    removed = ablated(nets, some, features, task, METRICS[explanation.metric], seed=seed)
    whole = sum(removed.moved.values()) or 1.0

    def beside(told: Influence) -> Influence:
        moved = removed.moved.get(told.key)
        if moved is None:
            return told
        return replace(told, net_share=moved / whole, net_lost=removed.lost.get(told.key))

    seen = {p.key for p in explanation.paths}
    new = [
        beside(Influence(key, text, 0, 0.0, 0.0))
        for key, text in removed.words.items()
        if key not in seen and removed.moved[key] > 1e-9
    ]
    paths = [beside(p) for p in explanation.paths]
    level = tuple(nets_part(fitted, some.X).mean(axis=0).tolist())
    paths += sorted(new, key=lambda p: -(p.net_share or 0.0))[: max(0, KEPT - len(paths))]
    return replace(explanation, paths=tuple(paths), nets_level=level)
