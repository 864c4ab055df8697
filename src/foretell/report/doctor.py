"""An examination laid out for a reader: the verdict, and every check with what to do about it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.lifecycle.doctor import Examination, Health
from foretell.report.layout import bullets, grid, indented

_STYLES = {Health.OK: "green", Health.LOOK: "yellow", Health.BROKEN: "bold red"}
BRIEF = 8


def examination_view(found: Examination) -> RenderableType:
    """The verdict, a line for each check, and then the details of those that want a look."""
    style = "bold green" if found.healthy else "bold red"
    view = grid("check", "", "found", stretch="found")
    for check in found.checks:
        view.add_row(check.name, Text(check.health.value, style=_STYLES[check.health]), Text(check.found))
    parts: list[RenderableType] = [Text(found.verdict, style=style), Text(), view]
    for check in found.checks:
        if check.health is Health.OK or not (check.details or check.mend):
            continue
        parts += [Text(), Text(f"{check.name}: {check.found}", style="bold")]
        if check.details:
            parts.append(bullets(check.details[:BRIEF]))
        if len(check.details) > BRIEF:
            parts.append(Text(f"and {len(check.details) - BRIEF:,} more", style="dim"))
        if check.mend:
            parts.append(indented(Text(check.mend)))
    return Group(*parts)
