"""Labels are the references', row for row, on real databases: the fast part of benchmarks/labels/compare."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import foretell

ROOT = Path(__file__).parents[2]


def _load() -> ModuleType:
    place = ROOT / "benchmarks/labels/compare.py"
    spec = importlib.util.spec_from_file_location("labels_compare", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["labels_compare"] = module
    spec.loader.exec_module(module)
    return module


compare = _load()
FAST = ("intl_football", "pnwflights14", "rel-f1", "retail_uk", "se_beer", "unvotes")


@pytest.mark.data
@pytest.mark.parametrize("name", FAST)
def test_labels_equal_the_reference(name: str) -> None:
    if not (compare.DATA / name).is_dir():
        pytest.skip(f"FORETELL_DATA has no {name}")
    chosen = [e for e in compare.entries() if e.database == name and e.text is not None]
    assert chosen
    for made in compare.run(chosen):
        assert made.same, (made.entry.name, made)
        assert made.equal > 100


@pytest.mark.data
def test_a_wrong_query_is_told_from_the_reference() -> None:
    """The positive control: one day off the window, and rows differ."""
    if not (compare.DATA / "rel-f1").is_dir():
        pytest.skip("FORETELL_DATA has no rel-f1")
    entry = next(e for e in compare.entries() if e.name == "rel-f1.driver-position")
    wrong = compare.Entry(entry.database, entry.id, entry.text.replace("60, days", "53, days"))
    with foretell.connect(compare.DATA / "rel-f1") as database:
        made = compare.compare(wrong, database)
    assert not made.same
    assert made.differing > 100 and made.missing > 0
    assert made.examples


def test_every_query_is_written_or_has_a_reason() -> None:
    for entry in compare.entries():
        assert (entry.text is None) == bool(entry.reason), entry.name
        assert not entry.missing or entry.note, entry.name


def test_labels_agree_by_value() -> None:
    assert compare.agree(True, 1) and compare.agree(["b", "a"], ["a", "b"]) and compare.agree(2, 2.0)
    assert (
        not compare.agree(1.0, 1.001)
        and not compare.agree("no", "yes")
        and not compare.agree(["a"], ["a", "a"])
    )
