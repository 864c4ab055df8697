"""The learner of the relational net: the fan-out and the number of epochs are chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass

from foretell.core.lazy import require
from foretell.models.base import Context
from foretell.models.dataset import Dataset
from foretell.models.net.encoding import Encoding
from foretell.models.net.fitted import NetFitted
from foretell.models.net.inputs import Columns, Scale
from foretell.models.net.recipe import Recipe, recipe_for
from foretell.task.model import TaskKind

COPIES = 3
"""Nets from different seeds whose scores are averaged."""


@dataclass(frozen=True)
class NetLearner:
    """Trains copies of the relational net; with `valid` each keeps the epoch that foretells it best."""

    name: str = "net"
    recipe: Recipe | None = None
    copies: int = COPIES

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> NetFitted:
        require("torch", extra="deep")
        from foretell.models.net.training import trained, validated

        recipe = recipe_for(train.rows) if self.recipe is None else self.recipe
        net = NetFitted(
            name=self.name,
            kind=context.kind,
            classes=context.classes if context.kind is TaskKind.MULTICLASS else (),
            recipe=recipe,
            schema="",
            encoding=Encoding({}),
            columns=Columns(()),
            scale=Scale(),
            epochs=(recipe.epochs,) * self.copies,
            weights=(),
        )
        return trained(net, train, context) if valid is None else validated(net, train, valid, context)
