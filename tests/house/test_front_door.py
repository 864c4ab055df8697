"""`import foretell` is light, and its front door is small."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import foretell

HEAVY = ("torch", "pandas", "polars", "pyspark", "sklearn", "lightgbm", "duckdb", "pyarrow", "scipy")


def loaded_by(statement: str) -> list[str]:
    """The heavy packages that a fresh process has loaded after `statement`."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name for name in json.loads(run.stdout) if name in HEAVY]


def test_importing_foretell_loads_nothing_heavy() -> None:
    assert loaded_by("import foretell") == []


def test_the_test_above_would_see_a_heavy_import() -> None:
    assert "duckdb" in loaded_by("import foretell, duckdb")


@pytest.mark.parametrize(
    "command", ["--help", "--version", "fmt 'PREDICT COUNT(o.*, 0, 7) > 0 FOR EACH c.id'"]
)
def test_help_version_and_fmt_load_nothing_heavy(command: str) -> None:
    statement = (
        f"import shlex; from foretell.cli.app import main\n"
        f"try: main(shlex.split({command!r}))\n"
        f"except SystemExit: pass\n"
        f"print(end='', flush=True); sys.stdout.write('\\n')"
    )
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = json.loads(run.stdout.splitlines()[-1])
    assert [name for name in names if name in HEAVY] == []


def test_the_front_door_has_at_most_25_sorted_names_that_exist() -> None:
    names = foretell.__all__
    assert 0 < len(names) <= 25
    assert list(names) == sorted(names)
    assert all(getattr(foretell, name) is not None for name in names)
    assert foretell.__version__
