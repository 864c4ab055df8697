"""A retraining laid out for a reader: what was tried, on which rows, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.time import format_instant
from foretell.lifecycle.retrain import Look, Outcome, Retrained
from foretell.report.backtest import READ
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, moment, signed

_STYLES = {Outcome.PROMOTED: "bold green", Outcome.LEAK: "bold red", Outcome.ROLLED_BACK: "bold yellow"}
_RECIPES = {1: "the same recipe", 2: "a larger recipe"}


def retrained_view(found: Retrained) -> RenderableType:
    """The verdict, the trials, and what each would have shown."""
    parts: list[RenderableType] = [Text(found.verdict, style=_STYLES.get(found.outcome, "bold"))]
    if found.looks:
        parts += [Text(), heading("Trials on rows that neither model had seen"), _looks_view(found.looks)]
        parts.append(bullets([_power(k) for k in found.looks]))
    if found.check is not None:
        before = f"{found.name}@{found.check.version}"
        parts += [
            Text(),
            heading(f"{before}, which it had replaced, on the rows since"),
            _looks_view((found.check,)),
        ]
    if found.audit is not None:
        parts += [Text(), Text(found.audit)]
    return Group(*parts)


def _looks_view(looks: tuple[Look, ...]) -> RenderableType:
    name = READ.get(looks[0].ruling["metric"], (looks[0].ruling["metric"], ""))[0]
    view = grid("", "as of", "rows:", f"{name}:", "champion:", "better by:", "interval", "passes")
    for look in looks:
        r = look.ruling
        lift = r["lift"]
        span = f"{_number(lift['low'], sign=True)} to {_number(lift['high'], sign=True)}"
        view.add_row(
            _RECIPES[look.attempt] if look.recipe else "the one before",
            f"{moment(format_instant(look.first))} … {moment(format_instant(look.last))}",
            f"{r['rows']:,}",
            _number(r["challenger"]["value"]),
            _number(r["champion"]["value"]),
            Text(_number(lift["value"], sign=True), style="green" if r["better"] else "yellow"),
            Text(span, style="dim"),
            "yes" if r["passes"] else "no",
        )
    return view


def _power(look: Look) -> str:
    """What the rows could have shown, at which price."""
    r: Mapping[str, Any] = look.ruling
    least = (
        "nothing can be shown" if r["least"] is None else f"{_number(r['least'])} would show in 80% of cases"
    )
    price = f"look {r['look']} at this champion may err with {100 * r['error']:.2g}%"
    off = (
        "" if r["off"] is None else f"; off by {_number(r['off'][1])}, the champion by {_number(r['off'][0])}"
    )
    return f"{least}; {price}{off}"


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    if sign:
        return signed(value, 4 if abs(value) < 1 else 2)
    return f"{value:.3f}" if abs(value) < 10 else amount(value)
