"""Errors as a user sees them: words and a caret, or JSON, and the exit code; never a traceback."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from foretell.cli.app import main
from foretell.cli.faults import ISSUE, report
from foretell.core.errors import DataError, ForetellError, GateError, QueryError, SourceError, UsageError
from foretell.lifecycle.registry import Registry


def said(error: BaseException, *, as_json: bool = False, width: int = 80) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=width)
    code = report(error, console, as_json=as_json)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (QueryError("x"), 2),
        (SourceError("x"), 1),
        (DataError("x"), 1),
        (GateError("x"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert said(error)[0] == code
    assert json.loads(said(error, as_json=True)[1])["exit_code"] == code


def test_the_caret_stays_under_its_word_in_a_narrow_terminal() -> None:
    text = "PREDICT COUNT(orders.* WHERE orders.channel = 'web' AND orders.total > 100, 0, 30, dayz) = 0"
    start = text.index("dayz")
    error = QueryError("found 'dayz'", text=text, start=start, end=start + 4, mend="did you mean 'days'?")
    for width in (50, 80, 200):
        lines = said(error, width=width)[1].split("\n")
        assert lines[0] == "error: found 'dayz'"
        at = lines[2].index("^")
        assert lines[1][at : at + 4] == "dayz"
        assert lines[2].count("^") == 4
        assert all(len(line) <= width for line in lines)
        assert lines[3] == "did you mean 'days'?"


def test_markup_in_a_message_is_text() -> None:
    assert said(ForetellError("no table '[red]x'", examples=["[b]"]))[1].startswith(
        "error: no table '[red]x'"
    )


def test_what_nobody_foresaw_asks_for_a_report_and_shows_no_traceback() -> None:
    code, text = said(RuntimeError("boom"))
    assert code == 1 and "RuntimeError: boom" in text and ISSUE in text and "Traceback" not in text


def test_a_missing_folder_is_said_plainly() -> None:
    assert said(FileNotFoundError(2, "No such file or directory", "x/y.csv"))[1].startswith(
        "error: x/y.csv: no such"
    )


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["asks"], "No such command 'asks'"),
        (["ask"], "Missing argument 'DATABASE'"),
        (["ask", "x", "y", "--time-limit", "soon"], "--time-limit"),
        (["ask", "x", "y", "--format", "xml"], "--format"),
        (["fmt", "PREDICT"], "expected"),
        (["fmt", "@nowhere.txt"], "cannot read the query"),
        (["sql", "../churn"], "cannot be a model's name"),
        (["check", "x", "y", "-o", "labels.xls"], "cannot tell"),
    ],
)
def test_slips_leave_with_2_in_words_and_in_json(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and part in err and "Traceback" not in err
    if not {"--format", "-o", "fmt", "sql"} & set(arguments):
        code, out, err = call(capsys, *arguments, "--format", "json")
        assert code == 2 and json.loads(err)["exit_code"] == 2


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(QueryError):
        main(["fmt", "PREDICT", "--debug"])


def test_an_unknown_model_lists_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Registry(tmp_path) as registry, registry.ledger.changing() as connection:
        connection.execute("INSERT INTO models VALUES ('churn', 0, NULL, NULL, 0)")
    code, _, err = call(capsys, "sql", "chrun", "--models", str(tmp_path))
    assert code == 2 and "did you mean 'churn'?" in err


def test_fmt_prints_the_canonical_form_of_an_argument_a_file_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "predict count(o.*,0,7)=0 for each c.id # a comment"
    expected = "PREDICT COUNT(o.*, 0, 7, days) = 0\nFOR EACH c.id\n"
    assert call(capsys, "fmt", text)[:2] == (0, expected)
    (tmp_path / "q.txt").write_text(text)
    assert call(capsys, "fmt", f"@{tmp_path / 'q.txt'}")[:2] == (0, expected)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert call(capsys, "fmt")[:2] == (0, expected)


def test_no_arguments_show_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys)
    assert code == 0
    assert [
        w for w in ("demo", "schema", "check", "ask", "fit", "predict", "sql", "fmt") if w not in out
    ] == []
