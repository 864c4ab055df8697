"""A page as blocks, and blocks as one HTML file: no scripts, nothing from elsewhere, readable on a phone.

All text is hostile: the templates escape it, and the page's own policy lets nothing in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from foretell.core.lazy import require
from foretell.report import draw
from foretell.report.chart import WIDTH, Plot

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Words:
    """A paragraph; `look` is "", "dim", or a level: "ok", "look", "bad"."""

    text: str
    look: str = ""
    kind = "words"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]
    look: str = ""
    kind = "points"


@dataclass(frozen=True)
class Grid:
    """A table. A column whose name ends in ':' holds numbers; the first cell of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind = "grid"


@dataclass(frozen=True)
class Code:
    """Text as it is: a query, SQL, a command."""

    text: str
    kind = "code"


@dataclass(frozen=True)
class Drawing:
    """An SVG element of our own making, with a title above it."""

    title: str
    svg: str
    wide: bool = False
    kind = "drawing"


@dataclass(frozen=True)
class Drawings:
    """Drawings beside one another where there is room."""

    held: tuple[Drawing, ...]
    kind = "drawings"


@dataclass(frozen=True)
class Fold:
    """Blocks under a line that opens them."""

    summary: str
    blocks: tuple[Any, ...]
    opened: bool = False
    kind = "fold"


@dataclass(frozen=True)
class Part:
    """Blocks under a heading of their own."""

    title: str
    blocks: tuple[Any, ...]
    kind = "part"


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; `mark` is its place in the page."""

    mark: str
    title: str
    blocks: tuple[Any, ...]


@dataclass(frozen=True)
class Page:
    """A whole page: what it is about, the verdict first, and the sections."""

    title: str
    verdict: str
    level: str
    lead: tuple[Any, ...]
    sections: tuple[Section, ...]
    footer: str = ""


def html(page: Page) -> str:
    """The page as one file."""
    text: str = _templates().get_template("page.html").render(page=page, plots=draw.STYLE)
    return text


def drawings(plots: Iterable[Plot | None]) -> Drawings:
    """The plots that there are, drawn for a page."""
    return Drawings(
        tuple(
            Drawing(p.title, draw.svg(p, "auto", titled=False), _is_wide(p)) for p in plots if p is not None
        )
    )


def _is_wide(plot: Plot) -> bool:
    width = plot.spec.get("width")
    return isinstance(width, int) and width > WIDTH


def grid(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Grid:
    """A table of rows of any kind of sequence."""
    return Grid(caption, tuple(columns), tuple(tuple(r) for r in rows))


@cache
def _templates() -> Any:
    jinja2 = require("jinja2", extra="report")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
