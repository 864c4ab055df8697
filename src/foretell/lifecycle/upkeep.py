"""A model's upkeep in one go, for a scheduler: grade, monitor, retrain if due, write."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from foretell.core.errors import ForetellError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import listing
from foretell.core.time import Instant, Offset, format_instant
from foretell.lifecycle.grading import Grades, grade
from foretell.lifecycle.monitor.record import Monitoring
from foretell.lifecycle.monitor.watch import monitor
from foretell.lifecycle.present import present
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain import Promote, Retrained, retrain
from foretell.lifecycle.version import Reference
from foretell.lifecycle.writing import PREDICTIONS, Written, write_from
from foretell.prediction.database import Target

T = TypeVar("T")
STEPS = ("grade", "monitor", "retrain", "write")


@dataclass(frozen=True)
class Upkeep:
    """What each step came to, None for one that failed; `faults` say why, by step."""

    name: str
    at: Instant
    graded: Grades | None
    seen: Monitoring | None
    retrained: Retrained | None
    written: Written | None
    faults: dict[str, ForetellError]

    @property
    def sound(self) -> bool:
        """Whether every step was done, and no harm was seen."""
        return not self.faults and not (self.seen is not None and self.seen.harm)

    @property
    def verdict(self) -> str:
        """One sentence for whoever reads the scheduler's log."""
        if self.faults:
            steps = listing(list(self.faults))
            first = next(iter(self.faults.values()))
            return f"{self.name} wants somebody to look: {steps} failed ({first.message})."
        if self.seen is not None and self.seen.harm:
            return f"{self.name} wants somebody to look. {self.seen.verdict}"
        return f"{self.name} is kept up. {self.written.verdict if self.written is not None else ''}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        parts = zip(STEPS, (self.graded, self.seen, self.retrained, self.written))
        return {
            "name": self.name,
            "at": format_instant(self.at),
            "verdict": self.verdict,
            "sound": self.sound,
            **{step: None if part is None else part.to_dict() for step, part in parts},
            "faults": {step: fault.to_dict() for step, fault in self.faults.items()},
        }


def keep_up(
    registry: Registry,
    name: str,
    target: Target,
    *,
    to: str = PREDICTIONS,
    into: str | os.PathLike[str] | None = None,
    promote: Promote | str = Promote.IF_BETTER,
    every: Offset | None = None,
    explain: bool | int = True,
    config: str | os.PathLike[str] | None = None,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> Upkeep:
    """Grade what has matured, look for harm, retrain if due, and write new predictions.

    Run it as often as you like: what was done is not done again, and a step that fails does not keep the
    later ones from being tried. Whether predictions are written does not depend on what monitoring says:
    that is told, and `sound` is False. Other arguments as in `write` and `retrain`.
    """
    faults: dict[str, ForetellError] = {}

    def tried(step: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except ForetellError as error:
            faults[step] = error
            return None

    registry.version(Reference.of(name))  # a wrong name is the caller's slip, not a step's fault
    graded = seen = retrained = written = None
    how: dict[str, Any] = {"memory": memory, "cache": cache, "config": config, "progress": progress}
    try:
        with present(registry, name, target, **how) as database:
            graded = tried("grade", lambda: grade(registry, name, database, progress=progress))
            seen = tried("monitor", lambda: monitor(registry, name, database, progress=progress))
            retrained = tried(
                "retrain",
                lambda: retrain(
                    registry, name, database, promote=promote, if_due=True, every=every, progress=progress
                ),
            )
            written = tried(
                "write",
                lambda: write_from(
                    registry, name, target, database, to=to, into=into, explain=explain, progress=progress
                ),
            )
    except ForetellError as error:
        faults["write"] = error  # the database cannot be read as the model knows it: monitoring says why
        seen = tried("monitor", lambda: monitor(registry, name, target, **how))
    return Upkeep(name, registry.clock(), graded, seen, retrained, written, faults)
