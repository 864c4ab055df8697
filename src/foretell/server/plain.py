"""Values as JSON that every reader takes: no NaN, no infinity, no half characters, times as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from fastapi.responses import JSONResponse

LARGEST_WHOLE = 2**53
"""Whole numbers beyond it are told as text: a browser would round them."""


def plain(value: Any) -> Any:
    """The value in JSON's own types; what is not a finite number is None.

    >>> plain({"a": float("nan"), "b": (1, 2.5), 3: 2**60})
    {'a': None, 'b': [1, 2.5], '3': '1152921504606846976'}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_WHOLE else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return plain(float(value))
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value[:64].hex()
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return plain(value.tolist())
    return str(value)


class Plain(JSONResponse):
    """A JSON answer of such values."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")
