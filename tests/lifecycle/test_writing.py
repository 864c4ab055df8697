"""`foretell write`: the population's predictions in the user's own database, kept, once, and nowhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import foretell
from foretell.cli.app import main
from foretell.core.errors import UsageError, WriteError
from foretell.core.time import parse_instant
from foretell.lifecycle.batches import Batch, batches, predictions_of
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.writing import fitting, layout, write
from foretell.prediction.model import Model
from foretell.sinks.duckdb import DuckDBSink
from foretell.task.model import Task
from foretell.testing.databases import shop

QUERY = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop, a registry with one version, trained once."""
    folder = tmp_path_factory.mktemp("made")
    shop(folder / "shop.duckdb", customers=70, days=300)
    with foretell.connect(folder / "shop.duckdb") as db, Registry(folder / "models") as registry:
        model = db.query(QUERY).fit(time_limit=1, model="trees")
        registry.add("churn", model)
        registry.add("churn", model)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def registry(place: Path) -> Iterator[Registry]:
    with Registry(place / "models", clock=lambda: parse_instant("2030-01-01")) as held:
        yield held


def ask(place: Path, sql: str, name: str = "shop.duckdb") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(place / name), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_what_is_written_is_what_is_predicted(place: Path, registry: Registry) -> None:
    expected = registry.load("churn").predict(place / "shop.duckdb").table
    written = write(registry, "churn", place / "shop.duckdb")
    assert written.batch.rows == expected.num_rows and not written.replayed
    assert "Wrote 70 predictions of churn@1" in written.verdict
    found = ask(place, "SELECT customer_id, cutoff, probability FROM predictions_latest ORDER BY ALL")
    assert found == sorted(zip(*(expected[c].to_pylist() for c in ("customer_id", "cutoff", "probability"))))
    assert ask(place, "SELECT typeof(customer_id), model, version FROM predictions LIMIT 1") == [
        (ask(place, "SELECT typeof(customer_id) FROM customers LIMIT 1")[0][0], "churn", 1)
    ]
    (reasons,) = ask(place, "SELECT reasons FROM predictions ORDER BY probability DESC LIMIT 1")[0]
    assert len(json.loads(reasons)) == 3
    assert ask(place, "SELECT query, sha256, rows, written_at::VARCHAR FROM predictions_runs") == [
        (registry.version("churn").query, registry.version("churn").sha256, 70, "2030-01-01 00:00:00")
    ]


