"""The commands from end to end, on a small shop, as a user calls them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet
import pytest

from foretell.cli.app import main
from foretell.testing.databases import demo, shop, write_duckdb
from foretell.testing.databases import events as events_frames

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id"


RANK = "PREDICT LIST_DISTINCT(order_items.product_id, 0, 30, days) RANK TOP 3 FOR EACH customers.customer_id"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class Shell:
    """A folder with a small shop, a saved model, and a way to call commands in it."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("FORETELL_MODELS", raising=False)
        self.folder, self.capsys = folder, capsys

    def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = self.capsys.readouterr()
        assert isinstance(left.value.code, int)
        assert "Traceback" not in err
        return Said(left.value.code, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shop")
    shop(place / "shop.duckdb", customers=160, days=330)
    return place


@pytest.fixture
def shell(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(folder, monkeypatch, capsys)


@pytest.fixture(scope="module")
def fitted(folder: Path) -> subprocess.CompletedProcess[str]:
    """`foretell fit` as a user runs it, once for the tests that need its model."""
    command = [sys.executable, "-m", "foretell.cli.app", "fit", "shop.duckdb", CHURN, "--name", "churn"]
    return subprocess.run(
        [*command, "--time-limit", "2"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_schema_marks_what_it_guessed(shell: Shell) -> None:
    said = shell("schema", "shop.duckdb")
    assert said.code == 0
    assert "visits.customer_id → customers.customer_id    guess" in said.out
    assert "orders.customer_id → customers.customer_id    declared" in said.out
    assert "from orders.ordered_at" in said.out
    assert "looking at the schema" in said.err
    assert not any(line.endswith(" ") for line in said.out.split("\n"))


def test_quiet_says_nothing_beside_the_data(shell: Shell) -> None:
    said = shell("schema", "shop.duckdb", "-q", "--format", "json")
    assert said.err == ""
    assert {t["name"] for t in json.loads(said.out)["tables"]} >= {"customers", "visits"}


def test_the_schema_is_written_corrected_and_read_back(shell: Shell, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert shell("schema", "shop.duckdb", "--write", "--config", str(path)).code == 0
    again = shell("schema", "shop.duckdb", "--write", "--config", str(path))
    assert again.code == 2 and "--force" in again.err
    path.write_text('[tables.visits]\nignore = true\n\n[tables.orders]\ntime = "orderd_at"\n')
    slip = shell("schema", "shop.duckdb", "--config", str(path))
    assert slip.code == 2 and "did you mean 'ordered_at'?" in slip.err
    path.write_text("[tables.visits]\nignore = true\n")
    assert "(1 table ignored)" in shell("schema", "shop.duckdb", "--config", str(path)).out


def test_check_tells_the_question_and_its_labels(shell: Shell, tmp_path: Path) -> None:
    said = shell("check", "shop.duckdb", CHURN)
    assert said.code == 0
    assert "will they have no orders" in " ".join(said.out.split())
    assert "share of yes at each cutoff" in said.out
    out = tmp_path / "labels.parquet"
    assert shell("check", "shop.duckdb", CHURN, "-o", str(out)).out == ""
    assert pyarrow.parquet.read_table(out).column_names == ["customer_id", "cutoff", "label"]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("PREDICT LIST_DISTINCT(order_items.product_id, 0, 30, days) RANK TOP 10", "Labels"),
        ("PREDICT LAST(orders.channel, 0, 30, days)", "classes: web"),
        ("PREDICT SUM(orders.amount, 0, 7, days) FORECAST 4 TIMEFRAMES", "Labels"),
    ],
)
def test_check_shows_every_kind(shell: Shell, query: str, part: str) -> None:
    said = shell("check", "shop.duckdb", f"{query} FOR EACH customers.customer_id")
    assert said.code == 0, said.err
    assert part in said.out


def test_ask_answers_with_all_its_parts(shell: Shell) -> None:
    said = shell("ask", "shop.duckdb", CHURN, "--time-limit", "2", "--top", "3")
    assert said.code == 0, said.err
    words = " ".join(said.out.split())
    for part in (
        "The question", "8 tables", "Labels:", "Backtest:", "(best baseline)", "95% interval",
        "What the predictions rest on", "Predictions: probability as of", "more",
    ):  # fmt: skip
        assert part in words, part
    beaten = "The model beats the best baseline" in words
    assert beaten or said.out.startswith("The model ")  # where it is not better, that is said first


def test_ask_as_json(shell: Shell) -> None:
    said = shell("ask", "shop.duckdb", SPEND, "--time-limit", "2", "--format", "json", "-q")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert {"verdict", "backtest", "predictions", "drivers", "labels"} <= set(answer)
    first = answer["predictions"][0]
    assert first["low"] <= first["prediction"] <= first["high"]


def test_features_and_windows_are_chosen(shell: Shell, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "foretell.toml"
    config.write_text('[features]\nexclude = ["visits.*"]\n')
    chosen = ("--features", "less", "--window", "7d,2w", "--config", str(config))
    said = shell("fit", "shop.duckdb", CHURN, "--name", "narrow", "--time-limit", "2", *chosen)
    assert said.code == 0, said.err
    assert "features: " in said.err and "features: " not in said.out
    script = shell("sql", "narrow").out
    assert "orders.count.7d" in script and not re.search(r"orders\.count\.30d(?!\.)", script)
    kept, _, left = script.partition("-- Left out: ")
    assert "visits.count.7d" not in kept and "\n--   visits.count.7d\n" in left
    answer = json.loads(
        shell("ask", "shop.duckdb", CHURN, "--time-limit", "2", "--format", "json", *chosen).out
    )
    assert any(w.startswith("features: ") for w in answer["warnings"])
    assert {"excluded in foretell.toml"} <= {x["why"] for x in answer["left_out"]}
    assert all(len(x["examples"]) <= 3 for x in answer["left_out"])


def test_a_model_is_chosen_by_name(shell: Shell) -> None:
    said = shell("fit", "shop.duckdb", CHURN, "--name", "rule", "--time-limit", "2", "--model", "baseline")
    assert said.code == 0 and "Kept as rule@1, the champion." in said.out
    wrong = shell("ask", "shop.duckdb", CHURN, "--model", "tree")
    assert wrong.code == 2 and "'tree' is not one of 'auto', 'baseline', 'trees', 'deep'" in wrong.err


def test_settings_of_features_survive_a_rewrite_of_the_schema(shell: Shell, tmp_path: Path) -> None:
    place = tmp_path / "shop.duckdb"
    write_duckdb(place, events_frames())
    (tmp_path / "foretell.toml").write_text('[features]\nwindows = ["7 days"]\n')
    assert shell("schema", str(place), "--write", "--force").code == 0
    text = (tmp_path / "foretell.toml").read_text()
    assert '[features]\nwindows = ["7 days"]' in text and "[tables." in text


def test_fit_then_predict_then_sql(
    shell: Shell, folder: Path, fitted: subprocess.CompletedProcess[str]
) -> None:
    assert fitted.returncode == 0, fitted.stderr
    assert "No leak found" in fitted.stdout and "Kept as churn@1, the champion." in fitted.stdout
    assert (folder / "models" / "registry.db").exists()
    said = shell("predict", "churn", "shop.duckdb", "--ids", "1,2", "--explain")
    assert said.code == 0, said.err
    assert "because" in said.out
    early = shell("predict", "churn", "shop.duckdb", "--as-of", "2024-10-01", "--format", "csv")
    assert early.code == 0 and "2024-10-01" in early.out
    script = shell("sql", "churn")
    assert script.code == 0 and "SELECT" in script.out and "--" in script.out


def test_predictions_are_the_same_each_time(shell: Shell, fitted: object) -> None:
    first, again = (shell("predict", "churn", "shop.duckdb", "--format", "csv").out for _ in range(2))
    assert first == again and first.count("\n") > 100


def test_labels_of_ones_own(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    assert shell("check", "shop.duckdb", CHURN, "-o", str(path)).code == 0
    said = shell("check", "shop.duckdb", CHURN, "--labels", str(path))
    assert said.code == 0, said.err
    missing = shell("check", "shop.duckdb", CHURN, "--labels", "nowhere.csv")
    assert missing.code == 2 and "nowhere.csv" in missing.err


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["schema", "shop.duckdbb"], 1, "did you mean 'shop.duckdb'?"),
        (["schema", "oracle://x/y"], 2, "not supported"),
        (["check", "shop.duckdb", CHURN.replace("days", "dayz")], 2, "did you mean 'days'?"),
        (["check", "shop.duckdb", CHURN.replace("orders", "ordrs")], 2, "did you mean 'orders'?"),
        (["check", "shop.duckdb", CHURN.replace("30", "3000")], 1, "longer than the history"),
        (["ask", "shop.duckdb", CHURN.replace("= 0", ">= 0")], 1, "base rate 100%"),
        (["predict", "nobody", "shop.duckdb"], 2, "no model 'nobody'"),
        (["predict", "churn", "shop.duckdb", "--ids", "99999"], 2, "99999"),
        (["predict", "churn", "shop.duckdb", "--as-of", "soon"], 2, "expected a date"),
        (["fit", "shop.duckdb", CHURN, "--name", "../churn"], 2, "cannot be a model's name"),
        (["demo", "other.duckdb"], 2, "not the demo"),
        (["ask", "shop.duckdb", RANK], 2, "not fitted"),
        (["ask", "nowhere.duckdb", CHURN, "--features", "mor"], 2, "did you mean 'more'?"),
        (["fit", "shop.duckdb", CHURN, "--name", "x", "--window", "7d,30m"], 2, "write 30min or 30mo"),
        (["ask", "nowhere.duckdb", CHURN, "--frozen-at", "yesterday"], 2, "expected a date or a timestamp"),
        (["fit", "shop.duckdb", CHURN, "--name", "x", "--frozen-for", "90d"], 2, "but not when"),
        (["predict", "nobody", "nowhere.duckdb", "--as-of", "soon"], 2, "expected a date"),
        (["retrain", "nobody", "nowhere.duckdb", "--promote", "maybe"], 2, "expected if-better"),
        (["run", "nobody", "nowhere.duckdb", "--every", "often"], 2, "expected a span"),
        (["run", "nobody", "nowhere.duckdb", "--now", "later"], 2, "expected a date"),
    ],
)
def test_slips(
    shell: Shell, fitted: object, folder: Path, arguments: list[str], code: int, part: str
) -> None:
    if arguments[0] == "demo":
        write_duckdb(folder / "other.duckdb", events_frames())
    said = shell(*arguments)
    assert (said.code, said.out) == (code, "")
    assert part in said.err


def test_a_snapshot_that_is_served_for_a_while(shell: Shell) -> None:
    made = shell(
        "fit",
        "shop.duckdb",
        CHURN,
        "--name",
        "old",
        "--frozen-at",
        "fold",
        "--time-limit",
        "1",
        "--model",
        "trees",
    )
    assert made.code == 0 and "History was frozen at the first cutoff of the test" in made.out
    said = shell("predict", "old", "shop.duckdb", "--as-of", "2025-03-01", "--frozen-at", "2025-02-01")
    assert said.code == 0 and "what is known ends at 2025-02-01, 28.0 days before the cutoff" in said.out


def test_the_demo_is_replaced_by_the_demo(tmp_path: Path) -> None:
    first = demo(tmp_path / "shop.duckdb")
    with duckdb.connect(str(first), read_only=True) as connection:
        rows = connection.execute("SELECT count(*) FROM orders").fetchone()
    assert demo(tmp_path / "shop.duckdb") == first
    assert rows is not None and rows[0] > 20_000


def test_a_closed_pipe_is_not_an_error(folder: Path) -> None:
    command = [sys.executable, "-m", "foretell.cli.app", "schema", "shop.duckdb", "-q"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.wait() == 0
    assert child.stderr.read() == ""


def test_a_query_from_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CHURN))
    assert shell("check", "shop.duckdb", "-").code == 0
