"""Results as JSON, CSV and Parquet, to stdout and to files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.console import Console
from rich.text import Text

from foretell.cli.output import Format, Result, chosen, encoded, save, write
from foretell.core.errors import UsageError
from foretell.core.jsonable import jsonable
from foretell.task.model import TaskKind

ROWS = pa.table({"customer_id": [1, 2], "probability": [0.25, None]})
RESULT = Result(view=lambda: Text("a table"), data=lambda: {"x": 1.0}, rows=lambda: ROWS)


def test_each_format_can_be_read_back() -> None:
    assert json.loads(encoded(RESULT, Format.JSON)) == {"x": 1.0}
    assert pyarrow.csv.read_csv(io.BytesIO(encoded(RESULT, Format.CSV))).num_rows == 2
    assert pyarrow.parquet.read_table(io.BytesIO(encoded(RESULT, Format.PARQUET))).equals(ROWS)
    assert encoded(RESULT, Format.TABLE) == b"a table\n"


def test_what_is_not_rows_has_no_csv() -> None:
    with pytest.raises(UsageError, match="not rows"):
        encoded(Result(view=lambda: Text(""), data=dict), Format.CSV)


def test_an_unknown_ending_needs_a_format() -> None:
    with pytest.raises(UsageError, match="cannot tell"):
        chosen(None, Path("out.xlsx"))
    assert chosen(Format.CSV, Path("out.xlsx")) is Format.CSV


def test_parquet_is_not_thrown_at_a_terminal() -> None:
    with pytest.raises(UsageError, match="not text"):
        write(RESULT, Format.PARQUET, None, Console(file=io.StringIO(), force_terminal=True))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    save(path, b"old")

    def broken() -> pa.Table:
        raise ValueError

    with pytest.raises(ValueError):
        write(Result(RESULT.view, RESULT.data, broken), Format.CSV, path, Console())
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "no" / "folder.csv", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@dataclass(frozen=True)
class Thing:
    kind: TaskKind
    numbers: tuple[float, ...]


def test_json_holds_no_nan_and_no_python() -> None:
    value = jsonable({"thing": Thing(TaskKind.BINARY, (1.5, float("nan"), float("inf"))), 3: {"a"}})
    assert value == {"thing": {"kind": "binary", "numbers": [1.5, None, None]}, "3": ["a"]}
    json.dumps(value, allow_nan=False)


def test_lists_are_text_in_csv_and_lists_in_parquet() -> None:
    """CSV has no lists: reasons go in as JSON."""
    rows = pa.table({"id": [1, 2], "reasons": [["a; b", "ü"], None]})
    result = Result(lambda: Text(""), dict, lambda: rows)
    read = pyarrow.csv.read_csv(io.BytesIO(encoded(result, Format.CSV)))
    assert json.loads(read["reasons"][0].as_py()) == ["a; b", "ü"] and read["reasons"][1].as_py() in (
        None,
        "",
    )
    again = pyarrow.parquet.read_table(io.BytesIO(encoded(result, Format.PARQUET)))
    assert again["reasons"].to_pylist() == [["a; b", "ü"], None]
