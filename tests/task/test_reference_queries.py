"""The reference tasks of the real databases bind against their schemas, and say what they should."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from foretell.query.format import format_query
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.describe import describe
from foretell.task.model import TaskKind

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
ENTRIES: list[dict[str, Any]] = tomllib.loads((ROOT / "benchmarks/labels/queries.toml").read_text())["query"]
SPOKEN = [e for e in ENTRIES if "query" in e]
KINDS = {
    "binary": TaskKind.BINARY,
    "count": TaskKind.REGRESSION,
    "regression": TaskKind.REGRESSION,
    "multiclass": TaskKind.MULTICLASS,
    "ranking": TaskKind.RANKING,
    "binary_classification": TaskKind.BINARY,
    "autocomplete_regression": TaskKind.REGRESSION,
}


def dtype_of(native: str) -> DType:
    native = native.upper()
    for words, dtype in (
        (("BOOL",), DType.BOOLEAN),
        (("DATE", "TIME"), DType.TIMESTAMP),
        (("INT",), DType.INTEGER),
        (("FLOAT", "DOUBLE"), DType.FLOAT),
    ):
        if any(w in native for w in words):
            return dtype
    return DType.TEXT


def columns(listed: dict[str, str]) -> tuple[Column, ...]:
    semantics = {
        DType.TEXT: Semantic.CATEGORICAL,
        DType.BOOLEAN: Semantic.BOOLEAN,
        DType.TIMESTAMP: Semantic.TIME,
    }
    types = {name: dtype_of(native) for name, native in listed.items()}
    return tuple(Column(n, t, semantics.get(t, Semantic.NUMERIC)) for n, t in types.items())


def read_schema(database: str) -> Schema:
    """The schema that the folder's own description declares."""
    folder = DATA / database
    if not folder.is_dir():
        pytest.skip(f"no folder {database!r} under FORETELL_DATA")
    if (folder / "manifest.json").exists():
        listed = json.loads((folder / "manifest.json").read_text())["tables"]
        keys = {n: (t["primary_key"],) for n, t in listed.items()}
        links = [
            Link(n, (c,), parent, keys[parent])
            for n, t in listed.items()
            for c, parent in t["foreign_keys"].items()
        ]
        tables = [Table(n, columns(t["columns"]), keys[n], t["time_col"]) for n, t in listed.items()]
        return Schema(tuple(tables), tuple(links))
    listed = json.loads((folder / "schema.json").read_text())["tables"]
    links = [
        Link(n, tuple(k["columns"]), k["ref_table"], tuple(k["ref_columns"]))
        for n, t in listed.items()
        for k in t.get("fks", ())
    ]
    tables = [
        Table(n, columns(t["columns"]), tuple(t["pk"] or ()), t["time"], rows=t["rows"])
        for n, t in listed.items()
    ]
    return Schema(tuple(tables), tuple(links))


def reference_kind(database: str, task: str) -> TaskKind:
    folder = DATA / database
    if (folder / "manifest.json").exists():
        return KINDS[json.loads((folder / "manifest.json").read_text())["tasks"][task]["type"]]
    queries = json.loads((folder / "schema.json").read_text())["queries"]
    return KINDS[next(q["type"] for q in queries if q["id"] == task)]


@pytest.mark.parametrize("entry", SPOKEN, ids=lambda e: f"{e['database']}-{e['id']}")
def test_reference_query_parses_and_prints(entry: dict[str, Any]) -> None:
    query = parse(entry["query"])
    assert parse(format_query(query)) == query


@pytest.mark.data
@pytest.mark.parametrize("entry", SPOKEN, ids=lambda e: f"{e['database']}-{e['id']}")
def test_reference_query_binds(entry: dict[str, Any]) -> None:
    task = bind(parse(entry["query"]), read_schema(entry["database"]))
    assert task.kind is reference_kind(entry["database"], entry["id"])
    assert task.is_static == (entry.get("rows") == "own time")
    assert describe(task).startswith("For each ")


@pytest.mark.data
def test_every_reference_task_is_listed() -> None:
    listed = {(e["database"], e["id"]) for e in ENTRIES}
    assert len(listed) == len(ENTRIES)
    assert all(("query" in e) != ("reason" in e) for e in ENTRIES)
    found = set()
    for folder in sorted(p.parent for p in DATA.glob("*/schema.json")):
        description = json.loads((folder / "schema.json").read_text())
        found |= {(folder.name, q["id"]) for q in description.get("queries", ())}
    if not found:
        pytest.skip("FORETELL_DATA is absent")
    for manifest in DATA.glob("*/manifest.json"):
        found |= {(manifest.parent.name, t) for t in json.loads(manifest.read_text())["tasks"]}
    assert listed == found
