"""The score of one entity, read from the database as it is now; and why it is what it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from foretell.core.errors import ForetellError
from foretell.core.progress import QUIET
from foretell.core.time import Instant
from foretell.lifecycle.registry import Clock
from foretell.lifecycle.version import Version
from foretell.prediction.database import end_of_history
from foretell.prediction.model import Model
from foretell.prediction.online import Scorer
from foretell.schema.record import shape
from foretell.server.faults import NotFoundError
from foretell.server.holding import Holding
from foretell.server.payloads import Entity, Scoring

PATIENCE = 3.0  # seconds that one waits for the database that is held
TOP = 8  # reasons
MOST = 4  # warm scorers


class Desk:
    """Warm scorers of the models that were asked last, over the database that is served."""

    def __init__(self, holding: Holding, clock: Clock) -> None:
        self._holding = holding
        self._clock = clock
        self._scorers: OrderedDict[str, tuple[Scorer, Instant | None]] = OrderedDict()
        self._lock = threading.Lock()

    def score(self, version: Version, model: Model, asked: Scoring) -> dict[str, Any]:
        """The score, with reasons where they are asked for."""
        scorer, ended = self._scorer(version, model)
        moment = asked.as_of if asked.as_of is not None else ended
        found = scorer.score(_key(asked), as_of=moment, explain=TOP if asked.explain else False)
        return {"model": str(version), **found.to_dict()}

    def explain(self, of: Version | str, model: Model, asked: Entity) -> dict[str, Any]:
        """The reasons for one entity's score, strongest first."""
        with self._holding.use(QUIET, patience=PATIENCE) as database:
            held = shape(database.schema) == shape(model.task.schema)
            found = model.explain(
                _key(asked),
                database if held else self._target(),
                as_of=asked.as_of,
                top=TOP,
                **({} if held else self._holding.how),
            )
        return {"model": str(of), **found.to_dict()}

    def forget(self) -> None:
        """Make the scorers anew when they are asked again; who is being answered is answered."""
        with self._lock:
            self._scorers.clear()

    def _scorer(self, version: Version, model: Model) -> tuple[Scorer, Instant | None]:
        """The model's scorer; and when the data ended, where a score as of now would say nothing."""
        with self._lock:
            found = self._scorers.pop(version.sha256, None)
            if found is None:
                found = Scorer(model, self._target(), clock=self._clock), self._ended(model)
            self._scorers[version.sha256] = found
            while len(self._scorers) > MOST:
                self._scorers.popitem(last=False)
            return found

    def _ended(self, model: Model) -> Instant | None:
        horizon = model.task.horizon
        try:
            with self._holding.use(QUIET, patience=PATIENCE) as database:
                end = end_of_history(database.opened, model.task)
        except ForetellError:
            return None
        return end if horizon is None or horizon.after(end) < self._clock() else None

    def _target(self) -> str:
        if self._holding.target is None:
            raise NotFoundError("no database is served here", mend="start it as: foretell serve DATABASE")
        return self._holding.target


def _key(asked: Entity) -> Any:
    return tuple(asked.entity) if isinstance(asked.entity, list) else asked.entity
