"""A query while it is written: what it means, where it is at fault, how it may go on, what it counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from foretell.core.errors import ForetellError
from foretell.prediction.batch import describe_task
from foretell.query.format import format_expr, format_query
from foretell.query.parser import parse
from foretell.server.answers import CheckTold, SuggestionsTold, told
from foretell.server.completion import complete as completed
from foretell.server.payloads import Query, QueryAt
from foretell.server.service import Here, Service
from foretell.task.bind import bind

router = APIRouter(tags=["query"], prefix="/query")


@router.post("/check", responses=told(CheckTold))
async def check(here: Here, asked: Query) -> dict[str, Any]:
    """What a query means; an error says where it is at fault (`start` and `end`, in characters)."""
    return await here.reading.run(lambda: _meaning(here, asked))


def _meaning(here: Service, asked: Query) -> dict[str, Any]:
    task = bind(parse(asked.query), here.holding.schema)
    return {
        "description": describe_task(task),
        "canonical": format_query(task.query),
        "kind": task.kind.value,
        "entity": format_expr(task.query.entity),
        "warnings": [],
    }


@router.post("/judge")
async def judge(here: Here, asked: Query) -> dict[str, Any]:
    """As `check`, for one who asks at every key: a query at fault is an answer too, told as `fault`."""
    _ = here.holding.schema  # where that cannot be had, it is an error here as well
    try:
        return {**await here.reading.run(lambda: _meaning(here, asked)), "fault": None}
    except ForetellError as error:
        return {"fault": here.veil.error(error)}


@router.post("/complete", responses=told(SuggestionsTold))
async def complete(here: Here, asked: QueryAt) -> dict[str, Any]:
    """What may stand at the caret."""
    schema, values = here.holding.schema, here.values.of
    found = await here.reading.run(lambda: completed(asked.query, asked.position, schema, values))
    return {"suggestions": [asdict(s) for s in found]}


@router.post("/preview")
async def preview(here: Here, asked: Query) -> dict[str, Any]:
    """The labels at a glance, of as many of the latest cutoffs as can be counted quickly."""
    return await here.asking.run(lambda: here.previews.of(here.holding, asked.query))
