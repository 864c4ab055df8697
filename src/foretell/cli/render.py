"""Whole results for a reader: a check, an answer, predictions; each made of the views in `report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.report.backtest import backtest_view
from foretell.report.labels import labels_view
from foretell.report.layout import bullets, heading, indented
from foretell.report.numbers import share
from foretell.report.predictions import drivers_view, rows_view
from foretell.report.schema import schema_view

if TYPE_CHECKING:
    from pathlib import Path

    from foretell.evaluation.backtest import Backtest
    from foretell.pipeline import Answer, Check
    from foretell.prediction.predictions import Predictions


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
            schema_view(answer.schema, name=name, brief=True),
            labels_view(answer.check.labels, shown=4),
            warnings_view(answer.warnings),
            Group(backtest_view(answer.backtest), *([] if first else [verdict])),
            drivers_view(answer.drivers),
            predictions_view(answer.predictions, top=top),
        ]
    )


def predictions_view(predictions: Predictions, *, top: int) -> RenderableType:
    """The first `top` predictions, highest first; the cutoff, the same for all, is told once."""
    rows = [{n: v for n, v in row.items() if n != "cutoff"} for row in predictions.head(top).rows()]
    title = f"Predictions: {predictions.meaning.partition('. ')[0]}"
    view = rows_view(rows, title=title, shown=top, total=len(predictions))
    if predictions.level is not None and "low" in predictions.table.column_names:
        span = f"In {share(predictions.level)} of the cases the truth should lie between low and high."
        view = Group(view, Text(span, style="dim"))
    return Group(view, bullets(predictions.notes)) if predictions.notes else view


def task_view(description: str) -> RenderableType:
    """What is asked, in words."""
    return Group(heading("The question"), indented(Text(description)))


def warnings_view(warnings: Sequence[str]) -> RenderableType | None:
    """What a careful reader would check before believing the rest."""
    if not warnings:
        return None
    return Group(Text("Warnings", style="bold yellow"), bullets(warnings))


def fitted_view(description: str, backtest: Backtest, path: Path) -> RenderableType:
    """What was trained, how good it is, and where it is kept."""
    said = Text(backtest.verdict, style="bold green" if backtest.beats_baseline else "bold yellow")
    saved = Text(f"Saved as {path}.")
    return stack([said, task_view(description), backtest_view(backtest), saved])


def stack(parts: Sequence[RenderableType | None]) -> RenderableType:
    """Sections with a blank line between them; None leaves no gap."""
    shown: list[RenderableType] = []
    for part in parts:
        if part is not None:
            shown += [part] if not shown else [Text(), part]
    return Group(*shown)
