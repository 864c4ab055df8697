"""Whole results for a reader: a check, an answer, predictions; each made of the views in `report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.report.backtest import backtest_view
from foretell.report.labels import labels_view
from foretell.report.layout import bullets, heading, indented
from foretell.report.predictions import drivers_view, rows_view
from foretell.report.schema import schema_view

if TYPE_CHECKING:
    from foretell.pipeline import Answer, Check, Predictions


def check_view(check: Check) -> RenderableType:
    """The task in words, its labels, and what to look at."""
    return stack(
        [task_view(check.description), labels_view(check.labels, shown=12), warnings_view(check.warnings)]
    )


def answer_view(answer: Answer, *, name: str, top: int) -> RenderableType:
    """Everything `ask` found. A model that does not beat the best baseline says so before anything else."""
    verdict = Text(answer.verdict, style="bold green" if answer.backtest.beats_baseline else "bold yellow")
    first = [] if answer.backtest.beats_baseline else [verdict]
    return stack(
        [
            *first,
            task_view(answer.check.description),
            schema_view(answer.schema, name=name, columns=False),
            labels_view(answer.check.labels, shown=4),
            warnings_view(answer.warnings),
            Group(backtest_view(answer.backtest), *([] if first else [verdict])),
            drivers_view(answer.drivers),
            predictions_view(answer.predictions, top=top),
        ]
    )


def predictions_view(predictions: Predictions, *, top: int) -> RenderableType:
    """The first `top` predictions, in the order they come in."""
    rows = predictions.rows()
    return rows_view(rows, title="Predictions", shown=top)


def task_view(description: str) -> RenderableType:
    """What is asked, in words."""
    return Group(heading("The question"), indented(Text(description)))


def warnings_view(warnings: Sequence[str]) -> RenderableType | None:
    """What a careful reader would check before believing the rest."""
    if not warnings:
        return None
    return Group(Text("Warnings", style="bold yellow"), bullets(warnings))


def answer_data(answer: Answer) -> dict[str, object]:
    """An answer for programs: everything of it but the model itself."""
    return {
        "question": answer.check.description,
        "verdict": answer.verdict,
        "beats_baseline": answer.backtest.beats_baseline,
        "warnings": answer.warnings,
        "labels": answer.check.labels,
        "backtest": answer.backtest.to_dict(),
        "drivers": answer.drivers,
        "predictions": list(answer.predictions.rows()),
        "schema": answer.schema,
    }


def stack(parts: Sequence[RenderableType | None]) -> RenderableType:
    """Sections with a blank line between them; None leaves no gap."""
    shown: list[RenderableType] = []
    for part in parts:
        if part is not None:
            shown += [part] if not shown else [Text(), part]
    return Group(*shown)
