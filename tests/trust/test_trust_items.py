"""Every item of the list of bad input has a test: items.txt names it, and the test is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECTIONS = {"Schema": 23, "Data": 26, "Query": 18, "Process": 10, "Network": 4}
"""How many items each section has; one that is added or taken away changes the number here on purpose."""


@dataclass(frozen=True)
class Item:
    section: str
    name: str
    verdict: str
    tests: tuple[str, ...]


def items() -> Iterator[Item]:
    for line in (Path(__file__).parent / "items.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            section, name, verdict, tests = line.split(" | ")
            yield Item(section, name, verdict, tuple(t.strip() for t in tests.split(" ; ")))


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    path = path.replace("T/", "tests/trust/", 1) if path.startswith("T/") else path
    return name.startswith("test_") and name in functions_of(path)


@pytest.mark.parametrize("item", [pytest.param(i, id=f"{i.section}: {i.name}") for i in items()])
def test_the_item_has_its_tests(item: Item) -> None:
    assert item.verdict in ("E", "W", "H") and item.tests
    assert [t for t in item.tests if not exists(t)] == []


def test_the_list_is_whole_and_names_each_item_once() -> None:
    found = list(items())
    assert {s: sum(i.section == s for i in found) for s in SECTIONS} == SECTIONS
    assert len({(i.section, i.name) for i in found}) == len(found)


def test_a_test_that_is_not_there_is_noticed() -> None:
    assert exists("T/test_trust_items.py::test_a_test_that_is_not_there_is_noticed")
    assert not exists("T/test_trust_items.py::test_that_nobody_wrote")
    assert not exists("T/test_trust_nothing.py::test_a_test_that_is_not_there_is_noticed")
    assert not exists("T/test_trust_items.py::exists")


def test_every_test_of_this_folder_is_on_the_list_or_is_of_another_kind() -> None:
    named = {t.partition("::")[2] for i in items() for t in i.tests}
    for file in ("schema", "data"):
        written = {n for n in functions_of(f"tests/trust/test_trust_{file}.py") if n.startswith("test_")}
        assert written <= named, f"not in items.txt: {sorted(written - named)}"
