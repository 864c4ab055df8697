"""What a model rests on, and the reasons of its highest predictions, as sections of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from foretell.core.text import plural
from foretell.explain.explanation import EntityExplanation, Explanation, Influence, Told
from foretell.models.criteria import title
from foretell.prediction.model import Model
from foretell.report.chart import capital, known, number
from foretell.report.explained_plots import drivers_plot, entity_plot, explanation_plots
from foretell.report.numbers import amount, moment, share, signed
from foretell.report.page import Fold, Grid, Part, Points, Section, Words, drawings, grid
from foretell.report.predictions import cell

SHOWN = 15


def drivers_section(model: Model) -> Section:
    """The drivers, how much is lost without each, and how the prediction goes with them."""
    told = model.explanation
    if told is None:
        blocks: list[Any] = [
            Words(
                "Only the shares of the drivers are known: this model was made by an earlier release, or in "
                "too little time to look further.",
                "dim",
            )
        ]
        if model.drivers:
            blocks.append(drawings([drivers_plot(model.drivers)]))
        return Section("drivers", "What it rests on", tuple(blocks))
    blocks = [
        Words(
            f"Seen on {plural(told.rows, 'row')} of {plural(told.entities, 'entity', 'entities')} of the "
            "backtest, which the model had not learned from."
        )
    ]
    if told.remarks:
        blocks.append(Points(told.remarks))
    blocks.append(drawings(explanation_plots(told)))
    blocks.append(Fold("The drivers as a table", (_influences("Drivers", "driver", told.stories, told),)))
    if len(told.paths) > 1:
        blocks.append(Fold("By path", (_influences("Paths to the rows read", "path", told.paths, told),)))
    if len(told.tables) > 1:
        blocks.append(Fold("By table", (_influences("Tables read", "table", told.tables, told),)))
    return Section("drivers", "What it rests on", tuple(blocks))


def _influences(caption: str, what: str, held: Sequence[Influence], told: Explanation) -> Grid:
    lost = any(i.lost is not None for i in held)
    nets = any(i.net_share is not None for i in held)
    columns = [what, "share:"]
    if lost:
        columns += [f"{title(told.metric)} lost:", "95% interval"]
    if nets:
        columns += ["share in the nets:"]
    rows = []
    for i in held[:SHOWN]:
        row = [str(i), share(i.share)]
        if lost:
            row += ["–", ""] if i.lost is None else [_signed(i.lost.value), _span(i.lost.low, i.lost.high)]
        if nets:
            row.append("–" if i.net_share is None else share(i.net_share))
        rows.append(row)
    return grid(caption, columns, rows)


def reasons_section(
    rows: Sequence[Mapping[str, Any]], meaning: str, explained: Sequence[EntityExplanation]
) -> Section | None:
    """The highest predictions with their reasons, and some of them looked at closely."""
    if not rows and not explained:
        return None
    blocks: list[Any] = [Words(capital(moment(meaning)))] if meaning else []
    if rows:
        names = [
            n
            for n in rows[0]
            if n not in ("reasons", "cutoff", "baseline") and any(r.get(n) is not None for r in rows)
        ]
        numeric = {n for n in names if all(isinstance(r.get(n), int | float | None) for r in rows)}
        told = any(r.get("reasons") for r in rows)
        columns = [n + (":" if n in numeric and i else "") for i, n in enumerate(names)]
        held = [
            (
                *(cell(n, r.get(n)) for n in names),
                *(("; ".join(map(str, r.get("reasons") or ())),) if told else ()),
            )
            for r in rows
        ]
        blocks.append(grid("Scores and reasons", (*columns, *(("because",) if told else ())), held))
    for one in explained:
        who = ", ".join(f"{k} {v}" for k, v in one.entity.items())
        blocks.append(Fold(f"{who}: {_predicted(one, one.prediction)}", _entity(one)))
    return Section("predictions", "The highest predictions", tuple(blocks))


def _entity(one: EntityExplanation) -> tuple[Any, ...]:
    told: list[Any] = [
        Words(
            f"{one.of or 'the prediction'}, as of {one.as_of}; on average it is "
            f"{_predicted(one, one.average)}."
        )
    ]
    told.append(drawings([entity_plot(one)]))
    told.append(Points(tuple(_reason(one, r) for r in one.reasons)))
    if one.hints:
        told.append(Part("What goes along with another score", (Points(tuple(map(str, one.hints))),)))
    if one.notes:
        told.append(Points(one.notes, "dim"))
    return tuple(told)


def _reason(one: EntityExplanation, told: Told) -> str:
    text = str(told)
    if told.without is not None:
        text += f"; without these rows it would be {_predicted(one, told.without)}"
    return text


def _predicted(one: EntityExplanation, value: float) -> str:
    return amount(value) if one.kind == "regression" else share(value)


def _span(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if known(low) and known(high) else "not known"


def _signed(value: float) -> str:
    return signed(value, 4 if abs(value) < 0.1 else 3) if known(value) else "–"
