"""`foretell patterns` as a user calls it, and how findings are laid out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import duckdb
import pytest
from small_shop import as_file, shop

from foretell.cli.app import main
from foretell.patterns.finding import Curve, Finding, Kind, Measured, Oddity, Patterns, Status
from foretell.report.layout import to_text
from foretell.report.patterns import headline_sql, history, patterns_view


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_file(tmp_path_factory.mktemp("shop") / "shop.duckdb", shop())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["patterns", *arguments])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_a_report_is_read_at_a_terminal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(path), "--table", "orders", "--time-limit", "5")
    assert code == 0
    assert "Looked at" in out and "to confirmation" in out
    assert "associations, not causes" in out
    assert "carrier Green" in out
    assert "┃" in out


def test_json_holds_all_of_it(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    code, out, _ = run(capsys, str(path), "--table", "orders", "--time-limit", "5", "-o", str(file))
    told = json.loads(file.read_text())
    assert (code, out) == (0, "")
    assert {"searched", "frozen", "findings", "spans", "splits"} <= told.keys()
    assert told["findings"][0]["status"] == "headline" and told["findings"][0]["sql"]


def test_the_sql_runs_as_it_is_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(path), "--table", "orders", "--time-limit", "5", "--sql", "--top", "2")
    assert code == 0
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS asked (READ_ONLY); USE asked")
        assert connection.execute(out).fetchone() is not None
    assert out.count("-- value ") <= 2


def test_slips_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, str(path), "--table", "orders", "--target", "PREDICT 1")
    assert code == 2 and "leave one of them out" in err
    code, _, err = run(capsys, str(path), "--table", "products")
    assert code == 1 and "no time" in err


def made(status: Status, sentence: str) -> Finding:
    measured = Measured(0.3, 0.2, 0.4, 1e-9, 120, 900, 80, 0.35, adjusted=1e-7, stability=0.9)
    series = tuple((k, math.sin(k)) for k in range(100))
    return Finding(Kind.SUBGROUP, status, sentence, "orders", sentence, measured, series, "SELECT 0.3, 120")


def test_eighty_columns_hold_everything() -> None:
    hostile = "Orders with \x1b[31mcarrier <img src=x onerror=alert(1)> " + "are late " * 20
    told = Patterns(
        "shop",
        tuple(made(s, f"{s.value}: {hostile}") for s in Status for _ in range(8)),
        (Oddity("orders", "A day unlike the others.", 9.0, 0, "SELECT 1"),),
        (Curve("orders", "the next order", (0.0, 1.0, 2.0), {"all": (0.0, 0.4, 0.7)}, {"all": 50}),),
        searched=12345,
        frozen=60,
        spans={"orders": "mined on 600 orders"},
        splits={"orders": 50},
        notes=("a note",),
    )
    text = to_text(patterns_view(told, top=3), width=80)
    assert max(map(len, text.split("\n"))) <= 80
    assert "Looked at 12,345 statements" in text
    assert "and 5 more: --top 8" in text
    assert "surely over (8)" in text and "Not confirmed" in text
    assert "<img src=x" in text and "\x1b" not in text
    assert "70% by day 2 (50)" in text
    sql = headline_sql(told)
    assert sql.count("SELECT 0.3, 120") == 8
    assert "\x1b" not in sql
    assert all(not line or line.startswith(("--", "SELECT")) for line in sql.split("\n"))


def test_nothing_found_is_said() -> None:
    text = to_text(patterns_view(Patterns("shop", (), notes=("no table has a time",))), width=80)
    assert "Nothing was confirmed" in text and "no table has a time" in text


def test_a_picture_marks_where_the_later_part_begins() -> None:
    assert history([(k, 1.0 + k) for k in range(10)], 6).index("┃") == 6
    assert history([(0, 1.0), (1, math.nan)], 1) == ""
