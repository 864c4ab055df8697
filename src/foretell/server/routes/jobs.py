"""Background jobs: ask for one, watch it, stop it, read what it found, keep its model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response, StreamingResponse

from foretell.server.answers import JobsTold, JobTold, PlotsTold, told
from foretell.server.drawing import Theme, drawing, listed
from foretell.server.faults import NotFoundError
from foretell.server.jobs import Outcome
from foretell.server.paging import Limit, Offset, page_of
from foretell.server.payloads import Entity, JobAsked, Keep
from foretell.server.reports import download
from foretell.server.service import Here
from foretell.server.work import work_of

router = APIRouter(tags=["jobs"], prefix="/jobs")
Id = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")]


@router.post("", status_code=202, responses={202: {"model": JobTold}})
def ask(here: Here, asked: Annotated[JobAsked, Body()]) -> dict[str, Any]:
    """Put a job into the queue: one works at a time."""
    fields = asked.model_dump()
    return here.job(here.jobs.submit(fields.pop("kind"), fields, work_of(here, asked)))


@router.get("", responses=told(JobsTold))
async def jobs(here: Here) -> dict[str, Any]:
    """The jobs that are remembered, the latest first."""
    return {"jobs": [here.job(j) for j in here.jobs.list()]}


@router.get("/{id}", responses=told(JobTold))
async def job(here: Here, id: Id) -> dict[str, Any]:
    """How far a job is."""
    return here.job(here.jobs.job(id))


@router.delete("/{id}", responses=told(JobTold))
def cancel(here: Here, id: Id) -> dict[str, Any]:
    """Stop a job: at once where it waits, at its next word of progress where it runs."""
    return here.job(here.jobs.cancel(id))


@router.get("/{id}/events", responses={200: {"content": {"text/event-stream": {}}}})
async def events(here: Here, id: Id) -> Response:
    """The job's progress as it comes: events `progress`, and `end` as the last."""
    found = here.jobs.job(id)
    here.streams.refuse_too_many()
    return StreamingResponse(here.streams.events(found, here.job), media_type="text/event-stream")


@router.get("/{id}/result")
def result(here: Here, id: Id, limit: Limit = 100, offset: Offset = 0) -> dict[str, Any]:
    """What a job found. Predictions come by the page."""
    found = here.jobs.outcome(id)
    if found.rows is None:
        return dict(found.told)
    return {**found.told, "predictions": page_of(found.rows, limit, offset)}


@router.post("/{id}/explain")
async def explain(here: Here, id: Id, asked: Entity) -> dict[str, Any]:
    """Why one entity's score in an answer is what it is, with the rows behind each reason."""
    model = here.jobs.outcome(id).model
    if model is None:
        raise NotFoundError("this job made no model")
    return await here.asking.run(lambda: here.desk.explain(id, model, asked))


@router.get("/{id}/plots", responses=told(PlotsTold))
def plots(here: Here, id: Id) -> dict[str, Any]:
    """The plots of what a job found."""
    return {"plots": listed(here.jobs.outcome(id).plots)}


@router.get("/{id}/plots/{name}.svg", responses={200: {"content": {"image/svg+xml": {}}}})
async def plot(here: Here, id: Id, name: Id, theme: Annotated[Theme, Query()] = "light") -> Response:
    """One plot, drawn."""
    found = here.jobs.outcome(id).plots
    return await here.drawing.run(lambda: drawing(found, name, theme, of=id))


@router.get("/{id}/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(here: Here, id: Id) -> Response:
    """The report that a job of that kind wrote, to be kept."""
    found = here.jobs.outcome(id)
    if found.page is None:
        raise NotFoundError("this job wrote no report")
    return download(found.page, f"{found.told['model'].replace('@', '-')}.html")


@router.post("/{id}/keep")
def keep(here: Here, id: Id, asked: Keep) -> dict[str, Any]:
    """Keep the model of an answer as the next version of a name: the first is its champion."""
    found: Outcome = here.jobs.outcome(id)
    if found.model is None:
        raise NotFoundError("this job made no model")
    version = here.registry.add(asked.name, found.model, audit=found.audit, reason="kept from the page")
    standing = here.registry.standing(asked.name)
    return {**version.summary(), "name": asked.name, **standing.to_dict()}
