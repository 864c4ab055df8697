"""A page as blocks, and blocks as one HTML file: no scripts, nothing from elsewhere, readable on a phone.

All text is hostile: the templates escape it, and the page's own policy lets nothing in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from foretell.core.lazy import require
from foretell.report import draw
from foretell.report.chart import WIDTH, Plot, known
from foretell.report.numbers import amount

TEMPLATES = Path(__file__).parent / "templates"
WIDE, HIGH = 120, 24  # of a little line in a table


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
class Cell:
    """A cell that is more than text: with a level ("ok", "look", "bad"), or with a small drawing instead."""

    text: str
    look: str = ""
    svg: str = ""


@dataclass(frozen=True)
class Grid:
    """A table. A column whose name ends in ':' holds numbers; the first cell of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
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
    """Blocks under a line that opens them. On paper they are open, or where not `printed` left out."""

    summary: str
    blocks: tuple[Any, ...]
    printed: bool = True
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


def grid(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> Grid:
    """A table of rows of texts and cells."""
    held = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Grid(caption, tuple(columns), held)


def spark(values: Sequence[float], label: str) -> Cell:
    """A little line from 0 to the highest value, the last one marked, and what it shows in words."""
    held = [v for v in values if known(v)]
    if len(held) < 2:
        return Cell("–", "dim")
    top = max(held) or 1.0

    def at(i: int, value: float) -> tuple[float, float]:
        return 2 + (WIDE - 6) * i / (len(held) - 1), HIGH - 3 - (HIGH - 6) * max(value, 0.0) / top

    points = " ".join("{:.1f},{:.1f}".format(*at(i, v)) for i, v in enumerate(held))
    x, y = at(len(held) - 1, held[-1])
    said = f"{label}: from {amount(held[0])} to {amount(held[-1])}, at most {amount(top)}"
    svg = (
        f'<svg class="spark" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(said)}">'
        f'<polyline points="{points}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    )
    return Cell("", svg=svg)


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
