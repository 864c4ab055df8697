"""An audit: the detectors' findings under one verdict, laid out for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import listing, plural
from foretell.core.time import Instant, format_instant
from foretell.evaluation.detectors import Detection, Outcome
from foretell.report.answer import stack, task_view
from foretell.report.layout import bullets, grid, indented, to_html
from foretell.report.numbers import moment

_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


@dataclass(frozen=True)
class Audit:
    """What was looked for, and what was found. `verdict` says first whether the future reaches the answer.

    `question` is the task in words, `looked_at` the part of the database that the detectors were shown, and
    `cutoffs` the moments at which they looked.
    """

    question: str
    looked_at: str
    cutoffs: tuple[Instant, ...]
    detections: tuple[Detection, ...]

    @property
    def clean(self) -> bool:
        """Whether no detector found a leak."""
        return not self.of(Outcome.FAILED)

    @property
    def verdict(self) -> str:
        failed, skipped = self.of(Outcome.FAILED), self.of(Outcome.SKIPPED)
        left = f", {listing([d.name for d in skipped])} skipped" if skipped else ""
        if not failed:
            return f"No leak found: {plural(len(self.of(Outcome.PASSED)), 'detector')} passed{left}."
        names = [d.name for d in failed]
        word = "suspected" if names == ["single feature"] else "found"
        return f"Leak {word} by {listing(names)}: {failed[0].found}."

    def of(self, outcome: Outcome) -> tuple[Detection, ...]:
        """The detectors that came to this."""
        return tuple(d for d in self.detections if d.outcome is outcome)

    def view(self) -> RenderableType:
        """The audit laid out for a terminal, as a rich renderable."""
        moments = listing([moment(format_instant(c)) for c in self.cutoffs])
        return stack(
            [
                Text(self.verdict, style="bold green" if self.clean else "bold red"),
                task_view(self.question),
                Text(f"Looked at {self.looked_at}, at {moments}."),
                _detections(self.detections),
                *(_failure(d) for d in self.of(Outcome.FAILED)),
            ]
        )

    def _repr_html_(self) -> str:
        return to_html(self.view())

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "clean": self.clean,
            "question": self.question,
            "looked_at": self.looked_at,
            "cutoffs": [format_instant(c) for c in self.cutoffs],
            "detectors": [
                {
                    "name": d.name,
                    "outcome": d.outcome.value,
                    "did": d.did,
                    "found": d.found,
                    "examples": list(d.examples),
                    "mend": d.mend,
                }
                for d in self.detections
            ],
        }

    def __repr__(self) -> str:
        return f"<Audit: {self.verdict}>"


def _detections(found: tuple[Detection, ...]) -> RenderableType:
    view = grid("detector", "", "what it did, and found", stretch="what it did, and found")
    for detection in found:
        said = ": ".join(filter(None, [detection.did, detection.found]))
        if detection.outcome is Outcome.SKIPPED:
            said = detection.found
        view.add_row(
            detection.name, Text(detection.outcome.value, style=_STYLES[detection.outcome]), Text(said)
        )
    return view


def _failure(detection: Detection) -> RenderableType:
    """What a detector caught, and how to mend it."""
    parts: list[RenderableType] = [Text(f"{detection.name}: {detection.found}", style="bold")]
    if detection.examples:
        parts.append(bullets(detection.examples))
    if detection.mend:
        parts += [Text("To mend it:"), indented(Text(detection.mend))]
    return Group(*parts)
