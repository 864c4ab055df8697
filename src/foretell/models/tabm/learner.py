"""The learner of TabM: the number of epochs is chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass, field

from foretell.core.lazy import require
from foretell.models.base import Context
from foretell.models.dataset import Dataset
from foretell.models.tabm.fitted import TabMFitted
from foretell.models.tabm.recipe import Recipe


@dataclass(frozen=True)
class TabMLearner:
    """Trains until the validation rows are foretold no better; without them half of the recipe's epochs."""

    name: str = "tabm"
    recipe: Recipe = field(default_factory=Recipe)

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> TabMFitted:
        require("tabm", extra="deep")
        from foretell.models.tabm.training import trained, validated

        if valid is None:
            return trained(self.name, self.recipe, train, self.recipe.epochs // 2, context)
        return validated(self.name, self.recipe, train, valid, context)
