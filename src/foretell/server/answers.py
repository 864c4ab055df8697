"""What a client gets, as the OpenAPI document tells it: the answers that a program takes apart."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from foretell.server.payloads import Fault


class DatabaseTold(BaseModel):
    """The database that is served. `stage` is where opening it stands."""

    name: str | None
    state: Literal["opening", "ready", "failed", "none"]
    stage: str
    error: Fault | None


class AboutTold(BaseModel):
    """What is served."""

    version: str
    database: DatabaseTold
    models: int


class EvidenceTold(BaseModel):
    """Why something is believed, with a confidence of 0 to 1."""

    origin: Literal["declared", "inferred", "configured"]
    confidence: float
    reasons: list[str]
    text: str


class ColumnTold(BaseModel):
    """A column. `dtype` is how its values are stored, `semantic` what they mean."""

    name: str
    dtype: str
    semantic: str
    native: str
    nullable: bool
    known_at: str | None
    distinct: int | None
    null_fraction: float | None
    ignored: bool
    evidence: EvidenceTold | None


class TableTold(BaseModel):
    """A table."""

    name: str
    rows: int
    columns: list[ColumnTold]
    primary_key: list[str]
    key_evidence: EvidenceTold | None
    time_column: str | None
    time_evidence: EvidenceTold | None
    end_time: str | None
    available_after: str | None
    ignored: bool


class LinkTold(BaseModel):
    """A foreign key: rows of `child` point at one row of `parent`."""

    name: str
    child: str
    child_columns: list[str]
    parent: str
    parent_columns: list[str]
    coverage: float | None
    null_fraction: float | None
    evidence: EvidenceTold | None


class SchemaTold(BaseModel):
    """The schema. `can_correct`: there is a foretell.toml to write to."""

    name: str | None
    timezone: str | None
    tables: list[TableTold]
    links: list[LinkTold]
    notes: list[str]
    can_correct: bool


class CheckTold(BaseModel):
    """What a query means."""

    description: str
    canonical: str
    kind: str
    entity: str
    warnings: list[str]


class SuggestionTold(BaseModel):
    """A text that may replace the characters `start` to `end`."""

    text: str
    kind: str
    detail: str
    start: int
    end: int


class SuggestionsTold(BaseModel):
    """What may stand at the caret, the likeliest first."""

    suggestions: list[SuggestionTold]


class JobTold(BaseModel):
    """How far a job is. `fraction` is of its stage, 0 to 1."""

    id: str
    kind: str
    asked: dict[str, Any]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str
    fraction: float | None
    made: str
    started: str | None
    seconds: float | None
    notes: list[str]
    has_result: bool
    error: Fault | None


class JobsTold(BaseModel):
    """The jobs that are remembered, the latest first."""

    jobs: list[JobTold]


class PlotTold(BaseModel):
    """A plot, and what it shows in words."""

    name: str
    title: str
    alt: str


class PlotsTold(BaseModel):
    """The plots there are."""

    plots: list[PlotTold]


class StandingTold(BaseModel):
    """Which versions of a model answer. `epoch` goes up with every change of them."""

    name: str
    epoch: int
    champion: int | None
    challenger: int | None


def told(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: what it gives where all is well."""
    return {200: {"model": model}}
