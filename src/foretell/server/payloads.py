"""What a client may send: typed, bounded, and nothing beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from foretell.query.tokens import MAX_TEXT

Text = Annotated[str, Field(max_length=MAX_TEXT)]
"""A query."""
Name = Annotated[str, Field(min_length=1, max_length=512)]
"""A table's or a column's name: any text that a database may have."""


class Payload(BaseModel):
    """The base of all: strict types, no field that is not known, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Query(Payload):
    """A query in the language of the reference."""

    query: Text


class QueryAt(Payload):
    """A query that is being written, and where the caret stands in it (in characters)."""

    query: Text
    position: Annotated[int, Field(ge=0, le=MAX_TEXT)]


class Fault(BaseModel):
    """What went wrong. `start` and `end` are there where a query's text is at fault."""

    error: str
    message: str
    mend: str | None = None
    examples: list[str] = []
    start: int | None = None
    end: int | None = None
