"""Invented databases of many styles: keys, links and times are found exactly as they are written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from specimen import read_specimen

from foretell.discovery import discover
from foretell.sources.frames import FramesSource
from foretell.store import Store

CASES = sorted((Path(__file__).parent / "schemas").glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_specimen(path: Path) -> None:
    specimen = read_specimen(path)
    with Store.load(FramesSource(specimen.tables).snapshot()) as store:
        schema = discover(store)
    keys = {t.name: set(t.primary_key) for t in schema.tables}
    assert keys == {t: set(k) for t, k in specimen.keys.items()}
    links = {
        (k.child, "+".join(k.child_columns), f"{k.parent}.{'+'.join(k.parent_columns)}") for k in schema.links
    }
    assert links == specimen.links
    assert {t.name: t.time_column for t in schema.tables} == specimen.times
