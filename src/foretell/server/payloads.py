"""What a client may send: typed, bounded, and nothing beside it."""

from __future__ import annotations

from typing import Annotated, Literal

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


Names = Annotated[list[Name], Field(max_length=64)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
"""A model's name, or a job's id."""
Seconds = Annotated[float, Field(ge=1, le=3600)]
Moment = Annotated[str, Field(min_length=1, max_length=40)]
Number = Annotated[int, Field(ge=1, le=1_000_000_000)]
Value = (
    Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, Field()]
    | Annotated[str, Field(max_length=512)]
)
"""A key's value."""


class TableCorrection(Payload):
    """What is set for a table; null takes a setting back: it is found anew. `time` "": it has none."""

    primary_key: Names | None = None
    time: Annotated[str, Field(max_length=512)] | None = None
    ignore: bool | None = None


class LinkCorrection(Payload):
    """A link, each side as "table.column" texts. `ignore`: there is none; `forget`: find it anew."""

    child: Annotated[list[Name], Field(min_length=1, max_length=16)]
    parent: Annotated[list[Name], Field(max_length=16)] = []
    ignore: bool = False
    forget: bool = False


class Correction(Payload):
    """What a person says of the schema, beside what foretell.toml says already."""

    tables: Annotated[dict[Name, TableCorrection], Field(max_length=1000)] = {}
    links: Annotated[list[LinkCorrection], Field(max_length=1000)] = []


class Ask(Payload):
    """Answer a question: labels, backtest, model, reasons, predictions."""

    kind: Literal["ask"]
    query: Text
    time_limit: Seconds = 30.0
    model: Literal["auto", "baseline", "trees", "deep"] = "auto"


class OfModel(Payload):
    """With a registered model: score everybody, compare with what happened, look for harm, or report."""

    kind: Literal["predict", "grade", "monitor", "report"]
    model: Id


class Retrain(Payload):
    """Train a challenger, and let it replace the champion where it is surely better."""

    kind: Literal["retrain"]
    model: Id
    promote: Literal["if-better", "never"] = "if-better"


class Look(Payload):
    """Look for patterns: behind a query's answer, in a table's history, or in that of the main tables."""

    kind: Literal["patterns"]
    query: Text | None = None
    table: Name | None = None
    time_limit: Seconds = 60.0


class Reopen(Payload):
    """Read the database anew: what is held is as it was when the server started, or this was last done."""

    kind: Literal["reopen"]


JobAsked = Annotated[Ask | OfModel | Retrain | Look | Reopen, Field(discriminator="kind")]


class Keep(Payload):
    """Under which name the model of an answer is kept."""

    name: Id


class Promote(Payload):
    """The version that shall answer, and the epoch at which its caller saw the model."""

    version: Number
    epoch: Annotated[int, Field(ge=0, le=2**53)]


class Entity(Payload):
    """Whom a score is of: the key, a list for a key of several columns. `as_of` is a date or a time."""

    entity: Value | Annotated[list[Value], Field(min_length=1, max_length=16)]
    as_of: Moment | None = None


class Scoring(Entity):
    """A score, and its reasons where `explain` says so."""

    explain: bool = False


class Fault(BaseModel):
    """What went wrong. `start` and `end` are there where a query's text is at fault."""

    error: str
    message: str
    mend: str | None = None
    examples: list[str] = []
    start: int | None = None
    end: int | None = None
