"""Headings, grids and lists, in one look; and the same things as plain text or HTML."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text


def heading(text: str) -> Text:
    """A section's first line."""
    return Text(text, style="bold")


def grid(*columns: str, stretch: str | None = None) -> Grid:
    """A table without lines. A column whose name ends in ':' holds numbers, aligned on the right."""
    view = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for name in columns:
        number = name.endswith(":")
        label = name.rstrip(":")
        view.add_column(
            label,
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
            ratio=1 if label == stretch else None,
        )
    return view


def bullets(items: Iterable[str | Text]) -> RenderableType:
    """A list, one item a line, wrapped under itself."""
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    view.add_column(no_wrap=True)
    view.add_column(overflow="fold")
    for item in items:
        view.add_row("·", item if isinstance(item, Text) else Text(item))
    return view


def indented(renderable: RenderableType, by: int = 2) -> Padding:
    return Padding(renderable, (0, 0, 0, by))


def to_text(renderable: RenderableType, *, width: int = 100) -> str:
    """What a terminal without colour would show, without blanks at the ends of lines.

    >>> to_text(heading("Labels"))
    'Labels'
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, markup=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().split("\n"))


def to_html(renderable: RenderableType, *, width: int = 110) -> str:
    """The same as HTML for a notebook: styled text of fixed width; names in it are escaped.

    >>> "&lt;b&gt;" in to_html(heading("<b>"))
    True
    """
    console = Console(
        file=io.StringIO(),
        width=width,
        record=True,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
    )
    console.print(renderable)
    body = console.export_html(inline_styles=True, code_format="{code}")
    style = "font-family: ui-monospace, Menlo, Consolas, monospace; line-height: 1.35; white-space: pre"
    return f'<pre style="{style}">{body}</pre>'
