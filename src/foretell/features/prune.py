"""Features that tell nothing new: those of one value, those that repeat an earlier one, and mere names.

Only training rows are looked at: what later rows hold must not decide what a model reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Matrix, Numeric, Values
from foretell.features.model import FeatureSet, OwnLabels
from foretell.features.texts import without_names

CONSTANT = "of one value"
REPEATED = "that repeat others"


def pruned(features: FeatureSet, matrix: Matrix, train: npt.NDArray[np.bool_]) -> FeatureSet:
    """The features without those that are constant, repeated or mere names on the rows of `train` (rows,).

    A missing value is a value. Two features repeat each other where they are equal bit for bit, categories by
    their names; the one of higher expected value stays. Past labels stay: the simple rules that a model is
    compared with read them. Where no feature varies, all stay.
    """
    rows = np.flatnonzero(train)
    features = without_names(features, matrix, train)
    seen: dict[Hashable, list[str]] = {}
    constant, repeated = [], []
    for feature in features.features:
        name, stays = feature.name, isinstance(feature.definition, OwnLabels)
        kind, held = _held(matrix[name], rows)
        if _is_constant(held):
            if not stays:
                constant.append(name)
            continue
        earlier = seen.setdefault((kind, zlib.crc32(held.data)), [])
        if not any(np.array_equal(_bits(held), _bits(_held(matrix[n], rows)[1])) for n in earlier):
            earlier.append(name)
        elif not stays:
            repeated.append(name)
    if len(constant) == len(features):
        return features
    return features.without(constant, CONSTANT).without(repeated, REPEATED)


def _held(column: Values, rows: npt.NDArray[np.intp]) -> tuple[Hashable, npt.NDArray[Any]]:
    """What is compared: the values, or the categories that occur and which of them each row has."""
    if isinstance(column, Numeric):
        return column.values.dtype, column.values[rows]
    codes, places = np.unique(column.codes[rows], return_inverse=True)
    words = [column.categories[c] if c >= 0 else None for c in codes]
    order = sorted(range(len(words)), key=lambda i: (words[i] is not None, words[i] or ""))
    return tuple(words[i] for i in order), np.argsort(order)[places]


def _bits(held: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return held.view(np.uint8)


def _is_constant(held: npt.NDArray[Any]) -> bool:
    if held.dtype.kind == "f" and np.isnan(held[:1]).all():
        return bool(np.isnan(held).all())
    return bool((held == held[:1]).all())
