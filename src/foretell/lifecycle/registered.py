"""A model of the registry by its name: whatever version is the champion does the work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, overload

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant, parse_span
from foretell.explain.explanation import EntityExplanation, Explanation
from foretell.lifecycle.grading import Grades, grade
from foretell.lifecycle.monitor.record import Monitoring
from foretell.lifecycle.monitor.watch import monitor
from foretell.lifecycle.present import present
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain import Promote, Retrained, retrain
from foretell.lifecycle.upkeep import Upkeep, keep_up
from foretell.lifecycle.version import Version
from foretell.lifecycle.writing import PREDICTIONS, Written, write
from foretell.prediction.database import Target
from foretell.prediction.model import Model
from foretell.prediction.online import Scorer
from foretell.prediction.predictions import Predictions


@dataclass(frozen=True)
class Registered:
    """A name in a registry. Every method works with the champion of the moment.

    `target` is a path, a URL or frames, opened as of the registry's clock; `how` are `memory`, `cache` and
    `config`, as in `connect`.
    """

    registry: Registry
    name: str

    @property
    def champion(self) -> Version:
        """The version that answers."""
        return self.registry.version(self.name)

    @property
    def model(self) -> Model:
        """The champion itself."""
        return self.registry.load(self.name)

    def scorer(self, target: Target, **how: Any) -> Scorer:
        """The champion, warm, by the registry's clock: it scores one entity at a time against the live
        database. Arguments as of `Model.scorer`.
        """
        return self.model.scorer(target, **{"clock": self.registry.clock, **how})

    def versions(self) -> tuple[Version, ...]:
        """Every version, the oldest first."""
        return self.registry.versions(self.name)

    def predict(self, target: Target, **how: Any) -> Predictions:
        """Scores, without writing them anywhere; arguments as of `Model.predict`."""
        return self.model.predict(target, **how)

    @overload
    def explain(self) -> Explanation: ...

    @overload
    def explain(self, entity: Any, target: Target, **how: Any) -> EntityExplanation: ...

    def explain(
        self, entity: Any = None, target: Target | None = None, **how: Any
    ) -> Explanation | EntityExplanation:
        """What the champion rests on, or why an entity's score is what it is; as of `Model.explain`."""
        return self.model.explain() if entity is None else self.model.explain(entity, target, **how)

    def write(
        self,
        target: Target,
        *,
        to: str = PREDICTIONS,
        into: str | os.PathLike[str] | None = None,
        as_of: str | Instant | None = None,
        explain: bool | int = True,
        progress: Progress = QUIET,
        **how: Any,
    ) -> Written:
        """Score the population and write the rows into the table `to`, once."""
        return write(
            self.registry,
            self.name,
            target,
            to=to,
            into=into,
            as_of=as_of,
            explain=explain,
            progress=progress,
            **how,
        )

    def grade(self, target: Target, *, progress: Progress = QUIET, **how: Any) -> Grades:
        """Compare every batch with what happened, as far as that is known."""
        with present(self.registry, self.name, target, progress=progress, **how) as database:
            return grade(self.registry, self.name, database, progress=progress)

    def monitor(self, target: Target, *, progress: Progress = QUIET, **how: Any) -> Monitoring:
        """Look at the data, the predictions and the performance."""
        return monitor(self.registry, self.name, target, progress=progress, **how)

    def retrain(
        self,
        target: Target,
        *,
        promote: Promote | str = Promote.IF_BETTER,
        if_due: bool = False,
        every: str | None = None,
        progress: Progress = QUIET,
        **how: Any,
    ) -> Retrained:
        """Hold a challenger against the champion on rows that neither has seen; `every` such as "7d"."""
        with present(self.registry, self.name, target, progress=progress, **how) as database:
            return retrain(
                self.registry,
                self.name,
                database,
                promote=promote,
                if_due=if_due,
                every=None if every is None else parse_span(every),
                progress=progress,
            )

    def run(self, target: Target, *, every: str | None = None, **how: Any) -> Upkeep:
        """Grade, monitor, retrain if due, and write; arguments as of `write` and `retrain`."""
        span = None if every is None else parse_span(every)
        return keep_up(self.registry, self.name, target, every=span, **how)

    def __repr__(self) -> str:
        return f"<Registered {self.champion}: {self.champion.record['description']}>"