def test_a_replay_scores_and_writes_nothing(
    place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(registry, "churn", place / "shop.duckdb")
    assert write(registry, "churn", place / "shop.duckdb", to="elsewhere").batch == first.batch

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("scored again")

    monkeypatch.setattr(Model, "predict", never)
    again = write(registry, "churn", place / "shop.duckdb", explain=False)
    assert again.replayed and "nothing was written" in again.verdict
    assert again.batch == first.batch
    assert ask(place, "SELECT count(*) FROM predictions") == [(70,)]


def test_other_data_versions_and_cutoffs_are_other_runs(place: Path, registry: Registry) -> None:
    runs = {write(registry, "churn", place / "shop.duckdb", to="p").batch.run_id}
    runs.add(write(registry, "churn", place / "shop.duckdb", to="p", as_of="2024-09-01").batch.run_id)
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE beside AS SELECT 1 AS a")  # the model does not read it
    assert write(registry, "churn", place / "shop.duckdb", to="p").batch.run_id in runs
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        connection.execute("UPDATE orders SET order_id = order_id WHERE false")
        connection.execute("DELETE FROM visits WHERE rowid = (SELECT min(rowid) FROM visits)")
    runs.add(write(registry, "churn", place / "shop.duckdb", to="p").batch.run_id)
    assert len(runs) == 3
    latest = ask(place, "SELECT DISTINCT cutoff::VARCHAR FROM p_latest")
    assert len(latest) == 1 and latest[0][0] > "2024-09-01"


def test_the_kept_batch_says_what_the_best_simple_rule_says(place: Path, registry: Registry) -> None:
    written = write(registry, "churn", place / "shop.duckdb", explain=False)
    (batch,) = batches(registry, "churn")
    assert batch == written.batch and batch.written == parse_instant("2030-01-01")
    kept = predictions_of(registry, batch)
    assert kept.column_names == ["customer_id", "cutoff", "probability", "baseline"]
    assert all(0 <= v <= 1 for v in kept["baseline"].to_pylist())
    assert "baseline" not in {r[0] for r in ask(place, "DESCRIBE predictions")}


def test_a_destination_that_fails_leaves_a_batch_that_can_be_written_later(
    place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> bool:
        raise WriteError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(DuckDBSink, "write", fails)
        with pytest.raises(WriteError):
            write(registry, "churn", place / "shop.duckdb")
    (batch,) = batches(registry, "churn")
    assert batch.written is None
    assert not write(registry, "churn", place / "shop.duckdb").replayed
    assert batches(registry, "churn")[0].written is not None


def test_predictions_never_change_what_a_model_sees(place: Path, registry: Registry) -> None:
    before = registry.load("churn").predict(place / "shop.duckdb").table
    write(registry, "churn", place / "shop.duckdb")
    after = registry.load("churn").predict(place / "shop.duckdb")
    assert after.table.equals(before)
    assert not [n for n in after.notes if "new tables" in n]
    with foretell.connect(place / "shop.duckdb") as db:
        assert not [t.name for t in db.schema.tables if "predictions" in t.name]


def test_sources_and_strangers_are_refused_before_anything_is_scored(place: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match="the model reads"):
        write(registry, "churn", place / "shop.duckdb", to="Orders")
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE mine_runs (a INTEGER)")
    with pytest.raises(UsageError, match="'mine_runs' is there already"):
        write(registry, "churn", place / "shop.duckdb", to="mine")
    with pytest.raises(UsageError, match="dot"):
        write(registry, "churn", place / "shop.duckdb", to="a.b")
    assert batches(registry, "churn") == ()


def test_frames_are_written_into_a_place_of_their_own(place: Path, registry: Registry) -> None:
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        tables = [r[0] for r in connection.execute("SHOW TABLES").fetchall()]
        frames = {t: connection.sql(f"SELECT * FROM {t}").to_arrow_table() for t in tables}
    with pytest.raises(UsageError, match="frames in memory"):
        write(registry, "churn", frames)
    write(registry, "churn", frames, into=place / "out.duckdb")
    assert ask(place, "SELECT count(*) FROM predictions", "out.duckdb") == [(70,)]


def test_nothing_after_the_clock_is_known(place: Path) -> None:
    with Registry(place / "models", clock=lambda: parse_instant("2024-08-01")) as held:
        written = write(held, "churn", place / "shop.duckdb", to="p")
    assert written.batch.cutoff <= parse_instant("2024-08-01")


# Columns


def a_batch(key: list[str]) -> Batch:
    return Batch("r", "m", 1, 0, 0, 1, "s", "x", "d", None, {"key": key})


def test_the_columns_are_key_cutoff_scores_and_reasons(made: Path) -> None:
    with foretell.connect(made / "shop.duckdb") as db:
        task: Task = db.query(QUERY).task
    table = pa.table({"customer_id": [1], "cutoff": [0], "probability": [0.5], "baseline": [0.1]})
    columns, rows = layout(table, a_batch(["customer_id"]), task, None)
    assert [c.name for c in columns] == ["customer_id", "cutoff", "probability", "reasons"]
    assert rows.num_columns == 4 and [c.key for c in columns] == [True, False, False, False]


def test_a_key_called_model_goes_by_its_table() -> None:
    trips = pa.table(
        {
            "trip": pa.array(range(60)),
            "model": [f"m{i % 6}" for i in range(60)],
            "at": pa.array([i * 86_400_000_000 for i in range(60)], pa.timestamp("us")),
        }
    )
    frames = {"cars": pa.table({"model": [f"m{i}" for i in range(6)]}), "trips": trips}
    with foretell.connect(frames) as db:
        task = db.query("PREDICT COUNT(trips.*, 0, 7, days) = 0 FOR EACH cars.model").task
    table = pa.table({"model": ["m1"], "cutoff": [0], "probability": [0.5]})
    columns, rows = layout(table, a_batch(["model"]), task, None)
    assert [c.name for c in columns] == ["cars.model", "cutoff", "probability", "reasons"]
    assert rows["model"].to_pylist() == ["m1"]


def test_names_fit_every_database() -> None:
    long = "p(" + "ü" * 60 + ")"
    found = fitting(["model", "id", "p(a)", "p(A)", long, long[:-2] + "x)"])
    assert len({n.casefold() for n in found}) == 6 and "model" not in found
    assert max(len(n.encode()) for n in found) <= 63


# The command


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_the_command_writes_and_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_models = ("--models", str(place / "models"), "--no-cache")
    target = str(place / "shop.duckdb")
    code, out, _ = call(
        capsys, "write", "churn@2", target, "--to", "scores", "--format", "json", *with_models
    )
    told = json.loads(out)
    assert code == 0
    assert (told["model"], told["rows"], told["table"], told["latest"], told["replayed"]) == (
        "churn@2",
        70,
        "scores",
        "scores_latest",
        False,
    )
    code, out, _ = call(capsys, "write", "churn@2", target, "--to", "scores", "-q", *with_models)
    assert code == 0 and "nothing was written" in " ".join(out.split()) and "scores_latest" in out
    code, _, err = call(capsys, "write", "churn", target, "--to", "orders", *with_models)
    assert code == 2 and "the model reads" in err
    out_folder = str(place / "out")
    code, out, _ = call(capsys, "write", "churn", target, "--into", out_folder, "--no-explain", *with_models)
    assert code == 0 and "_latest-churn.json" in out
