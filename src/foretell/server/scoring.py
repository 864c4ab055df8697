"""The score of one entity, and why it is what it is."""

from __future__ import annotations

from typing import Any

from foretell.core.errors import UsageError
from foretell.core.progress import QUIET
from foretell.prediction.model import Model
from foretell.schema.record import shape
from foretell.server.payloads import Entity, Scoring
from foretell.server.service import Service

PATIENCE = 10.0  # seconds
TOP = 8  # reasons


def score_one(here: Service, name: str, asked: Scoring) -> dict[str, Any]:
    """The score as one row of predictions; with reasons where they are asked for."""
    version = here.registry.version(name)
    model = here.loaded(version)
    with here.holding.use(QUIET, patience=PATIENCE) as database:
        target = _target(here, model)
        found = model.predict(
            database if target is None else target,
            ids=[_key(asked)],
            as_of=asked.as_of,
            explain=asked.explain,
            **({} if target is None else here.holding.how),
        )
    if not len(found):
        raise UsageError(
            "this entity is not among those that are scored", mend="; ".join(found.notes) or None
        )
    row = next(found.rows())
    return {"model": str(version), "meaning": found.meaning, "level": found.level, **row}


def explain_one(here: Service, name: str, asked: Entity) -> dict[str, Any]:
    """The reasons for one entity's score, strongest first."""
    version = here.registry.version(name)
    model = here.loaded(version)
    with here.holding.use(QUIET, patience=PATIENCE) as database:
        target = _target(here, model)
        found = model.explain(
            _key(asked),
            database if target is None else target,
            as_of=asked.as_of,
            top=TOP,
            **({} if target is None else here.holding.how),
        )
    return {"model": str(version), **found.to_dict()}


def _target(here: Service, model: Model) -> str | None:
    """The database to be opened for the model; None where the one that is held has its very schema."""
    if shape(here.holding.schema) == shape(model.task.schema):
        return None
    return here.holding.target


def _key(asked: Entity) -> Any:
    return tuple(asked.entity) if isinstance(asked.entity, list) else asked.entity
