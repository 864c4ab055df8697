"""Trees on what the best simple rule leaves over: score = the rule's + the trees'.

Trees repeat levels that they have seen. An entity far above all others, or a level that drifts, is better
followed by its own past mean, which the trees then correct (benchmarks/LOG.md has the figures).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files, Fitted
from foretell.models.baselines import Baseline, fit_baselines
from foretell.models.dataset import Dataset
from foretell.models.trees import TreeFitted, TreeLearner, TreeRecipe


@dataclass(frozen=True)
class RestFitted:
    """A rule, and trees fitted to the labels less its values. `share` is the rule's in the importance."""

    name: str
    rule: Baseline
    trees: TreeFitted
    share: float

    def predict(self, X: Matrix) -> Floats:
        return self.rule.predict(X) + self.trees.predict(X)

    def contributions(self, X: Matrix) -> Contributions:
        rule, trees = self.rule.contributions(X), self.trees.contributions(X)
        return Contributions(rule.names, rule.values + trees.values, rule.base + trees.base)

    def importance(self) -> dict[str, float]:
        out = {n: (1 - self.share) * s for n, s in self.trees.importance().items()}
        for name, part in self.rule.importance().items():
            out[name] = out.get(name, 0.0) + self.share * part
        return out

    def refit(self, data: Dataset, context: Context) -> RestFitted:
        rule = self.rule.refit(data, context)
        return replace(self, rule=rule, trees=self.trees.refit(_rest(data, rule), context))

    def agreed(self, others: Sequence[Fitted]) -> RestFitted:
        """As many trees as the folds agree on."""
        return replace(self, trees=self.trees.agreed([o.trees for o in others if isinstance(o, RestFitted)]))

    def dump(self) -> dict[str, str]:
        held = {"name": self.name, "rule": self.rule.dump(), "share": self.share}
        return {"rest.json": json.dumps(held), **self.trees.dump()}

    @classmethod
    def load(cls, files: Files) -> Self:
        held = json.loads(files["rest.json"])
        return cls(held["name"], Baseline.load(held["rule"]), TreeFitted.load(files), held["share"])


@dataclass(frozen=True)
class RestLearner:
    """For regressions that have a rule better than the constant; see `best_rule`."""

    recipe: TreeRecipe

    @property
    def name(self) -> str:
        return f"{self.recipe.name}_on_rule"

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> RestFitted:
        rule = best_rule(train, context)
        held = None if valid is None else _rest(valid, rule)
        trees = TreeLearner(self.recipe).fit(_rest(train, rule), held, context)
        told, added = float(rule.predict(train.X).std()), float(trees.predict(train.X).std())
        return RestFitted(self.name, rule, trees, told / (told + added) if told + added > 0 else 0.0)


def best_rule(data: Dataset, context: Context) -> Baseline:
    """The baseline that errs least on these rows: the constant or a mean. A last value is too noisy."""
    rules = {n: r for n, r in fit_baselines(data, context).items() if n not in ("last", "season")}
    gains = {n: context.criterion.gain(data.y, r.predict(data.X)) for n, r in rules.items()}
    return rules[max(gains, key=lambda n: np.nan_to_num(gains[n], nan=-np.inf))]


def _rest(data: Dataset, rule: Baseline) -> Dataset:
    return replace(data, y=data.y - rule.predict(data.X))
