"""A server's parts put together: the database, the registry, and what of them must not be told."""

from __future__ import annotations

import tempfile
from pathlib import Path

from foretell.lifecycle.registry import Registry
from foretell.server.holding import Holding
from foretell.server.service import Service
from foretell.server.veil import Veil
from foretell.sources.naming import mask


def make_service(
    target: str | None,
    registry: Registry,
    *,
    config: Path | None = None,
    seed: int = 0,
    memory: str | None = None,
    cache: bool = True,
) -> Service:
    """The parts of a server; nothing is opened yet."""
    holding = Holding(target, config=config, clock=registry.clock, memory=memory, cache=cache, seed=seed)
    return Service(holding, registry, _veil(target, registry.folder, config))


def _veil(target: str | None, models: Path, config: Path | None) -> Veil:
    names = {tempfile.gettempdir(): "…", str(Path.home()): "…"}
    for place, told in ((models, "the registry"), (config, "foretell.toml")):
        if place is not None:
            names |= {repr(str(place)): told, str(place.resolve()): told}
    if target is not None and "://" in target:
        names[target] = mask(target)
    elif target is not None:
        name = Path(target).resolve().name
        names |= {repr(target): repr(name), str(Path(target).resolve()): name}
    return Veil(names)
