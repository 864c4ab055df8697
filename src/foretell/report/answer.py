"""Whole results laid out for a reader: a check, an answer, a fitted model, predictions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.evaluation.backtest import Backtest
from foretell.evaluation.labels import LabelReport
from foretell.explain.reasons import Driver
from foretell.lifecycle.version import Version
from foretell.prediction.predictions import Predictions
from foretell.report.backtest import backtest_view
from foretell.report.labels import labels_view
from foretell.report.layout import bullets, heading, indented
from foretell.report.numbers import moment, share
from foretell.report.predictions import drivers_view, rows_view
from foretell.report.schema import schema_view
from foretell.schema.model import Schema


def check_view(description: str, labels: LabelReport, warnings: Sequence[str]) -> RenderableType:
    """The task in words, its labels, and what to look at."""
    return stack([task_view(description), labels_view(labels, shown=12), warnings_view(warnings)])


def answer_view(
    *,
    description: str,
    schema: Schema,
    labels: LabelReport,
    warnings: Sequence[str],
    backtest: Backtest,
    drivers: Sequence[Driver],
    predictions: Predictions,
    name: str = "the database",
    top: int = 10,
) -> RenderableType:
    """Everything that `ask` found. A model that does not beat the best baseline says so before anything
    else.
    """
    verdict = verdict_view(backtest)
    return stack(
        [
            None if backtest.beats_baseline else verdict,
            task_view(description),
            schema_view(schema, name=name, brief=True),
            labels_view(labels, shown=4),
            warnings_view(warnings),
            backtest_view(backtest),
            verdict if backtest.beats_baseline else None,
            drivers_view(drivers),
            predictions_view(predictions, top=top),
        ]
    )


def model_view(
    description: str, backtest: Backtest, drivers: Sequence[Driver], version: Version, champion: int | None
) -> RenderableType:
    """What was trained, how good it is, what it rests on, whether it leaks, and as what it is kept."""
    parts = [verdict_view(backtest), task_view(description), backtest_view(backtest), drivers_view(drivers)]
    audit = version.record["audit"]
    if audit is not None:
        parts.append(Text(audit["verdict"], style="" if audit["clean"] else "bold red"))
    kept = f"Kept as {version}, the champion."
    if champion != version.number:
        kept = (
            f"Kept as {version}, the challenger: {version.name}@{champion} answers until "
            f"`foretell models promote {version}`."
        )
    return stack([*parts, Text(kept)])


def verdict_view(backtest: Backtest) -> Text:
    """Whether the model is better than the best simple rule, in one sentence."""
    return Text(backtest.verdict, style="bold green" if backtest.beats_baseline else "bold yellow")


def predictions_view(predictions: Predictions, *, top: int) -> RenderableType:
    """The first `top` predictions, highest first; the cutoff, the same for all, is told once."""
    rows = [{n: v for n, v in row.items() if n != "cutoff"} for row in predictions.head(top).rows()]
    title = f"Predictions: {moment(predictions.meaning.partition('. ')[0])}"
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


def stack(parts: Sequence[RenderableType | None]) -> RenderableType:
    """Sections with a blank line between them; None leaves no gap."""
    shown: list[RenderableType] = []
    for part in parts:
        if part is not None:
            shown += [part] if not shown else [Text(), part]
    return Group(*shown)
