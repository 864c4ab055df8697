"""The RelBench benchmark on a small dataset of that layout: both regimes, and the page made of results."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import foretell
from foretell.core.time import DAY, parse_instant
from foretell.testing.databases import events

QUALITY = Path(__file__).parents[2] / "benchmarks/quality"
START, VAL, END = "2024-02-01", "2024-09-01", "2024-12-05"


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The two scripts, as modules."""
    monkeypatch.syspath_prepend(str(QUALITY))
    for name in ("relbench", "leaderboard"):
        sys.modules.pop(name, None)
    found = importlib.import_module("relbench"), importlib.import_module("leaderboard")
    for name in ("relbench", "leaderboard"):
        monkeypatch.delitem(sys.modules, name)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shop with a task: does the customer order within 20 days?"""
    tables = events(2, entities=50, rows=900, days=360)
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    at = tables["orders"]["at"].cast(pa.int64()).to_numpy()
    who = tables["orders"]["customer_id"].to_numpy()
    rows = []
    for cutoff in range(parse_instant(START), parse_instant(END), 20 * DAY):
        ordered = set(who[(at > cutoff) & (at <= cutoff + 20 * DAY)].tolist())
        rows += [(cutoff, person, int(person in ordered)) for person in range(1, 51)]
    cutoffs, people, labels = (np.array(c) for c in zip(*rows))
    table = pa.table({"date": pa.array(cutoffs).cast(pa.timestamp("us")), "id": people, "active": labels})
    place = tmp_path / "tasks/user-active"
    place.mkdir(parents=True)
    start = parse_instant(VAL)
    pq.write_table(table.filter(pa.array(cutoffs + 20 * DAY <= start)), place / "train.parquet")
    pq.write_table(table.filter(pa.array(cutoffs >= start)), place / "val.parquet")
    told = {"type": "binary_classification", "entity_table": "customers", "entity_col": "id"}
    told |= {"time_col": "date", "target_col": "active", "timedelta_days": 20}  # type: ignore[dict-item]
    links = {"type": "link_prediction"}
    manifest = {"name": "shop", "val_timestamp": VAL, "tasks": {"user-active": told, "link": links}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def given(**more: Any) -> argparse.Namespace:
    held = {"split": "val", "regime": "S", "model": "trees", "seeds": 1, "time_limit": 1.0, "threads": 1}
    held |= {"internal": False, "labels_alone": False, "features": "less", "write": False}
    return argparse.Namespace(**{**held, **more})


def test_a_task_without_a_query_in_both_regimes(
    quality: tuple[ModuleType, ModuleType], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    relbench, _ = quality
    bench = relbench.from_folder(folder)
    assert bench.tasks == ("user-active",)
    for regime in ("S", "F"):
        relbench.run(bench, "user-active", given(regime=regime))
        said = capsys.readouterr().out
        assert f"shop/user-active, {regime}: auroc on val, 250 rows" in said
        assert "mean: trees " in said and "best simple rule on these rows" in said
    relbench.run(bench, "user-active", given(regime="F", internal=True))
    said = capsys.readouterr().out
    assert "mean: inside" in said and "best simple rule" not in said


def test_frozen_rows_are_scored_with_the_snapshot(
    quality: tuple[ModuleType, ModuleType], folder: Path
) -> None:
    """The score is that of `predict_rows`, and moves when the history is not frozen."""
    relbench, _ = quality
    bench = relbench.from_folder(folder)
    task = bench.load("user-active")
    val = task.tables["val"]
    with foretell.connect(bench.database, threads=1) as database:
        question = relbench.asked(database, bench, task, given())
        model = question.fit(time_limit=1, model="trees", frozen_at=VAL, frozen_for="90d")
        found = relbench.scored(model, val, "auroc")["trees"]
        truth = val["label"].to_numpy().astype(float)
        score = relbench.METRICS["auroc"].score
        assert found == score(truth, model.predict_rows(val, database)["probability"].to_numpy())
        later = model.predict_rows(val, database, frozen_at=END)["probability"].to_numpy()
        assert found != score(truth, later)


def test_the_page_has_ours_beside_theirs(quality: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    _, leaderboard = quality
    entry = {"task": "shop/churn", "regime": "F", "split": "val", "model": "auto", "metric": "auroc"}
    entry |= {"time_limit": 30.0, "scores": {"trees": [0.7, 0.71]}, "seconds": [3.0, 5.0], "rows": 9}
    place = tmp_path / "results/relbench.json"
    leaderboard.keep({**entry, "scores": {"trees": [0.1]}}, place)
    leaderboard.keep({**entry, "model": "trees"}, place)
    leaderboard.keep(entry, place)  # instead of the first
    held = json.loads(place.read_text())
    assert [e["model"] for e in held] == ["auto", "trees"] and held[0] == entry
    theirs = [
        {"name": "GNN", "regime": "F", "source": "board", "shop/churn": 68.5},
        {"name": "Other", "regime": "S", "source": "board", "placed": True, "shop/churn": 81.0},
    ]
    page = leaderboard.page(held, theirs)
    frozen = page[page.index("Frozen:") :]
    assert "| **foretell, trees** | val | 70.50 (70.00 to 71.00) | 2 | 4 |" in frozen
    assert "| GNN | test | 68.5 | | | board |" in frozen and "Other" not in frozen
    assert "| Other | test | 81 | | | board, placed by its figures |" in page


def test_the_page_is_that_of_the_kept_results(quality: tuple[ModuleType, ModuleType]) -> None:
    _, leaderboard = quality
    results = json.loads(leaderboard.RESULTS.read_text()) if leaderboard.RESULTS.exists() else []
    published = leaderboard.tomllib.loads(leaderboard.PUBLISHED.read_text())["method"]
    assert leaderboard.PAGE.read_text() == leaderboard.page(results, published)
