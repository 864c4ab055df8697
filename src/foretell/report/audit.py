"""An audit: the detectors' findings under one verdict, laid out for a reader."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import listing
from foretell.core.time import format_instant
from foretell.evaluation.detectors import Detection, Outcome
from foretell.prediction.inspect import Inspection
from foretell.report.answer import stack, task_view
from foretell.report.layout import bullets, grid, indented, to_html
from foretell.report.numbers import moment

_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


@dataclass(frozen=True)
class Audit(Inspection):
    """An inspection that can be looked at. `clean` says whether no detector found a leak."""

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
