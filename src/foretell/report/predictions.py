"""Predictions and reasons laid out for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from foretell.explain.reasons import Driver
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, meter, share


def drivers_view(drivers: Sequence[Driver], *, shown: int = 8) -> RenderableType | None:
    """The main reasons, the weightiest first; None without any."""
    if not drivers:
        return None
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    view.add_column(justify="right", no_wrap=True)
    view.add_column(no_wrap=True, style="cyan")
    view.add_column(overflow="fold")
    largest = max(d.share for d in drivers) or 1.0
    for driver in drivers[:shown]:
        view.add_row(share(driver.share), meter(driver.share / largest, 8), str(driver))
    return Group(heading("What the predictions rest on"), view)


def rows_view(
    rows: Sequence[Mapping[str, object]], *, title: str, shown: int = 10, total: int | None = None
) -> RenderableType:
    """The first `shown` predictions; reasons go under each row, not beside it."""
    parts: list[RenderableType] = [heading(title)]
    first = rows[:shown]
    if not first:
        return Group(*parts, Text("none", style="dim"))
    names = [n for n in first[0] if n != "reasons" and any(r.get(n) is not None for r in first)]
    with_reasons = any(r.get("reasons") for r in first)
    numeric = {n for n in names if all(isinstance(r.get(n), int | float | None) for r in first)}
    view = grid(*(n + (":" if n in numeric else "") for n in names), *(["because"] if with_reasons else []))
    for row in first:
        cells: list[RenderableType] = [Text(cell(name, row.get(name))) for name in names]
        if with_reasons:
            cells.append(_reasons(row.get("reasons")))
        view.add_row(*cells)
    parts.append(view)
    left = (len(rows) if total is None else total) - len(first)
    if left > 0:
        parts.append(Text(f"and {left:,} more", style="dim"))
    return Group(*parts)


def cell(name: str, value: object) -> str:
    """One value as text: probabilities as shares, other predicted numbers short, the rest as it is.

    >>> cell("probability", 0.8312), cell("prediction", 12.3456), cell("customer_id", 12345)
    ('83%', '12.35', '12345')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return share(value) if name.startswith("probability") else amount(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _reasons(value: object) -> RenderableType:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return Text("" if value is None or not isinstance(value, str) else value)
    return bullets([str(v) for v in value])
