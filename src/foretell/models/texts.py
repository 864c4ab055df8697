"""Texts as a few numbers: the directions in which their words differ most.

Words (of short texts, parts of words) are counted under hashes, weighed by how rare they are, and projected
on the first singular vectors of the training rows' texts: latent semantic analysis (Deerwester et al. 1990)
on hashed n-grams (Weinberger et al. 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

from foretell.core.lazy import require
from foretell.core.random import generator
from foretell.features.matrix import Categorical, Floats, Text

GRAMS = 1024
"""How many hashes there are."""
DIRECTIONS = 8
LONGEST = 1_000
"""Characters of a text that are read."""
SHORT = 60
"""Texts that are shorter on average are read by parts of words: of three and four characters."""
MOST_TEXTS = 10_000
"""How many different texts the directions are learned from."""
DIGITS = 5

Grams: TypeAlias = Literal["word", "char_wb"]


@dataclass(frozen=True)
class TextTable:
    """How the texts of a column become numbers, learned on training rows.

    `rarity` (GRAMS,) weighs each hash; `directions` are k rows of (GRAMS,).
    """

    column: str
    grams: Grams
    rarity: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> int:
        """How many numbers a text becomes: one a direction, and its length."""
        return len(self.directions) + 1

    def encode(self, column: Categorical) -> list[Floats]:
        """`width` columns of (rows,): the text along each direction, and log1p of its length in characters.

        Missing texts are nan; a text without any known word is at 0 of every direction.
        """
        if not column.categories:
            return [np.full(len(column.codes), np.nan) for _ in range(self.width)]
        weighed = _weighed(_counted(column.categories, self.grams), np.asarray(self.rarity))
        places = weighed @ np.asarray(self.directions).reshape(-1, GRAMS).T  # (texts, k)
        lengths = np.log1p([len(text) for text in column.categories])
        missing = np.full((1, self.width), np.nan)
        held = np.vstack([np.column_stack([places, lengths]), missing])
        return list(held[column.codes].T)


def fit_text_table(name: str, column: Text, seed: int = 0) -> TextTable:
    """The rules for the texts that occur in the column, each counted once."""
    found = np.unique(column.codes[column.codes >= 0])
    if len(found) > MOST_TEXTS:
        found = np.sort(generator(seed, "texts", name).permutation(found)[:MOST_TEXTS])
    texts = tuple(column.categories[c] for c in found)
    short = len(texts) > 0 and float(np.mean([len(t) for t in texts])) <= SHORT
    grams: Grams = "char_wb" if short else "word"
    counts = _counted(texts, grams)
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    rarity = np.log((1 + len(texts)) / (1 + seen)) + 1  # as scikit-learn smooths it
    k = min(DIRECTIONS, len(texts) - 1)
    directions: tuple[tuple[float, ...], ...] = ()
    if k > 0 and counts.nnz:
        svd = require("sklearn.decomposition").TruncatedSVD(k, random_state=0)
        svd.fit(_weighed(counts, rarity))
        directions = tuple(tuple(_rounded(row)) for row in svd.components_)
    return TextTable(name, grams, tuple(_rounded(rarity)), directions)


def _rounded(values: Floats) -> list[float]:
    """The values as they are kept: a model file holds thousands of them."""
    return [float(f"{v:.{DIGITS}g}") for v in values.tolist()]


@lru_cache(maxsize=16)
def _counted(texts: tuple[str, ...], grams: Grams) -> Any:
    """(texts, GRAMS) sparse: log-damped counts. Every learner asks for the same ones again."""
    if not texts:
        return require("scipy.sparse").csr_matrix((0, GRAMS))
    reader = require("sklearn.feature_extraction.text").HashingVectorizer(
        n_features=GRAMS,
        analyzer=grams,
        ngram_range=(3, 4) if grams == "char_wb" else (1, 1),
        alternate_sign=False,
        norm=None,
    )
    counts = reader.transform(text[:LONGEST] for text in texts)
    counts.data = 1 + np.log(counts.data)
    return counts


def _weighed(counts: Any, rarity: Floats) -> Any:
    """The counts times the rarity, each text scaled to length 1."""
    normalize = require("sklearn.preprocessing").normalize
    return normalize(counts @ require("scipy.sparse").diags(rarity))
