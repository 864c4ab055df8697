"""Semantic types: what the values of a column mean."""

from __future__ import annotations

from foretell.discovery.names import FREE_TEXT, says_key, vocabulary, words
from foretell.discovery.profile import ColumnFacts, TableFacts
from foretell.schema.model import DType, Evidence, Origin, Semantic

FEW_CODES = 50
"""Whole numbers with at most so many distinct values and a code's name are categories."""
FEW_TEXTS = 1000
FLAG_WORDS = vocabulary(
    """
    is has was had can flag ind indicator enabled active deleted yn bool ist hat
    """
)
CODE_WORDS = vocabulary(
    """
    type class kind category cat status state code group level grade mode stage tier segment gender sex
    format method channel source reason result outcome typ klasse status art
    """
)
FLAG_TEXTS = vocabulary("t f y n yes no true false 0 1 ja nein j oui non si")


def semantic_type(
    table: TableFacts, column: ColumnFacts, *, is_time: bool, is_key: bool, is_link: bool
) -> tuple[Semantic, Evidence]:
    """The meaning of one column, with its reason."""

    def said(kind: Semantic, confidence: float, reason: str) -> tuple[Semantic, Evidence]:
        return kind, Evidence(Origin.INFERRED, confidence, (reason,))

    name = set(words(table.bare(column.name)))
    if is_time:
        return said(Semantic.TIME, 0.99, "holds times")
    if is_key:
        return said(Semantic.IDENTIFIER, 0.99, "part of the key")
    if is_link:
        return said(Semantic.IDENTIFIER, 0.99, "points at another table")
    if column.dtype is DType.BOOLEAN:
        return said(Semantic.BOOLEAN, 1.0, "stored as a boolean")
    if column.dtype is DType.FLOAT:
        return said(Semantic.NUMERIC, 0.95, "stored as a number")
    if column.dtype is DType.OTHER:
        return said(Semantic.TEXT, 0.5, "of a type that no feature reads")
    if column.dtype is DType.TIMESTAMP:
        return said(Semantic.TIME, 0.99, "stored as a time")
    if column.dtype is DType.INTEGER:
        if (
            column.distinct
            and column.low >= 0
            and column.high <= 1
            and (name & FLAG_WORDS or column.distinct == 2)
        ):
            return said(Semantic.BOOLEAN, 0.9 if name & FLAG_WORDS else 0.7, "only 0 and 1")
        if column.distinct <= FEW_CODES and name & CODE_WORDS:
            return said(Semantic.CATEGORICAL, 0.85, f"{column.distinct} whole numbers, named as a code")
        if says_key(table.bare(column.name)):
            if column.distinct <= 200 and column.distinct * 5 <= column.filled:
                return said(
                    Semantic.CATEGORICAL, 0.7, f"a code of {column.distinct} values, named as a reference"
                )
            return said(Semantic.IDENTIFIER, 0.8, "named as a reference")
        return said(Semantic.NUMERIC, 0.85, "whole numbers")
    return _text(column, name, said_key=says_key(table.bare(column.name)))


def _text(column: ColumnFacts, name: set[str], *, said_key: bool) -> tuple[Semantic, Evidence]:
    def said(kind: Semantic, confidence: float, reason: str) -> tuple[Semantic, Evidence]:
        return kind, Evidence(Origin.INFERRED, confidence, (reason,))

    values = {str(v).strip().lower() for v in (column.low, column.high) if v is not None}
    if 1 <= column.distinct <= 2 and values <= FLAG_TEXTS:
        return said(Semantic.BOOLEAN, 0.85, f"only {' and '.join(sorted(values))}")
    spread = column.distinct / column.filled if column.filled else 1.0
    few = column.distinct <= 30 and column.mean_length <= 120
    if few or (column.distinct <= FEW_TEXTS and spread <= 0.2 and column.mean_length <= 60):
        return said(Semantic.CATEGORICAL, 0.9, f"{column.distinct} distinct texts")
    if said_key and spread > 0.5:
        return said(Semantic.IDENTIFIER, 0.8, "named as a reference")
    if column.mean_length > 40 or name & FREE_TEXT:
        return said(Semantic.TEXT, 0.85, "long or free text")
    if spread >= 0.98 and column.mean_length <= 40:
        return said(Semantic.IDENTIFIER, 0.7, "nearly every value is different")
    if spread <= 0.5:
        return said(Semantic.CATEGORICAL, 0.7, f"{column.distinct} distinct texts")
    return said(Semantic.TEXT, 0.6, "many different texts")
