"""The recipe of a model: what was asked of its training, so that it can be trained again in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretell.models.choice import choice_of
from foretell.prediction.learn import Budget
from foretell.schema.breadth import DEFAULT, FeatureSettings, breadth_of, windows_of


@dataclass(frozen=True)
class Recipe:
    """The budget of a training, and the settings of its features.

    >>> Recipe.of(Recipe(Budget(300.0, seed=7)).to_dict()).budget.seed
    7
    """

    budget: Budget
    settings: FeatureSettings = DEFAULT

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON-ready values."""
        settings = self.settings
        return {
            "time_limit": self.budget.seconds,
            "seed": self.budget.seed,
            "model": self.budget.choice.value,
            "features": settings.breadth.value,
            "budget": settings.budget,
            "windows": [f"{w.amount:g} {w.unit.value}" for w in settings.windows],
            "include": list(settings.include),
            "exclude": list(settings.exclude),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Recipe:
        """Read back what `to_dict` wrote."""
        settings = FeatureSettings(
            breadth_of(record["features"]),
            record["budget"],
            windows_of(record["windows"]) if record["windows"] else (),
            tuple(record["include"]),
            tuple(record["exclude"]),
        )
        return cls(Budget(record["time_limit"], record["seed"], choice_of(record["model"])), settings)
