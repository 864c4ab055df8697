"""What a model rests on: how far each story moves the scores, and what the model loses without it.

The scores of unseen rows are taken apart by TreeSHAP over the whole ensemble (Lundberg et al. 2020); features
that belong together are added up before their size is taken, so that two that cancel out count for nothing.
What is used need not help: a story's columns are shuffled together (permutation importance: Breiman 2001;
Fisher, Rudin & Dominici 2019), and the metric is taken anew. The interval is over entities, drawn again with
replacement, of the mean over the shuffles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foretell.core.random import generator
from foretell.core.text import listing
from foretell.evaluation.bootstrap import interval, resample
from foretell.explain.asked import settled, with_rows_of
from foretell.explain.explanation import Estimate, Influence
from foretell.explain.reasons import Driver
from foretell.explain.stories import grouped, hops_of, path, path_words, plainness, story, table
from foretell.features.matrix import Categorical, Floats, Matrix
from foretell.features.model import Feature, FeatureSet
from foretell.models.criteria import Metric, title
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.task.model import Task, TaskKind

SHUFFLES = 2
REPETITIONS = 200
PLAIN = 0.3
"""From this correlation of ranks on a feature's effect has a plain direction."""
USED = 0.05
"""A story of this share of the model should show in the metric; where it does not, that is said."""
_COPY = "\x1f"


@dataclass(frozen=True)
class Parts:
    """The contributions of rows: `values` (rows, columns, outputs) in link space, of the model's columns.

    `output` is the one that directions are about: 0, or the commonest class.
    """

    X: Matrix
    values: Floats
    output: int = 0

    @classmethod
    def of(cls, fitted: FittedModel, data: Dataset) -> Parts:
        """The contributions of a model's scores; nets have none, and are not asked."""
        X = data.X
        values = fitted.contributions(X)
        if fitted.kind is not TaskKind.MULTICLASS:
            return cls(X, values[:, :, None])
        counts = np.bincount(data.y.astype(np.int64), minlength=values.shape[2])
        return cls(X, values, int(counts.argmax()))

    def size(self, places: Sequence[int]) -> float:
        """How far the columns together move a score, in the mean over rows and outputs."""
        return float(np.abs(self.values[:, list(places)].sum(axis=1)).mean())


def influences(
    parts: Parts, features: FeatureSet, task: Task
) -> tuple[tuple[Influence, ...], tuple[Influence, ...], tuple[Influence, ...]]:
    """Stories, paths and tables, each the strongest first; those that move nothing are left out."""
    known = {f.name: f for f in features.features}
    names = parts.X.names
    alone = np.abs(parts.values).mean(axis=(0, 2))  # (columns,)

    def listed(
        key: Callable[[Feature], str], words: Callable[[str, Sequence[int]], str], *, directed: bool
    ) -> tuple[Influence, ...]:
        groups = grouped(names, features, key)
        sizes = {k: parts.size(places) for k, places in groups.items()}
        whole = sum(sizes.values()) or 1.0
        found = []
        for k in sorted(sizes, key=lambda k: -sizes[k]):
            places = groups[k]
            if sizes[k] <= 1e-9:
                continue
            head = _head(places, names, alone, known)
            feature = known.get(names[head])
            found.append(
                Influence(
                    key=k,
                    text=words(k, places),
                    columns=len(places),
                    share=sizes[k] / whole,
                    effect=sizes[k],
                    direction=direction(parts, head) if directed else "",
                    table="" if feature is None else table(feature, task.entity.name),
                )
            )
        return tuple(found)

    def of_head(_: str, places: Sequence[int]) -> str:
        name = names[_head(places, names, alone, known)]
        return known[name].description if name in known else name

    def of_path(key: str, places: Sequence[int]) -> str:
        feature = known.get(names[places[0]])
        hops = hops_of(feature) if feature is not None else None
        return key if hops is None else path_words(hops, task)

    return (
        listed(story, of_head, directed=True),
        listed(path, of_path, directed=False),
        listed(lambda f: table(f, task.entity.name), lambda key, _: key, directed=False),
    )


def _head(places: Sequence[int], names: Sequence[str], alone: Floats, known: Mapping[str, Feature]) -> int:
    """The column that speaks for a story: the strongest, a plain one first."""
    weight = [alone[i] * plainness(known.get(names[i])) for i in places]
    return places[int(np.argmax(weight))]


