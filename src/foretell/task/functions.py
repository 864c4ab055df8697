"""The scalar functions of the language: one row each, with what they take and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from foretell.schema.model import DType

Kind: TypeAlias = Literal["number", "text", "time", "boolean", "same", "unit"]
"""What an argument may be. 'same': of one type with the other 'same' arguments. 'unit': 'day', 'hour', …"""


@dataclass(frozen=True)
class Scalar:
    """`takes` lists the arguments; the last `optional` may be left out; `repeats` lets the last one repeat.

    `gives` is the result's type, or 'same' (of the 'same' or number arguments: integer if all are).
    """

    name: str
    takes: tuple[Kind, ...]
    gives: DType | Literal["same"]
    optional: int = 0
    repeats: bool = False

    @property
    def at_least(self) -> int:
        return len(self.takes) - self.optional

    def kind_of(self, index: int) -> Kind:
        return self.takes[min(index, len(self.takes) - 1)]

    def fits(self, count: int) -> bool:
        return count >= self.at_least and (self.repeats or count <= len(self.takes))

    def __str__(self) -> str:
        """How it is called: `ROUND(number[, number])`."""
        needed = ", ".join(self.takes[: self.at_least])
        rest = "".join(f"[, {kind}]" for kind in self.takes[self.at_least :])
        return f"{self.name}({needed}{rest}{', …' if self.repeats else ''})"


_NUMBER, _TEXT = DType.FLOAT, DType.TEXT
_PARTS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFWEEK", "DAYOFYEAR", "HOUR", "MINUTE", "SECOND")

SCALARS: dict[str, Scalar] = {
    f.name: f
    for f in (
        Scalar("ABS", ("number",), "same"),
        Scalar("SIGN", ("number",), DType.INTEGER),
        Scalar("ROUND", ("number", "number"), _NUMBER, optional=1),
        Scalar("FLOOR", ("number",), _NUMBER),
        Scalar("CEIL", ("number",), _NUMBER),
        Scalar("LN", ("number",), _NUMBER),
        Scalar("EXP", ("number",), _NUMBER),
        Scalar("SQRT", ("number",), _NUMBER),
        Scalar("POWER", ("number", "number"), _NUMBER),
        Scalar("LEAST", ("same", "same"), "same", repeats=True),
        Scalar("GREATEST", ("same", "same"), "same", repeats=True),
        Scalar("COALESCE", ("same", "same"), "same", repeats=True),
        Scalar("NULLIF", ("same", "same"), "same"),
        Scalar("IF", ("boolean", "same", "same"), "same", optional=1),
        Scalar("LOWER", ("text",), _TEXT),
        Scalar("UPPER", ("text",), _TEXT),
        Scalar("TRIM", ("text",), _TEXT),
        Scalar("LENGTH", ("text",), DType.INTEGER),
        Scalar("SUBSTRING", ("text", "number", "number"), _TEXT, optional=1),
        Scalar("CONCAT", ("text", "text"), _TEXT, repeats=True),
        Scalar("REPLACE", ("text", "text", "text"), _TEXT),
        # Sunday is 0 in DAYOFWEEK; WEEK is the ISO week.
        *(Scalar(part, ("time",), DType.INTEGER) for part in _PARTS),
        Scalar("DATE_TRUNC", ("unit", "time"), DType.TIMESTAMP),
        # Whole units crossed from the first time to the second, as DATE_DIFF counts them in DuckDB.
        Scalar("DATE_DIFF", ("unit", "time", "time"), DType.INTEGER),
    )
}
"""Every scalar function but CAST, which is written CAST(x AS type)."""

ALIASES = {
    "CEILING": "CEIL",
    "POW": "POWER",
    "IFNULL": "COALESCE",
    "NVL": "COALESCE",
    "IIF": "IF",
    "IFF": "IF",
    "LCASE": "LOWER",
    "UCASE": "UPPER",
    "SUBSTR": "SUBSTRING",
    "LEN": "LENGTH",
    "CHAR_LENGTH": "LENGTH",
    "DATEDIFF": "DATE_DIFF",
    "DAYOFMONTH": "DAY",
}
"""Other names that mean the same; the binder writes the name on the right."""

CASTS: dict[str, DType] = {
    "INTEGER": DType.INTEGER,
    "FLOAT": DType.FLOAT,
    "TEXT": DType.TEXT,
    "BOOLEAN": DType.BOOLEAN,
    "TIMESTAMP": DType.TIMESTAMP,
    "DATE": DType.TIMESTAMP,  # cut to midnight
}
"""The types of CAST."""

DATE_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")

NUMBERS = frozenset({DType.INTEGER, DType.FLOAT})


def widest(types: Sequence[DType | None]) -> DType | None:
    """The one type that holds them all, None (NULL) aside; raises ValueError where there is none.

    >>> widest([DType.INTEGER, None, DType.FLOAT])
    <DType.FLOAT: 'float'>
    """
    known = {t for t in types if t is not None}
    if not known:
        return None
    if known <= NUMBERS:
        return DType.FLOAT if DType.FLOAT in known else DType.INTEGER
    if len(known) == 1:
        return known.pop()
    raise ValueError("no common type")
