"""A retraining as it is told, and the command's exit codes."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from lifecycle_world import Clock, day, fitted, frames, registry, until

from foretell.cli.app import main
from foretell.evaluation.detectors import Detection
from foretell.evaluation.detectors import Outcome as Found
from foretell.lifecycle.retrain import Look, Outcome, Retrained, rule
from foretell.prediction.inspect import Inspection
from foretell.report.layout import to_text
from foretell.report.retraining import retrained_view
from foretell.task.model import TaskKind


def look(**changes: object) -> Look:
    y, rows = np.tile([0.0, 1.0], 100), np.arange(200)
    said = (0.4 + 0.1 * (rows % 3), 0.01 + 0.98 * y)
    ruling = rule(y, *said, groups=rows, cutoffs=rows * 0, kind=TaskKind.BINARY).to_dict()
    return replace(Look(1, day(10), day(40), 1, ruling, {"seed": 0}, 2, True, day(60)), **changes)  # type: ignore[arg-type]


def test_a_promotion_shows_the_trial_its_power_and_its_price() -> None:
    found = Retrained("buys", day(60), Outcome.PROMOTED, 1, 2, 2, (look(),), "it is better", audit="No leak.")
    text = to_text(retrained_view(found), width=120)
    assert text.startswith("buys@2 replaces buys@1: it is better.")
    assert "would show in 80% of cases" in text and "may err with 1.5%" in text and "No leak." in text
    assert "2024-01-11 … 2024-02-10" in text
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["looks"][0]["ruling"]["passes"]


def test_what_is_not_defined_is_told_as_a_dash() -> None:
    ones, rows = np.ones(50), np.arange(50)
    ruling = rule(ones, ones, ones, groups=rows, cutoffs=rows, kind=TaskKind.BINARY).to_dict()
    found = Retrained("buys", day(60), Outcome.NOT_BETTER, 1, 1, None, (look(ruling=ruling),), "not defined")
    assert "nothing can be shown" in to_text(retrained_view(found)) and "stays" in found.verdict


def test_a_rollback_shows_the_one_before() -> None:
    check = look(recipe={}, version=1)
    found = Retrained("buys", day(60), Outcome.ROLLED_BACK, 2, 1, 1, (), "it was better", check)
    text = to_text(retrained_view(found), width=120)
    assert text.startswith("buys@1 is the champion again") and "buys@1, which it had replaced" in text


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = frames(3, customers=60, days=300)
    place, folder = tmp_path / "shop.duckdb", str(tmp_path / "models")
    with duckdb.connect(str(place)) as connection:
        for name, table in until(tables, day(300)).items():
            connection.register("t", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM t")
    registry(tmp_path, Clock(day(295))).add("buys", fitted(tables, day(295)))

    def code(*arguments: str) -> object:
        with pytest.raises(SystemExit) as left:
            main(["retrain", "buys", str(place), "--models", folder, "-q", *arguments])
        return left.value.code

    assert code("--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "too few rows"
    failed = Detection("perturb", Found.FAILED, "changed the future", "a feature moved")
    module = importlib.import_module("foretell.lifecycle.retrain.retrain")
    monkeypatch.setattr(module, "inspect", lambda *_, **__: Inspection("q", "all", (), (failed,)))
    assert code("--promote", "always") == 1
    assert "was not promoted: Leak found" in capsys.readouterr().out
    assert code("--promote", "perhaps") == 2 and code("--every", "soon") == 2
