"""The learner of the relational net: the fan-out and the number of epochs are chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from foretell.core.lazy import require
from foretell.graph import Fanout
from foretell.graph.tree import most_nodes
from foretell.models.base import Context
from foretell.models.criteria import losses
from foretell.models.dataset import Dataset
from foretell.models.net.encoding import Encoding
from foretell.models.net.fitted import NetFitted, neighbourhood
from foretell.models.net.inputs import Columns, Scale
from foretell.models.net.recipe import Recipe, recipe_for, seconds
from foretell.task.model import TaskKind

COPIES = 3
"""Nets from different seeds whose scores are averaged."""
FANOUTS = (Fanout(near=32, far=4), Fanout(hops=3), Fanout(near=16, spread=True))
"""What is tried beside the recipe's own fan-out where time allows: more rows, further ones, older ones."""


@dataclass(frozen=True)
class NetLearner:
    """Trains copies of the relational net; with `valid` each keeps the epoch that foretells it best.

    `fanouts` are tried beside that of `recipe`, as far as time allows by estimate.
    """

    name: str = "net"
    recipe: Recipe | None = None
    copies: int = COPIES
    fanouts: tuple[Fanout, ...] = FANOUTS

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> NetFitted:
        require("torch", extra="deep")
        from foretell.models.net.training import trained, validated

        recipe = recipe_for(train.distinct) if self.recipe is None else self.recipe
        net = _untrained(self.name, recipe, self.copies, context)
        if valid is None:
            return trained(net, train, context)
        others = self._affordable(recipe, train, context)
        if not others:
            return validated(net, train, valid, context, range(self.copies))
        first = [
            validated(replace(net, recipe=r), train, valid, context, range(1)) for r in (recipe, *others)
        ]
        chosen = _clearly_best(first, valid, context)
        rest = validated(chosen, train, valid, context, range(1, self.copies))
        return replace(rest, epochs=chosen.epochs + rest.epochs, weights=chosen.weights + rest.weights)

    def _affordable(self, recipe: Recipe, train: Dataset, context: Context) -> list[Recipe]:
        """Recipes of other fan-outs that there is time for, beside all copies of the first."""
        graph, left = neighbourhood(train.X).graph, context.seconds * max(1, context.threads)

        def cost(other: Recipe) -> float:
            return seconds(other, train.distinct, most_nodes(graph.tree(other.fanout)))

        left -= self.copies * cost(recipe)
        found = []
        for fanout in self.fanouts:
            other = replace(recipe, fanout=fanout)
            # If it is chosen, the other copies cost as much each.
            if self.copies * cost(other) <= left:
                found.append(other)
                left -= cost(other)
        return found


def _untrained(name: str, recipe: Recipe, copies: int, context: Context) -> NetFitted:
    return NetFitted(
        name=name,
        kind=context.kind,
        classes=context.classes if context.kind is TaskKind.MULTICLASS else (),
        recipe=recipe,
        schema="",
        encoding=Encoding({}),
        columns=Columns(()),
        scale=Scale(),
        epochs=(recipe.epochs,) * copies,
        weights=(),
    )


def _clearly_best(nets: list[NetFitted], valid: Dataset, context: Context) -> NetFitted:
    """The net of least loss, unless the first is within a standard error: a validation period is short."""
    held = [losses(n.kind, context.criterion, valid.y, n.predict(valid.X)) for n in nets]
    best = int(np.argmin([each.mean() for each in held]))
    saved = held[0] - held[best]
    error = float(saved.std(ddof=1) / np.sqrt(len(saved))) if len(saved) > 1 else np.inf
    return nets[best] if float(saved.mean()) > error else nets[0]
