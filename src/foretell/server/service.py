"""What the routes work with: the database, the registry, the jobs, and what may be told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from foretell.lifecycle.registry import Registry
from foretell.server.holding import Holding
from foretell.server.veil import Veil


@dataclass(frozen=True)
class Service:
    """One server's parts."""

    holding: Holding
    registry: Registry
    veil: Veil


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


Here = Annotated[Service, Depends(_service)]
"""A route's own view of the server."""
