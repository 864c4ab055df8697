"""How a TabM is built and trained, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

WEIGHTS_A_SECOND = 6e9
"""How many weights one thread trains in a second, each counted once for every row and member."""


@dataclass(frozen=True)
class Recipe:
    """TabM-mini of Gorishniy et al. (2024), without embeddings of numbers: on a processor they made training
    seven times as long, and no better (benchmarks/LOG.md).
    """

    members: int = 32
    width: int = 128
    blocks: int = 2
    dropout: float = 0.1
    rate: float = 2e-3
    decay: float = 3e-4
    batch: int = 256
    epochs: int = 40
    patience: int = 8


def seconds(rows: int, columns: int, threads: int, recipe: Recipe | None = None) -> float:
    """About what one training takes on `threads` of a processor, half of the epochs being enough.

    >>> round(seconds(5_000, 400, 1))
    36
    """
    chosen = recipe or Recipe()
    weights = chosen.width * (columns + chosen.width * (chosen.blocks - 1)) * chosen.members
    return weights * rows * chosen.epochs / 2 / WEIGHTS_A_SECOND / max(1, threads)
