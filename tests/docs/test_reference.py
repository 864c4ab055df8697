"""Every command, option, aggregate, metric, error, setting and measure has a heading; every link leads on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from foretell.cli.app import app
from foretell.core import errors
from foretell.models.criteria import METRICS
from foretell.plan.measures import MEASURES
from foretell.query.ast import Function
from foretell.schema import toml

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def headings(page: str) -> set[str]:
    text = re.sub(r"^```.*?^```", "", (REFERENCE / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    return set(HEADING.findall(text))


def missing(page: str, names: Iterable[str]) -> list[str]:
    return sorted(set(names) - headings(page))


def commands() -> dict[str, TyperCommand | TyperGroup]:
    """Every command by its name; one of a group as `models list`, beside the group itself."""

    def below(group: TyperGroup, before: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            yield before + name, command
            if isinstance(command, TyperGroup):
                yield from below(command, f"{before}{name} ")

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return dict(below(root, ""))


def options(commands: Iterable[TyperCommand | TyperGroup]) -> set[str]:
    """The first long name of every option of the commands."""
    found = {
        next(o for o in p.opts if o.startswith("--"))
        for command in commands
        for p in command.params
        if any(o.startswith("--") for o in p.opts)
    }
    return found - {"--help"}


def error_names() -> set[str]:
    return {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.ForetellError)}


def test_every_command_and_option() -> None:
    names, found = set(commands()), options(commands().values())
    assert {"demo", "ask", "fmt"} <= names and {"--ids", "--time-limit"} <= found
    assert missing("commands.md", names | found | {"--version"}) == []


def test_every_aggregate_and_clause() -> None:
    clauses = [
        "FOR EACH",
        "WHERE",
        "ASSUMING",
        "AS OF",
        "EVERY",
        "RETURN",
        "VIA",
        "FORECAST",
        "RANK",
        "CLASSIFY",
    ]
    assert missing("query.md", [f.value for f in Function] + clauses) == []


def test_every_metric() -> None:
    assert missing("metrics.md", METRICS) == []


def test_every_baseline_is_in_the_table() -> None:
    from foretell.models.baselines import ENGLISH

    text = (REFERENCE / "metrics.md").read_text()
    assert [name for name in ENGLISH if f"`{name}`" not in text] == []


def test_every_error() -> None:
    assert len(error_names()) > 8
    assert missing("errors.md", error_names()) == []


def test_every_setting() -> None:
    groups = (toml._TABLE_KEYS, toml._COLUMN_KEYS, toml._LINK_KEYS, toml._FEATURE_KEYS)
    keys = {"timezone", "tables", "links", "features", *(key for group in groups for key in group)}
    variables = {"FORETELL_MODELS", "FORETELL_CACHE", "FORETELL_CACHE_LIMIT", "FORETELL_ENGINE"}
    assert missing("settings.md", keys | variables) == []


def test_every_measure() -> None:
    assert missing("features.md", MEASURES) == []


def test_a_missing_heading_would_be_seen() -> None:
    assert missing("metrics.md", ["no_such_metric"]) == ["no_such_metric"]


def anchor(heading: str) -> str:
    """A heading's anchor, as Markdown viewers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, part = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name}: {target}"
        if part:
            assert part in {anchor(h) for h in HEADING.findall(place.read_text())}, f"{page.name}: {target}"


def test_the_readme_draws_every_room() -> None:
    rooms = {p.name for p in (ROOT / "src" / "foretell").iterdir() if (p / "__init__.py").exists()}
    drawn = set(re.findall(r"── (\w+)/ ", (ROOT / "README.md").read_text()))
    assert drawn == rooms


def test_the_readme_has_two_commands() -> None:
    """`.ci/run` takes them from there."""
    block = (ROOT / "README.md").read_text().split("<!-- the two commands -->")[1].split("```")[1]
    commands = block.strip().split("\n")[1:]
    assert commands == ["pip install . && foretell demo", "pip install '.[dev]' && pytest"]
