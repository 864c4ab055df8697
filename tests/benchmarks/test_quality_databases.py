"""The databases benchmark: rivals get the rows and nothing later, are judged on common rows, and counted."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import foretell
from foretell.task.regime import Regime
from foretell.testing.databases import events, shop

QUALITY = Path(__file__).parents[2] / "benchmarks/quality"
CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
SPEND = "PREDICT SUM(orders.amount, 0, 10, days) FOR EACH customers.id"
RIVAL = """#!{python}
import json, pathlib, sys
import numpy as np, pyarrow.parquet as pq
told = dict(zip(sys.argv[2::2], sys.argv[3::2]))
rows = pq.read_table(pathlib.Path(told["--job"]) / "rows.parquet").to_pydict()
test = [i for i, fold in enumerate(rows["fold"]) if fold == "test"][1:]
out = pathlib.Path(told["--out"])
np.savez(out / "predictions.npz", index=test, prediction=np.full(len(test), 1e6))
(out / "report.json").write_text(json.dumps({{"features": 1, "learned": 3, "of": 9}}))
with (out / "calls").open("a") as calls:
    calls.write("called\\n")
"""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a script of the benchmark by its name; what it brought is forgotten afterwards."""
    for place in (QUALITY.parent / "speed", QUALITY, QUALITY / "rivals"):
        monkeypatch.syspath_prepend(str(place))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(QUALITY.parent) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def exported(load: Any, frames: Any, text: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """The mark of an exported job, and what job.json says."""
    with foretell.connect(frames) as database:
        question = database.query(text)
        lesson = question._lesson(question._budget(5.0), Regime.of(None))
        mark = load("export").export(database.opened, lesson, "mae", folder)
        rows = pq.read_table(folder / "rows.parquet")
        for fold in ("train", "valid", "test"):
            mine = rows.filter(pc.equal(rows["fold"], fold))
            mask = getattr(lesson.folds, fold)
            assert mine["y"].to_numpy().tolist() == lesson.y[mask].tolist()
            assert mine["entity"].to_numpy().tolist() == lesson.labels.rows.entities[mask].tolist()
        assert pq.read_metadata(folder / "matrix.parquet").num_rows == rows.num_rows
    return mark, json.loads((folder / "job.json").read_text())


def test_tables_of_a_job_have_their_times_and_links(load: Any, tmp_path: Path) -> None:
    path = shop(tmp_path / "shop.duckdb", customers=60, days=300)
    mark, job = exported(load, path, CHURN, tmp_path / "a")
    again, _ = exported(load, path, CHURN, tmp_path / "b")
    assert mark == again
    assert "customer_id" not in job["tables"]["orders"] and "order_id" not in job["tables"]["orders"]
    items = pq.read_table(tmp_path / "a/tables/order_items.parquet").to_pandas()
    orders = pq.read_table(tmp_path / "a/tables/orders.parquet").to_pandas().set_index("__row")
    up = next(k["column"] for k in job["links"] if (k["child"], k["parent"]) == ("order_items", "orders"))
    assert (items["__time"].to_numpy() == orders.loc[items[up], "__time"].to_numpy()).all()


def test_what_is_written_after_its_row_is_kept_from_rivals(load: Any, tmp_path: Path) -> None:
    frames = events(rows=900, days=200)
    _, plain = exported(load, frames, SPEND, tmp_path / "plain")
    assert "amount" in plain["tables"]["orders"]
    at = frames["orders"]["at"]
    late = pc.add(at, pa.scalar(5 * 86_400_000_000, pa.duration("us")))
    frames["orders"] = frames["orders"].append_column("closed_at", late)
    _, changed = exported(load, frames, SPEND, tmp_path / "changed")
    assert changed["tables"]["orders"] == {}
    assert changed["tables"]["customers"] == plain["tables"]["customers"]


def test_a_label_that_changes_makes_another_job(load: Any, tmp_path: Path) -> None:
    frames = events(rows=900, days=200)
    mark, _ = exported(load, frames, SPEND, tmp_path / "a")
    amounts = frames["orders"]["amount"].to_numpy().copy()
    amounts[-1] += 1
    place = frames["orders"].schema.get_field_index("amount")
    frames["orders"] = frames["orders"].set_column(place, "amount", pa.array(amounts))
    other, _ = exported(load, frames, SPEND, tmp_path / "b")
    assert other != mark


def test_rivals_are_judged_on_the_rows_that_both_predicted(load: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    told = {"kind": "regression", "metric": "mae"}
    (tmp_path / "job.json").write_text(json.dumps(told))
    rows = {"entity": np.arange(200) // 4, "y": y}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    test = np.arange(100, 200)
    for name, index, off in (("good", test, 0.1), ("bad", test[::-1][:60], 0.5), ("same", test, 0.1)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "predictions.npz", index=index, prediction=y[index] + off)
    judge = load("judge").judge
    found = judge(tmp_path, tmp_path / "good", tmp_path / "bad")
    assert found["test_rows"] == 60
    assert found["lead"] == pytest.approx([0.4, 0.4, 0.4]) and found["value"] == pytest.approx(0.5)
    assert judge(tmp_path, tmp_path / "bad", tmp_path / "good")["lead"][0] == pytest.approx(-0.4)
    assert judge(tmp_path, tmp_path / "good", tmp_path / "same")["lead"] == [0.0, 0.0, 0.0]


def record(**changed: Any) -> dict[str, Any]:
    """A measured query with nothing wrong in it."""
    made = {
        "learned": 4_000,
        "test_rows": 3_000,
        "metric": "mae",
        "model": 1.0,
        "rule": 1.5,
        "best_baseline": "last",
        "lift": [0.5, 0.4, 0.6],
        "ece": None,
        "coverage": 0.8,
        "slices": [0.75, 0.85],
        "seconds": 3.0,
        "peak_mb": 300.0,
    }
    return made | changed


def test_summary_counts_what_was_reached(load: Any) -> None:
    figures: ModuleType = load("figures")
    rival = {"value": 1.2, "ours": 1.0, "lead": [0.2, 0.1, 0.3], "test_rows": 9, "features": 4}
    rival |= {"learned": 50, "of": 100, "seconds": 9.0, "peak_mb": 80.0}
    records = {
        "a.won": record(rivals={"featuretools": rival}),
        "a.lost": record(
            lift=[-0.5, -0.6, -0.4],
            coverage=0.9,
            slices=[0.6, 0.95],
            rivals={"featuretools": rival | {"lead": [-0.1, -0.2, -0.05]}},
        ),
        "a.sure": record(ece=0.02, coverage=None, slices=None, lift=[0.1, -0.1, 0.3]),
        "a.unsure": record(
            ece=0.2, coverage=None, slices=None, rivals={"featuretools": {"failed": "timeout"}}
        ),
        "a.small": record(ece=0.2, coverage=None, slices=None, test_rows=100),
        "a.none": {"skipped": "12 rows"},
    }
    said = figures.summary(records).splitlines()
    assert said[0] == "5 queries with enough rows"
    assert said[1] == "better than the best simple rule: 4 of 5 (3 surely; surely worse: 1)"
    assert said[2] == "better than featuretools: 1 of 2 (1 surely; surely worse: 1); it failed on 1"
    assert said[3] == "ECE ≤ 0.03: 1 of 2 with ≥ 2,000 test rows"
    assert said[4].endswith("1 of 2") and said[5].endswith("1 of 2")
    table = figures.markdown(records)
    assert table.count("\n| a.") == 5 and "- a.none: 12 rows" in table and "(50 rows)" in table
    assert "LOSES to the rule" in figures.lines("a.lost", records["a.lost"])
    assert "learned from 50 of 100 rows" in figures.lines("a.won", records["a.won"])


@pytest.mark.skipif(sys.platform != "linux", reason="the meter reads /proc")
def test_a_query_is_measured_compared_and_taken_up_again(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, work = tmp_path / "data/tiny", tmp_path / "work"
    data.mkdir(parents=True)
    for name, frame in events(rows=1500, days=300, entities=60).items():
        pq.write_table(frame, data / f"{name}.parquet")
    queries = tmp_path / "queries.toml"
    asked = f'[[query]]\ndatabase = "tiny"\nid = "spend"\nquery = "{SPEND}"\n'
    few = SPEND.replace("10, days", "90, days")
    queries.write_text(f'{asked}\n[[query]]\ndatabase = "tiny"\nid = "few"\nquery = "{few}"\n')
    python = work / "featuretools/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(RIVAL.format(python=sys.executable))
    python.chmod(0o755)
    databases = load("databases")
    for name, value in (("DATA", tmp_path / "data"), ("WORK", work), ("QUERIES", queries)):
        monkeypatch.setattr(databases, name, value)
    result = tmp_path / "result.json"

    def run(*more: str) -> dict[str, Any]:
        words = ["databases.py", "--time-limit", "5", "--threads", "1", "--result", str(result), *more]
        monkeypatch.setattr(sys, "argv", words)
        databases.main()
        return dict(json.loads(result.read_text())["queries"])

    first = run("--rivals", "featuretools,autogluon")
    made = first["tiny.spend"]
    assert "rows" in first["tiny.few"]["skipped"]
    assert made["lift"][1] <= made["lift"][0] <= made["lift"][2] and made["peak_mb"] > 50
    assert 0 <= made["slices"][0] <= made["coverage"] <= made["slices"][1] <= 1
    won = made["rivals"]["featuretools"]
    assert won["ours"] < 1e3 < won["value"] and won["lead"][1] > 0
    assert won["test_rows"] == made["test_rows"] - 1
    assert "not installed" in made["rivals"]["autogluon"]["failed"]
    said = capsys.readouterr().out
    assert "beats featuretools" in said and "better than featuretools: 1 of 1 (1 surely" in said
    assert run("--rivals", "featuretools,autogluon", "--resume") == first
    calls = work / "jobs/tiny.spend/featuretools/calls"
    assert run("tiny.spend", "--rivals", "featuretools")["tiny.spend"]["rivals"]["featuretools"] == won
    assert calls.read_text() == "called\n", "the same rows: what the rival said is taken again"


def test_an_answer_serves_where_only_its_time_was_longer(load: Any) -> None:
    answered = load("databases")._is_answered
    assert answered(["job", 200.0, 1, 0], ["job", 300.0, 1, 0])
    assert not answered(["job", 200.0, 1, 0], ["job", 100.0, 1, 0])
    assert not answered(["job", 200.0, 1, 0], ["other", 300.0, 1, 0])
    assert not answered(["job", 200.0, 2, 0], ["job", 300.0, 1, 0])


def test_links_that_are_asked_for_are_no_features_of_a_rival(load: Any, tmp_path: Path) -> None:
    """The winner is a link of the match: its own row must not tell it."""
    rng = np.random.default_rng(0)
    teams = pa.table({"team_id": [f"team {i}" for i in range(6)], "founded": np.arange(1900, 1906)})
    pairs = np.stack([rng.permutation(6)[:2] for _ in range(600)])
    names = np.array(teams["team_id"].to_pylist(), dtype=object)
    played = np.datetime64("2020-01-01", "us") + np.arange(600) * np.timedelta64(1, "D")
    matches = {"match_id": np.arange(600), "played_at": played, "winner_id": names[pairs[:, rng.integers(2)]]}
    matches |= {"home_id": names[pairs[:, 0]], "away_id": names[pairs[:, 1]]}
    text = "PREDICT matches.winner_id = matches.home_id FOR EACH matches.match_id"
    exported(load, {"teams": teams, "matches": pa.table(matches)}, text, tmp_path)
    job = load("job").Job(tmp_path, tmp_path, 1.0, 1, 0)
    assert len(job.about["links"]) == 3 and len(job.about["hidden_links"]) == 2
    (left,) = job.own_links
    held = job.table("matches")
    named = job.table("teams").set_index("__row").loc[held[left["column"]], "founded"].to_numpy()
    away = dict(zip(teams["team_id"].to_pylist(), teams["founded"].to_pylist()))
    assert named.tolist() == [away[a] for a in matches["away_id"]]
