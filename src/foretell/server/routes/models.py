"""The registry: models, their versions, promotions, scores, and how they did."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from foretell.core.time import format_instant
from foretell.lifecycle.batches import batches, predictions_of
from foretell.lifecycle.version import Reference
from foretell.server.answers import PlotsTold, StandingTold, told
from foretell.server.drawing import Theme, drawing, listed
from foretell.server.paging import Limit, Offset, page_of
from foretell.server.payloads import Entity, Promote, Scoring
from foretell.server.reports import download, report_of
from foretell.server.service import Here, Service
from foretell.server.veil import called
from foretell.server.work import explained, plots_of

router = APIRouter(tags=["models"], prefix="/models")
Name = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")]
Number = Annotated[int, Path(ge=1, le=1_000_000_000)]
MOST_EVENTS = 200
MOST_ENTRIES = 500


@router.get("")
def models(here: Here) -> dict[str, Any]:
    """Every model, with its champion."""
    return {"models": [_brief(here, n) for n in here.registry.names()]}


@router.get("/{name}")
def model(here: Here, name: Name) -> dict[str, Any]:
    """One model: its standing, versions, the champion's backtest, and what was done to it."""
    standing = here.registry.standing(here.model(name))
    versions = here.registry.versions(name)
    champion = next((v for v in versions if v.number == standing.champion), None)
    return {
        **standing.to_dict(),
        "description": None if champion is None else champion.record.get("description"),
        "query": None if champion is None else champion.query,
        "kind": None if champion is None else champion.record.get("kind"),
        "backtest": None if champion is None else champion.backtest,
        "versions": [v.summary() for v in reversed(versions)][:MOST_EVENTS],
        "history": [e.to_dict() for e in reversed(here.registry.history(name))][:MOST_EVENTS],
    }


@router.get("/{name}/versions/{number}")
def version(here: Here, name: Name, number: Number) -> dict[str, Any]:
    """All that the registry says of a version."""
    found = here.registry.version(Reference(here.model(name), number)).to_dict()
    return {**found, "database": called(str(found.get("database") or ""))}


@router.post("/{name}/promote", responses=told(StandingTold))
async def promote(here: Here, name: Name, asked: Promote) -> dict[str, Any]:
    """Make a version the champion; a conflict where the model was changed after `epoch`."""

    def work() -> dict[str, Any]:
        version = Reference(here.model(name), asked.version)
        here.registry.promote(version, epoch=asked.epoch, reason="asked for on the page")
        return here.registry.standing(name).to_dict()

    return await here.changing.run(work)


@router.post("/{name}/rollback", responses=told(StandingTold))
async def rollback(here: Here, name: Name) -> dict[str, Any]:
    """Make the champion before this one the champion again."""

    def work() -> dict[str, Any]:
        here.registry.rollback(here.model(name), reason="asked for on the page")
        return here.registry.standing(name).to_dict()

    return await here.changing.run(work)


@router.get("/{name}/backtest")
def backtest(here: Here, name: Name) -> dict[str, Any]:
    """The champion's test in full: every rule's score, the folds, the curves."""
    champion = here.registry.version(here.model(name))
    return {"version": champion.number, "backtest": here.loaded(champion).backtest}


@router.get("/{name}/explanation")
def explanation(here: Here, name: Name) -> dict[str, Any]:
    """What the champion rests on; null where an earlier release made it."""
    champion = here.registry.version(here.model(name))
    found = here.loaded(champion)
    return {
        "version": champion.number,
        "explanation": explained(found),
        "drivers": [{"text": d.text, "share": d.share, "direction": d.direction} for d in found.drivers],
    }


@router.post("/{name}/score")
async def score(here: Here, name: Name, asked: Scoring) -> dict[str, Any]:
    """The score of one entity, read from the database as it is now."""

    def work() -> dict[str, Any]:
        version = here.registry.version(here.model(name))
        return here.desk.score(version, here.loaded(version), asked)

    return await here.asking.run(work)


@router.post("/{name}/explain")
async def explain(here: Here, name: Name, asked: Entity) -> dict[str, Any]:
    """Why one entity's score is what it is, with the rows behind each reason."""

    def work() -> dict[str, Any]:
        version = here.registry.version(here.model(name))
        return here.desk.explain(version, here.loaded(version), asked)

    return await here.asking.run(work)


@router.get("/{name}/predictions")
def predictions(here: Here, name: Name, limit: Limit = 100, offset: Offset = 0) -> dict[str, Any]:
    """The last batch that was written, by the page."""
    found = batches(here.registry, here.model(name))
    if not found:
        return {"batch": None, "rows": [], "offset": offset, "limit": limit, "total": 0}
    last = max(found, key=lambda b: (b.cutoff, b.made))
    batch = last.to_dict()
    batch["destination"] = here.veil.text(str(batch["destination"]))
    return {"batch": batch, **page_of(predictions_of(here.registry, last), limit, offset)}


@router.get("/{name}/grades")
def grades(here: Here, name: Name) -> dict[str, Any]:
    """The grades that were given so far, the earliest first; a job of kind grade gives new ones."""
    return {"grades": _entries(here, name, "grade")}


@router.get("/{name}/monitoring")
def monitoring(here: Here, name: Name) -> dict[str, Any]:
    """What monitoring saw so far, in brief, the earliest first; a job of kind monitor looks anew."""
    return {"checks": _entries(here, name, "monitor")}


@router.get("/{name}/plots", responses=told(PlotsTold))
def plots(here: Here, name: Name) -> dict[str, Any]:
    """The plots of the champion."""
    return {"plots": listed(plots_of(here.loaded(here.registry.version(here.model(name)))))}


@router.get("/{name}/plots/{plot}.svg", responses={200: {"content": {"image/svg+xml": {}}}})
async def one_plot(
    here: Here, name: Name, plot: Name, theme: Annotated[Theme, Query()] = "light"
) -> Response:
    """One plot, drawn."""

    def work() -> Response:
        champion = here.registry.version(here.model(name))
        return drawing(plots_of(here.loaded(champion)), plot, theme, of=champion.sha256)

    return await here.drawing.run(work)


@router.get("/{name}/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
async def report(here: Here, name: Name) -> Response:
    """All that is known of the champion in one HTML file, to be kept."""

    def work() -> Response:
        champion = here.registry.version(here.model(name))
        return download(report_of(here, champion), f"{name}-{champion.number}.html")

    return await here.drawing.run(work)


def _brief(here: Service, name: str) -> dict[str, Any]:
    standing = here.registry.standing(name)
    brief: dict[str, Any] = standing.to_dict()
    if standing.champion is None:
        return {**brief, "description": None, "query": None, "backtest": None, "created": None}
    champion = here.registry.version(name)
    return {
        **brief,
        "description": champion.record.get("description"),
        "query": champion.query,
        "kind": champion.record.get("kind"),
        "backtest": champion.backtest,
        "clean": champion.clean,
        "created": format_instant(champion.created),
    }


def _entries(here: Service, name: str, kind: str) -> list[dict[str, Any]]:
    found = here.registry.entries(here.model(name), kind)[-MOST_ENTRIES:]
    return [{"key": e.key, "at": format_instant(e.at), **e.record} for e in found]
