"""Plots compile, say in words what they show, and take names from databases for text alone."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from foretell.core.errors import MissingExtraError, UsageError
from foretell.core.time import DAY, parse_instant
from foretell.evaluation.backtest import score
from foretell.explain.explanation import Dependence, EntityExplanation, Explanation, Influence, Told
from foretell.explain.explanation import Point as Place
from foretell.explain.reasons import Reason
from foretell.models.follow import Bands
from foretell.models.intervals import fit_conformal
from foretell.patterns.finding import Curve, Finding, Kind, Measured, Patterns, Status
from foretell.report import draw
from foretell.report.chart import Plot, nothing
from foretell.report.explained_plots import entity_plot, explanation_plots
from foretell.report.pattern_plots import patterns_plots
from foretell.report.plots import backtest_plots, labels_plot
from foretell.report.upkeep_plots import Point, scores_plot
from foretell.task.model import TaskKind

EVIL = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> {{datum}} ${x}'
START = parse_instant("2025-01-01")
FIELDS = {
    *("x", "y", "t", "i", "low", "high", "of", "rows", "text", "part", "zero"),
    *("tenth", "ninetieth", "middle"),
}


def told(kind: TaskKind, rows: int = 300) -> Mapping[str, Any]:
    rng = np.random.default_rng(0)
    z = rng.random(rows)
    predictions: dict[str, Any]
    y = (rng.random(rows) < z).astype(float)
    predictions = {"model": z, "last": z.round(1)}
    bands = None
    if kind is TaskKind.REGRESSION:
        y = 100 * z + rng.normal(0, 5, rows)
        predictions = {"model": 100 * z, "last": 90 * z}
        bands = Bands.of(fit_conformal(y, 100 * z, np.zeros(rows, dtype=np.int64)), 100 * z, 0.8)
    if kind is TaskKind.MULTICLASS:
        predictions = {n: np.stack([1 - p, p], axis=1) for n, p in predictions.items()}
    return score(
        y,
        predictions,
        groups=rng.integers(0, 80, rows),
        cutoffs=START + rng.integers(0, 4, rows) * 30 * DAY,
        kind=kind,
        classes=("plain", EVIL),
        bands=bands,
        repetitions=20,
    ).to_dict()


def labels() -> Mapping[str, Any]:
    dates = [f"2025-{m:02d}-01" for m in range(1, 13)]
    cutoffs = [{"cutoff": d, "rows": 100 + i, "mean": 0.3 + i / 50} for i, d in enumerate(dates)]
    return {"kind": "binary", "cutoffs": cutoffs}


def explanation() -> Explanation:
    drivers = tuple(Influence(f"s{i}", f"{EVIL} {i}", 1, 0.5 / (i + 1), 0.1) for i in range(3))
    numbers = tuple(Place(float(i), 0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.05, 10) for i in range(5))
    kinds = (Place(EVIL, 0.2, 0.1, 0.3, 10), Place(None, 0.4, 0.3, 0.5, 10))
    curves = (
        Dependence("f", EVIL, "s0", "ale", "", 0.3, (*numbers, kinds[1])),
        Dependence("g", EVIL, "s1", "pd", EVIL, 0.3, kinds),
    )
    return Explanation("binary", "auroc", 0.8, True, 100, 50, "", drivers, (), (), curves)


def entity() -> EntityExplanation:
    reasons = tuple(Told(Reason("f", f"{EVIL} {e}", e), e / 10, EVIL) for e in (0.5, -0.3))
    return EntityExplanation({EVIL: 7}, "2025-01-01", "binary", 0.7, "", 0.5, 0.0, 0.8, reasons)


def patterns() -> Patterns:
    measured = Measured(0.3, 0.2, 0.4, 0.001, 50, 500, 40, 0.31, null=0.1)
    series = tuple((START + i * 30 * DAY, 0.3 + i / 100) for i in range(8))
    found = Finding(
        Kind.SUBGROUP, Status.HEADLINE, "k", "s", f"{EVIL}: 30% against 10%", measured, series, ""
    )
    curve = Curve("s", EVIL, (0.0, 10.0, 20.0), {EVIL: (0.0, 0.2, 0.4), "b": (0.0, 0.1, 0.2)}, {EVIL: 9})
    return Patterns("p", (found,), curves=(curve,))


def all_plots() -> dict[str, Plot]:
    made: list[Plot] = []
    for kind in (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS):
        made += backtest_plots(told(kind))
    made += [*explanation_plots(explanation()), entity_plot(entity()), *patterns_plots(patterns())]
    points = [Point(START + i * DAY, 0.7 + i / 100, 0.6, 0.8, 0.5) for i in range(4)]
    made.append(scores_plot(points, EVIL, [(START + DAY, EVIL)]))
    over_time = labels_plot(labels())
    assert over_time is not None
    return {
        f"{i} {p.name}": p
        for i, p in enumerate(
            [*made, over_time, nothing("n", "Nothing to see", "0 batches have been graded")]
        )
    }


PLOTS = all_plots()


def test_each_kind_of_task_has_its_plots() -> None:
    names = {k: [p.name for p in backtest_plots(told(k))] for k in
             (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS)}  # fmt: skip
    assert names[TaskKind.BINARY] == ["roc", "precision_recall", "gain", "calibration", "scores", "over_time"]
    assert names[TaskKind.REGRESSION] == ["actual", "residuals", "over_time", "coverage"]
    assert names[TaskKind.MULTICLASS] == ["confusion", "calibration", "over_time"]


def test_a_backtest_without_curves_has_the_plots_it_can_have() -> None:
    for kind, left in (
        (TaskKind.BINARY, ["calibration", "over_time"]),
        (TaskKind.REGRESSION, ["over_time", "coverage"]),
    ):
        old = {**told(kind), "curves": {}}
        assert [p.name for p in backtest_plots(old)] == left
        del old["curves"]
        assert [p.name for p in backtest_plots(old)] == left
    assert backtest_plots(None) == ()


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_an_svg_that_loads_nothing_and_runs_nothing(name: str) -> None:
    plot = PLOTS[name]
    text = draw.svg(plot, "auto", titled=False)
    root = ElementTree.fromstring(text)
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == plot.alt
    assert len(plot.alt) > 30 and re.search(r"\d", plot.alt), "the alt text holds numbers"
    assert faults(text) == []
    assert len(text) < 60_000
    assert not re.search(r'(fill|stroke)="#(?!fff)', text), "colours are of the page"


def faults(svg: str) -> list[str]:
    """Elements and attributes of an SVG that could run or load something."""
    found = []
    for element in ElementTree.fromstring(svg).iter():
        tag = element.tag.rpartition("}")[2]
        if tag in ("script", "image", "img", "a", "foreignObject", "use", "style", "iframe"):
            found.append(tag)
        for key, value in element.attrib.items():
            key = key.rpartition("}")[2]
            if key.startswith("on") or key in ("href", "src") or "url(http" in value:
                found.append(f"{tag} {key}")
    return found


def test_the_control_sees_what_it_looks_for() -> None:
    planted = '<svg xmlns="http://www.w3.org/2000/svg" onload="x"><image href="http://a"/><script/></svg>'
    assert faults(planted) == ["svg onload", "image", "image href", "script"]


def test_names_are_shown_as_text() -> None:
    shown = [ElementTree.fromstring(draw.svg(p)).itertext() for p in PLOTS.values()]
    assert sum("<script>" in text for texts in shown for text in texts) > 5


@pytest.mark.parametrize("name", PLOTS)
def test_names_are_values_and_titles_only(name: str) -> None:
    assert said_by(PLOTS[name].spec) == []


def said_by(spec: Any) -> list[str]:
    """Places of a specification where text would be run, loaded or taken for a field."""
    found = []
    for key, value in walk(spec):
        if key in ("expr", "signal", "url", "href", "transform", "params", "usermeta", "calculate"):
            found.append(key)
        if key == "field" and value not in FIELDS:
            found.append(f"field {value}")
    return found


def walk(part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key != "data":
                yield str(key), value
                yield from walk(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from walk(value)


def test_the_control_sees_a_name_that_became_a_field() -> None:
    planted = {"layer": [{"encoding": {"x": {"field": EVIL}}, "transform": [{"calculate": "1"}]}]}
    assert said_by(planted) == [f"field {EVIL}", "transform", "calculate"]


def test_dark_changes_colours_and_no_data() -> None:
    plot = Plot("p", draw.LIGHT["ink"], "one 1", {
        "mark": {"type": "text", "color": draw.LIGHT["ink"]},
        "data": {"values": [{"text": draw.LIGHT["ink"]}]},
        "encoding": {"text": {"field": "text"}},
    })  # fmt: skip
    text = draw.svg(plot, "dark", titled=False)
    assert f'fill="{draw.DARK["ink"]}"' in text and f">{draw.LIGHT['ink']}<" in text


def test_png_and_files_by_their_names(tmp_path: Any) -> None:
    plot = PLOTS["0 roc"]
    assert draw.png(plot).startswith(b"\x89PNG")
    assert draw.image(plot, tmp_path / "a.svg").startswith(b"<svg")
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        draw.image(plot, tmp_path / "a.pdf")
    both = draw.panel("panel", "Two", [plot, PLOTS["1 precision_recall"]])
    assert ElementTree.fromstring(draw.svg(both)) is not None and plot.alt in both.alt


def test_without_the_drawing_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"foretell\[report\]"):
        draw.svg(PLOTS["0 roc"])


@pytest.mark.parametrize("colours", [draw.LIGHT, draw.DARK], ids=["light", "dark"])
def test_colours_have_contrast_and_differ_for_the_colour_blind(colours: Mapping[str, str]) -> None:
    inks = [colours[n] for n in ("ink", "dim", "one", "two", "three", "four", "five")]
    assert all(contrast(c, colours["paper"]) >= 4.5 for c in inks)
    for seen in (PROTAN, DEUTAN):
        for one, two in combinations([colours[n] for n in ("one", "two")], 2):
            assert np.abs(seen @ linear(one) - seen @ linear(two)).sum() > 0.25


PROTAN = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
DEUTAN = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
"""How colours are seen without one kind of cones (Machado et al. 2009)."""


def linear(colour: str) -> Any:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, two: str) -> float:
    """The ratio of WCAG 2."""
    a, b = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(c)) for c in (one, two))
    return (b + 0.05) / (a + 0.05)


def test_the_control_of_contrast() -> None:
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")
