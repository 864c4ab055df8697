"""Habits of the place that a reader can rely on, checked on the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "foretell").rglob("*.py"))


def fault(source: str) -> str | None:
    """What is wrong with a module's head, if anything."""
    doc = ast.get_docstring(ast.parse(source))
    if not doc:
        return "has no docstring"
    first = doc.split("\n\n")[0]
    whole = first.rstrip().endswith((".", ":", "?"))
    return None if whole else "its docstring does not begin with a sentence"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_a_module_says_its_one_idea_and_stays_short(path: Path) -> None:
    source = path.read_text()
    assert fault(source) is None, f"{path.name} {fault(source)}"
    assert len(source.splitlines()) <= 600, "split it"


def test_a_module_without_a_head_would_be_caught() -> None:
    assert fault("x = 1\n") == "has no docstring"


def unsafe(source: str) -> list[str]:
    """Imports of modules that run code from a file that is loaded."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [name for name in found if name.split(".")[0] in {"pickle", "joblib", "dill", "marshal", "shelve"}]


def test_nothing_is_pickled() -> None:
    assert unsafe("import pickle") == ["pickle"]
    assert {str(p): unsafe(p.read_text()) for p in MODULES if unsafe(p.read_text())} == {}


def test_nothing_draws_from_a_global_generator() -> None:
    calls = ("np.random.seed", "np.random.rand(", "random.seed(", "np.random.default_rng()")
    found = {p.name: c for p in MODULES for c in calls if c in p.read_text()}
    assert found == {}
