"""How a net is built and trained, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from foretell.graph import Fanout

NODE_SECONDS = 6e-6
"""What each row of a neighbourhood costs, each time that it is trained on, on one thread."""


@dataclass(frozen=True)
class Recipe:
    """Sizes of a net, and its training: AdamW under one cycle of the rate (Smith & Topin 2019)."""

    fanout: Fanout = field(default_factory=Fanout)
    width: int = 64
    heads: int = 4
    dropout: float = 0.1
    rate: float = 2e-3
    decay: float = 1e-2
    epochs: int = 12
    batch: int = 128

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(**{**record, "fanout": Fanout(**record["fanout"])})


def seconds(recipe: Recipe, rows: int, nodes: int) -> float:
    """About what training one copy costs on one thread, `nodes` rows to a neighbourhood.

    >>> round(seconds(Recipe(), 1_000, 64), 1)
    4.6
    """
    return rows * recipe.epochs * nodes * NODE_SECONDS


def recipe_for(rows: int) -> Recipe:
    """The first recipe for so many training rows: the more rows, the fewer and the larger steps.

    >>> recipe_for(1_000).epochs, recipe_for(100_000).epochs
    (12, 4)
    """
    if rows < 4_000:
        return Recipe()
    if rows < 40_000:
        return replace(Recipe(), epochs=6, batch=256)
    return replace(Recipe(), epochs=4, batch=512)
