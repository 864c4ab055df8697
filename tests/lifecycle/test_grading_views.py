"""Grades as they are told: in a terminal, as JSON, as a picture, by the command."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from lifecycle_world import BUYS, Clock, Frames, day, fitted, frames, registry, seen, until, written

from foretell.cli.app import main
from foretell.lifecycle.grading import Grades, grade
from foretell.report.draw import svg
from foretell.report.grading import grades_view
from foretell.report.layout import to_text
from foretell.report.upkeep_plots import Point, grades_plot, scores_plot


@pytest.fixture(scope="module")
def tables() -> Frames:
    return frames(3, changes=320)


@pytest.fixture(scope="module")
def grades(tables: Frames, tmp_path_factory: pytest.TempPathFactory) -> Grades:
    """Four graded batches, the last two from after everybody changed their ways; and one that waits."""
    clock = Clock(day(250))
    held = registry(tmp_path_factory.mktemp("grades"), clock)
    held.add("buys", fitted(tables, clock()))
    for number in (260, 280, 325, 350, 390):
        clock.at = day(number)
        written(held, tables, day(number))
    with seen(tables, held) as database:
        return grade(held, "buys", database)


def test_the_table_tells_scores_segments_and_what_waits(grades: Grades) -> None:
    text = to_text(grades_view(grades), width=140)
    assert text.splitlines()[0] == grades.verdict and "surely" in grades.verdict
    assert all(f"{g.score.value:.3f}" in text for g in grades.graded)
    assert "the backtest promised" in text and "Not graded yet: 1 batch" in text
    assert "segment = " in text and "closes at" in text


def test_decay_is_seen_and_good_batches_are_not_blamed(grades: Grades) -> None:
    assert [g.lags for g in grades.graded] == [False, False, True, True]


def test_nothing_graded_says_why(grades: Grades) -> None:
    assert "the first window closes at" in replace(grades, graded=()).verdict
    empty = replace(grades, graded=(), waiting=())
    assert "foretell write" in to_text(grades_view(empty))


def test_the_picture_is_whole_and_names_in_it_are_harmless(grades: Grades) -> None:
    plot = grades_plot(grades)
    assert all(f"{g.score.value:.3f}" in plot.alt for g in grades.graded)
    assert ElementTree.fromstring(svg(plot)).attrib["aria-label"] == plot.alt
    hostile = svg(scores_plot([Point(0, 0.5, 0.4, 0.6, 0.3)], '<script>"x"</script>', [(0, "<b>")]))
    assert "<script>" not in hostile and "<b>" not in hostile and ElementTree.fromstring(hostile) is not None


def test_the_command(tables: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "shop.duckdb"
    with duckdb.connect(str(place)) as connection:
        for name, table in until(tables, day(250)).items():
            connection.register("t", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM t")
    folder = tmp_path / "models"
    held = registry(tmp_path, Clock(day(230)))
    held.add("buys", fitted(tables, day(230), BUYS))
    written(held, tables, day(228))
    picture = tmp_path / "buys.svg"
    arguments = ["grade", "buys", str(place), "--models", str(folder), "--format", "json"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--plot", str(picture), "-q"])
    told = json.loads(capsys.readouterr().out)
    assert left.value.code == 0 and told["graded"][0]["labelled"] == 150
    assert picture.read_text().startswith("<svg")
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--plot", str(picture.with_suffix(".png")), "-q"])
    assert left.value.code == 0 and picture.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit) as left:
        main(["grade", "sells", str(place), "--models", str(folder)])
    assert left.value.code == 2
