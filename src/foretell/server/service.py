"""What the routes work with: the database, the registry, the jobs, and what may be told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from foretell.core.text import did_you_mean
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.prediction.model import Model
from foretell.server.events import Streams
from foretell.server.faults import NotFoundError
from foretell.server.holding import Holding
from foretell.server.jobs import Job, Jobs
from foretell.server.lanes import Lane
from foretell.server.preview import Previews
from foretell.server.scoring import Desk
from foretell.server.shelf import Shelf
from foretell.server.values import FrequentValues
from foretell.server.veil import Veil


@dataclass(frozen=True)
class Service:
    """One server's parts."""

    holding: Holding
    registry: Registry
    veil: Veil
    jobs: Jobs = field(default_factory=Jobs)
    previews: Previews = field(default_factory=Previews)
    streams: Streams = field(default_factory=Streams)
    shelf: Shelf = field(default_factory=Shelf)
    drawing: Lane = field(default_factory=lambda: Lane(1, 64))  # the drawing tool is one
    reading: Lane = field(default_factory=lambda: Lane(3, 256))  # queries, which may be meant to cost much
    changing: Lane = field(default_factory=lambda: Lane(2, 64))  # the registry has one writer at a time
    asking: Lane = field(default_factory=lambda: Lane(4, 64))  # scores, reasons, previews, corrections

    @cached_property
    def values(self) -> FrequentValues:
        """What columns with few values hold."""
        return FrequentValues(self.holding)

    @cached_property
    def desk(self) -> Desk:
        """Where single entities are scored."""
        return Desk(self.holding, self.registry.clock)

    def job(self, job: Job) -> dict[str, Any]:
        """A job as a client is told of it."""
        told = job.to_dict()
        return {
            **told,
            "stage": self.veil.text(job.stage),
            "notes": [self.veil.text(n) for n in told["notes"]],
            "error": None if job.error is None else self.veil.error(job.error),
        }

    def model(self, name: str) -> str:
        """The name, where there is such a model."""
        if name not in self.registry.names():
            raise NotFoundError("there is no such model", mend=did_you_mean(name, self.registry.names()))
        return name

    def loaded(self, version: Version) -> Model:
        """The model of a version, kept at hand."""
        return self.shelf.of(version.sha256, lambda: self.registry.load(version.reference))

    def close(self) -> None:
        """Stop the work and let go of everything."""
        self.jobs.stop()
        self.desk.forget()
        self.holding.close()
        self.registry.close()


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


Here = Annotated[Service, Depends(_service)]
"""A route's own view of the server."""