def heads(parts: Parts, features: FeatureSet) -> dict[str, str]:
    """The column that speaks for each story."""
    known = {f.name: f for f in features.features}
    names, alone = parts.X.names, np.abs(parts.values).mean(axis=(0, 2))
    return {k: names[_head(p, names, alone, known)] for k, p in grouped(names, features, story).items()}


def direction(parts: Parts, place: int) -> str:
    """Which way a column works, where there is a plain one."""
    column = parts.X.columns[place]
    if isinstance(column, Categorical):
        return ""
    values, effects = column.values, parts.values[:, place, parts.output]
    usable = np.isfinite(values)
    if usable.sum() < 20 or np.ptp(values[usable]) == 0 or np.ptp(effects[usable]) == 0:
        return ""
    ranks = np.argsort(np.argsort(values[usable], kind="stable"), kind="stable")
    strength = float(np.corrcoef(ranks, effects[usable])[0, 1])
    if abs(strength) < PLAIN:
        return ""
    return "higher values raise it" if strength > 0 else "higher values lower it"


def shuffled(
    fitted: FittedModel,
    test: Dataset,
    groups: Mapping[str, Sequence[int]],
    metric: Metric,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """How much worse the metric gets on rows where each group's columns are shuffled together.

    Nothing of a metric that these rows do not define (AUROC of one class).
    """
    model = settled(fitted, test.X)
    said = {"": model.predict(test.X)}
    if not np.isfinite(metric.score(test.y, said[""])):
        return {}
    orders = [generator(seed, "shuffle", i).permutation(test.rows) for i in range(shuffles)]
    for key, places in groups.items():
        for i, order in enumerate(orders):
            said[f"{key}{_COPY}{i}"] = model.predict(with_rows_of(test.X, places, order))
    draws = resample(metric, test.y, said, test.groups, repetitions=REPETITIONS, seed=seed)
    return {
        key: worse(metric, test, said, "", [f"{key}{_COPY}{i}" for i in range(shuffles)], draws)
        for key in groups
    }


def worse(
    metric: Metric,
    test: Dataset,
    said: Mapping[str, Floats],
    whole: str,
    others: Sequence[str],
    draws: Mapping[str, Floats],
) -> Estimate:
    """By how much the others are worse than the whole in the mean, whichever way the metric runs."""
    sign = 1.0 if metric.higher_is_better else -1.0
    own = metric.score(test.y, said[whole])
    lost = sign * (own - float(np.mean([metric.score(test.y, said[o]) for o in others])))
    low, high = interval(sign * (draws[whole] - np.mean([draws[o] for o in others], axis=0)))
    return Estimate(lost, low, high)


def remarks(stories: Sequence[Influence], metric: Metric) -> tuple[str, ...]:
    """Where use and help disagree: the stories that the model uses and that do not help it on these rows."""
    idle = [s for s in stories if s.lost is not None and s.share >= USED and s.lost.low <= 0 <= s.lost.high]
    worse_with = [s for s in stories if s.lost is not None and s.share >= USED and s.lost.high < 0]
    found = []
    if idle:
        found.append(
            f"used, yet shuffled the model does no worse for sure ({title(metric.name)}): {_named(idle)}; "
            "others say the same, or it does not help"
        )
    if worse_with:
        found.append(
            f"used, yet shuffled the model is better ({title(metric.name)}): {_named(worse_with)}; what it "
            "has learned of that no longer holds"
        )
    return tuple(found)


def _named(stories: Sequence[Influence]) -> str:
    return listing([f"{s.text!r} ({s.share:.0%})" for s in stories])


def main_reasons(stories: Sequence[Influence], heads: Mapping[str, str], top: int = 8) -> tuple[Driver, ...]:
    """The strongest stories, as an answer names them."""
    return tuple(Driver(heads.get(s.key, s.key), s.text, s.share, s.direction) for s in stories[:top])


def with_losses(found: Sequence[Influence], lost: Mapping[str, Estimate]) -> tuple[Influence, ...]:
    """The same, with what the model loses without each."""
    return tuple(replace(f, lost=lost.get(f.key)) for f in found)
