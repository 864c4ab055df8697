"""Long answers by the page."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
from fastapi import Query

MOST = 1000
Limit = Annotated[int, Query(ge=1, le=MOST)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]


def page_of(table: pa.Table, limit: int, offset: int) -> dict[str, Any]:
    """Some rows of a table, and how many there are."""
    rows = table.slice(offset, limit).to_pylist() if offset < table.num_rows else []
    return {"rows": rows, "offset": offset, "limit": limit, "total": table.num_rows}
