"""A run of a model's upkeep laid out for a reader: the verdict, and a line for each step."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from foretell.core.text import listing
from foretell.lifecycle.upkeep import STEPS, Upkeep
from foretell.report.answer import stack
from foretell.report.layout import grid, indented
from foretell.report.numbers import moment


def upkeep_view(found: Upkeep) -> RenderableType:
    """What each step came to, and what to do about those that failed."""
    style = "bold green" if found.sound else "bold red"
    parts = (found.graded, found.seen, found.retrained, found.written)
    view = grid("step", "what it came to", stretch="what it came to")
    for step, part in zip(STEPS, parts):
        fault = found.faults.get(step)
        if fault is not None:
            view.add_row(step, Text(f"failed: {fault.message}", style="red"))
        else:
            view.add_row(step, Text("not done" if part is None else moment(part.verdict)))
    mends = []
    for step, fault in found.faults.items():
        if fault.examples:
            mends.append(indented(Text(f"{step}: for example {listing([str(e) for e in fault.examples])}")))
        if fault.mend:
            mends.append(indented(Text(f"{step}: {fault.mend}")))
    return stack([Text(moment(found.verdict), style=style), view, *mends])
