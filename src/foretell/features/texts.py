"""Free text: which columns of a matrix hold it, and which of those hold names, which say who but not what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Categorical, Matrix, Text
from foretell.features.model import FeatureSet, Kind

FEWEST_WORDS = 2.5
"""Texts of fewer words on average are names: surnames, codes, cities."""
NAMES = "that hold names rather than text"


def with_texts(matrix: Matrix, features: FeatureSet) -> Matrix:
    """The matrix with the columns of text features as `Text`."""
    wanted = {f.name for f in features.features if f.kind is Kind.TEXT}
    if not wanted:
        return matrix
    columns = tuple(
        Text(c.codes, c.categories) if n in wanted and isinstance(c, Categorical) else c
        for n, c in zip(matrix.names, matrix.columns)
    )
    return replace(matrix, columns=columns)


def without_names(features: FeatureSet, matrix: Matrix, train: npt.NDArray[np.bool_]) -> FeatureSet:
    """The features without those text columns that hold names on the rows of `train` (rows,)."""
    held = ((n, c) for n, c in zip(matrix.names, matrix.columns) if isinstance(c, Text))
    names = [n for n, column in held if words_a_text(column, train) < FEWEST_WORDS]
    return features.without(names, NAMES) if len(names) < len(features) else features


def words_a_text(column: Text, rows: npt.NDArray[np.bool_]) -> float:
    """How many words the different texts of those rows have on average; 0 where there is none.

    >>> column = Text(np.array([0, 1, 1, -1], dtype=np.int32), ("a red door", "a door"))
    >>> words_a_text(column, np.array([True, True, True, True]))
    2.5
    """
    codes = column.codes[rows]
    found = np.unique(codes[codes >= 0])
    return float(np.mean([len(column.categories[c].split()) for c in found])) if len(found) else 0.0
