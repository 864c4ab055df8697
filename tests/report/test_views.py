"""Views read well at 80 columns, without colour, and escape hostile names in HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import RenderableType

from foretell.core.time import parse_instant
from foretell.evaluation.backtest import Backtest, score
from foretell.evaluation.labels import CutoffRow, LabelReport
from foretell.evaluation.metrics import METRICS
from foretell.explain.reasons import Driver
from foretell.report.backtest import READ, backtest_view
from foretell.report.labels import labels_view
from foretell.report.layout import to_html, to_text
from foretell.report.predictions import drivers_view, rows_view
from foretell.report.schema import schema_view
from foretell.schema.model import Column, DType, Evidence, Link, Origin, Schema, Semantic, Table
from foretell.task.model import TaskKind

GUESS = Evidence(Origin.INFERRED, 0.93, ("every value is one of the 2,000 keys", "the names are equal"))


def column(name: str, semantic: Semantic = Semantic.NUMERIC) -> Column:
    return Column(name, DType.FLOAT, semantic)


def shop(child: str = "visits") -> Schema:
    customers = Table("customers", (column("id"), column("at", Semantic.TIME)), ("id",), "at", rows=2000)
    visits = Table(child, (column("customer_id"), column("pages")), rows=94_947)
    return Schema(
        (customers, visits), (Link(child, ("customer_id",), "customers", ("id",), GUESS),), notes=("odd",)
    )


def backtest(kind: TaskKind = TaskKind.BINARY, gain: float = 1.5) -> Backtest:
    rng = np.random.default_rng(0)
    z = rng.normal(size=600)
    y = (z + rng.normal(size=600) > 0).astype(float) if kind is TaskKind.BINARY else z * 100
    said = 1 / (1 + np.exp(-gain * z)) if kind is TaskKind.BINARY else z * 60
    start = parse_instant("2025-01-01")
    return score(
        y,
        {"model": said, "constant": np.full(600, 0.5)},
        groups=rng.integers(0, 200, 600),
        cutoffs=start + rng.integers(0, 3, 600) * 30 * 86_400_000_000,
        kind=kind,
        repetitions=50,
    )


def views() -> dict[str, RenderableType]:
    start = parse_instant("2025-01-01")
    cutoffs = tuple(CutoffRow(start + i * 10**12, 1000, 0.4 + i / 50) for i in range(12))
    left = {"no value in the window": 12}
    binary = LabelReport(TaskKind.BINARY, cutoffs, 3000, 900, 0.5, positives=1500, dropped=left)
    counts = {"a": 6, "b": 4}
    mixed = CutoffRow(start, 10, float("nan"))
    classes = LabelReport(TaskKind.MULTICLASS, (mixed,), 10, 9, float("nan"), classes=counts)
    driver = Driver("orders.recency", "days since the last of orders", 0.3, "higher values raise it")
    why = ["no visit in 30 days"] * 2
    rows = [{"customer_id": i, "probability": i / 10, "reasons": why} for i in range(9)]
    return {
        "schema": schema_view(shop(), name="shop.duckdb"),
        "labels": labels_view(binary),
        "classes": labels_view(classes),
        "numbers": labels_view(LabelReport(TaskKind.REGRESSION, cutoffs, 3000, 900, 12.5)),
        "no labels": labels_view(LabelReport(TaskKind.BINARY, (), 0, 0, float("nan"), positives=0)),
        "backtest": backtest_view(backtest()),
        "regression": backtest_view(backtest(TaskKind.REGRESSION)),
        "drivers": drivers_view([driver, replace(driver, share=0.1)]),
        "predictions": rows_view(rows, title="Predictions", shown=4),
        "no predictions": rows_view([], title="Predictions"),
    }


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name", views())
def test_a_view_fits_its_width_without_colour(name: str, width: int) -> None:
    shown = to_text(views()[name], width=width)
    assert "\x1b" not in shown
    assert all(len(line) <= width for line in shown.split("\n"))


def test_guesses_are_marked_with_their_reasons() -> None:
    shown = to_text(schema_view(shop()), width=120)
    assert "guess 93%" in shown
    assert "every value is one of the 2,000 keys; the names are equal" in shown
    assert "1 guess" in shown.split("\n")[0]
    assert "declared" not in shown


def test_a_brief_view_of_a_large_schema_is_short() -> None:
    tables = tuple(Table(f"t{i}", (column("id"),), ("id",)) for i in range(40))
    shown = to_text(schema_view(Schema(tables), brief=True))
    assert "t11" in shown and "t12" not in shown
    assert shown.endswith("The rest of it: foretell schema")
    assert "t39" in to_text(schema_view(Schema(tables)))


def test_labels_tell_shares_and_what_was_left_out() -> None:
    shown = to_text(views()["labels"], width=100)
    assert "3,000 rows (900 entities at 12 cutoffs), 50% of them yes" in shown
    assert "and 4 earlier cutoffs" in shown
    assert "left out: 12 rows, no value in the window" in shown


def test_numbers_stand_under_each_other() -> None:
    lines = to_text(views()["labels"], width=100).split("\n")
    ends = {len(line) for line in lines if line.endswith("%") and line.startswith("20")}
    assert len(ends) == 1


def test_the_backtest_names_the_best_baseline_and_the_gain() -> None:
    shown = to_text(views()["backtest"], width=100)
    assert "the same for everyone (best baseline)" in shown
    assert "better than the best baseline by" in shown
    assert "percentage points on average" in shown
    assert "0.5 is guessing, 1 is perfect" in " ".join(shown.split())


def test_fair_coverage_is_told_where_common_values_matter() -> None:
    told = replace(backtest(TaskKind.REGRESSION), coverage=0.94, fair_coverage=0.81, level=0.8)
    said = " ".join(to_text(backtest_view(told), width=90).split())
    assert "94% of what happened lay inside its 80% interval" in said
    assert "counted in part, 81% lay inside" in said
    alike = replace(told, fair_coverage=0.935)
    assert "in part" not in to_text(backtest_view(alike), width=90)  # the control


def test_every_metric_is_explained() -> None:
    assert set(READ) == set(METRICS)


def test_hostile_names_are_text_in_html_and_markup_is_not_read() -> None:
    schema = shop("<script>alert(1)</script>")
    assert "<script>" not in to_html(schema_view(schema))
    shown = to_text(schema_view(shop("[red]x[/red]")))
    assert [line for line in shown.split("\n") if line.split()[:1] == ["x"]] == []  # in grids too
    assert shown.count("[red]x[/red]") > 3


def test_html_is_the_same_text() -> None:
    page = to_html(views()["labels"])
    assert page.startswith("<pre") and page.endswith("</pre>")
    assert "left out: 12 rows" in page


def test_calibration_is_drawn_where_there_are_bands() -> None:
    found = backtest()
    lines = to_text(backtest_view(found)).splitlines()
    said, came = (next(line for line in lines if line.strip().startswith(w)) for w in ("said", "came true"))
    bars = [re.findall("[▁▂▃▄▅▆▇█]+", line)[0] for line in (said, came)]
    assert len(bars[0]) == len(bars[1]) == len(found.bins) and list(bars[0]) == sorted(bars[0])
    assert "▁" not in to_text(backtest_view(replace(found, bins=found.bins[:3]))), "too few bands"
