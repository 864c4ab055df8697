"""The examples run: docstrings, and each code block of README and docs, by its language."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import foretell
from foretell.cli.app import main
from foretell.query.format import format_query
from foretell.query.parser import parse
from foretell.schema import toml
from foretell.testing import databases

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULES = ["foretell", *(m.name for m in pkgutil.walk_packages(foretell.__path__, "foretell."))]
TRAINS = ("demo", "ask", "fit")
SHOP_AT, SMALL_SHOP_AT = "2025-12-01", "2024-11-26"
NEED_A_MODEL = (
    "predict",
    "explain",
    "sql",
    "write",
    "models",
    "grade",
    "monitor",
    "retrain",
    "run",
    "doctor",
    "report",
)
RUNS_ON = "serve"  # until it is stopped; tests/server starts it


def blocks(language: str) -> list[Any]:
    """Each page with its blocks in that language, in their order."""
    found = []
    for page in PAGES:
        parts = [body for kind, body in BLOCK.findall(page.read_text()) if kind == language]
        if parts:
            found.append(pytest.param(parts, id=page.stem))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    if name.endswith("__main__"):
        return
    try:
        module = importlib.import_module(name)
    except ImportError as error:  # an optional driver that is not installed
        pytest.skip(str(error))
    assert doctest.testmod(module).failed == 0


def test_a_wrong_example_would_be_seen() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1


@pytest.mark.parametrize("parts", blocks("pql"))
def test_queries_parse_and_print_and_parse_again(parts: list[str]) -> None:
    for text in parts:
        query = parse(text)
        assert parse(format_query(query)) == query


@pytest.mark.parametrize("parts", blocks("toml"))
def test_settings_are_read(parts: list[str]) -> None:
    for text in parts:
        assert toml.read(text) != toml.Config()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where `foretell demo` writes a small shop, so that the examples take seconds."""

    def small(path: str | Path = "shop.duckdb", *, seed: int = 0) -> Path:
        return databases.shop(path, seed=seed, customers=160, days=330)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORETELL_MODELS", raising=False)
    monkeypatch.setenv("FORETELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(databases, "demo", small)
    small()
    return tmp_path


def commands() -> list[str]:
    """Each different line of all pages that calls foretell; `.ci/run` runs what installs and tests it."""
    lines = [line.strip() for page in blocks("sh") for body in page.values[0] for line in body.split("\n")]
    return list(dict.fromkeys(" ".join(line.split()) for line in lines if line.startswith("foretell ")))


def test_commands_run(shop: Path) -> None:
    """Those that train come before those that need a model."""
    assert len(commands()) > 8
    for line in sorted(commands(), key=lambda line: line.split()[1] in NEED_A_MODEL):
        arguments = shlex.split(line.replace(SHOP_AT, SMALL_SHOP_AT), comments=True)[1:]
        if arguments[0] == RUNS_ON:
            continue
        if arguments[0] in TRAINS:
            arguments += ["--time-limit", "2"]
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0, line


@pytest.mark.parametrize("parts", blocks("python"))
def test_python_runs(parts: list[str], shop: Path) -> None:
    """A page's blocks share their names, and each may be run after those before it."""
    names: dict[str, Any] = {}
    for body in parts:
        source = re.sub(r"time_limit=\d+", "time_limit=2", body)
        exec(compile(source, "example", "exec"), names)
