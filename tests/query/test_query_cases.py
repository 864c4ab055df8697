"""Parsing, printing and the parser's errors, from the cases in text files."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretell.core.errors import QueryError
from foretell.query.format import format_query
from foretell.query.parser import parse

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> list[pytest.param]:  # type: ignore[valid-type]
    """(input, expected) of each case: title, input, `----`, expected; cases are parted by `====`."""
    blocks = (CASES / f"{name}.txt").read_text().split("\n====\n")
    found = []
    for block in blocks:
        title, _, rest = block.strip("\n").partition("\n")
        text, _, expected = rest.partition("\n----\n")
        found.append(pytest.param(text, expected.rstrip("\n"), id=title))
    return found


@pytest.mark.parametrize(("text", "expected"), cases("print"))
def test_prints_canonically(text: str, expected: str) -> None:
    query = parse(text)
    assert format_query(query) == expected
    assert parse(expected) == query
    assert format_query(parse(expected)) == expected


@pytest.mark.parametrize(("text", "expected"), cases("errors"))
def test_refuses_with_a_caret(text: str, expected: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text)
    assert str(raised.value) == expected
    assert raised.value.exit_code == 2
