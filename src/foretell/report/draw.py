"""Plots drawn as SVG or PNG, offline, by vl-convert (the extra `report`)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

from foretell.core.errors import UsageError
from foretell.core.lazy import require
from foretell.report.chart import COLOURS, DIM, INK, LINE, PAPER, WIDTH, Plot

Theme = Literal["light", "dark", "auto"]

_ROLES = ("ink", "dim", "line", "paper", "one", "two", "three", "four", "five")
LIGHT = dict(zip(_ROLES, (INK, DIM, LINE, PAPER, *COLOURS)))
DARK = dict(
    zip(
        _ROLES,
        ("#ececec", "#b4b4b4", "#444444", "#161616", "#7cbcf0", "#f2b45a", "#cdb0f7", "#5fd3c0", "#ff9cc2"),
    )
)
STYLE = (
    ":root{" + "".join(f"--plot-{n}:{c};" for n, c in LIGHT.items()) + "}\n"
    "@media (prefers-color-scheme: dark){:root{"
    + "".join(f"--plot-{n}:{c};" for n, c in DARK.items())
    + "}}\n"
    "@media print{:root{" + "".join(f"--plot-{n}:{c};" for n, c in LIGHT.items()) + "}}\n"
)
"""What a page needs in its style sheet for plots of the theme "auto"."""
FONT = "Arial, Helvetica, sans-serif"  # what its texts were measured by
_ROOT = re.compile(r"<svg[^>]*>")
_TAG = re.compile(r"<[a-z][^>]*>")
_ARIA = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
"""What its shapes say of themselves: the whole is one picture with one text."""
_SIZE = re.compile(r'\b(width|height)="([\d.]+)"')


def svg(plot: Plot, theme: Theme = "light", *, titled: bool = True) -> str:
    """The plot as one SVG element that loads nothing, with its `alt` for screen readers.

    The theme "auto" names colours by CSS variables and has no background: to be put into a page that holds
    `STYLE`.
    """
    drawn: str = require("vl_convert", extra="report").vegalite_to_svg(
        _whole(plot, "light" if theme == "auto" else theme, titled, clear=theme == "auto"),
        allowed_base_urls=[],
    )
    if theme == "auto":
        for name, colour in LIGHT.items():
            drawn = re.sub(
                rf'\b(fill|stroke)="{colour}"', rf'\1="var(--plot-{name}, {colour})"', drawn, flags=re.I
            )
    head = _ROOT.match(drawn)
    assert head is not None
    sizes = dict(_SIZE.findall(head[0]))
    wide, high = sizes["width"], sizes["height"]
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="{escape(plot.alt)}"'
        f' width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    )
    return root + _TAG.sub(lambda tag: _ARIA.sub("", tag[0]), drawn[head.end() :])


def png(plot: Plot, theme: Literal["light", "dark"] = "light", *, scale: float = 2.0) -> bytes:
    """The plot as a PNG image, `scale` pixels to each unit."""
    drawn: bytes = require("vl_convert", extra="report").vegalite_to_png(
        _whole(plot, theme, True, clear=False), scale=scale, allowed_base_urls=[]
    )
    return drawn


def image(plot: Plot, path: Path) -> bytes:
    """The plot as the file's name wants it: .svg or .png."""
    match path.suffix.lower():
        case ".svg":
            return svg(plot).encode()
        case ".png":
            return png(plot)
    raise UsageError(
        f"cannot draw into {path.name!r}, expected a name that ends in .svg or .png",
        mend=f"--plot {path.stem or 'plot'}.svg",
    )


def panel(name: str, title: str, plots: Sequence[Plot], *, columns: int = 2) -> Plot:
    """Several plots as one, each under its own title."""
    parts = [{**p.spec, "title": _title(p.title, 13)} for p in plots]
    spec = {
        "concat": parts,
        "columns": columns,
        "spacing": 36,
        "resolve": {
            "scale": {"color": "independent", "strokeDash": "independent"},
            "legend": {"color": "independent", "strokeDash": "independent"},
        },
    }
    return Plot(name, title, " ".join(f"{p.title}: {p.alt}" for p in plots), spec)


def _whole(plot: Plot, theme: Literal["light", "dark"], titled: bool, *, clear: bool) -> dict[str, Any]:
    """The specification with its title and look."""
    spec: dict[str, Any] = dict(plot.spec)
    if titled:
        across = 2 if "concat" in spec and len(spec["concat"]) > 1 else 1
        spec["title"] = _title(plot.title, 14, across)
    themed = spec if theme == "light" else _recoloured(spec)
    colours = LIGHT if theme == "light" else DARK
    return {**themed, "config": _config(colours, None if clear else colours["paper"])}


def _title(text: str, size: int, across: int = 1) -> dict[str, Any]:
    """A title in as many lines as it needs."""
    wrapped = textwrap.wrap(text, across * (WIDTH + 60) // (size // 2)) or [text]
    return {"text": wrapped, "anchor": "start", "fontSize": size, "frame": "bounds", "offset": 10}


def _recoloured(part: Any) -> Any:
    """The same with dark colours; the data stays as it is."""
    if isinstance(part, Mapping):
        return {k: v if k == "data" else _recoloured(v) for k, v in part.items()}
    if isinstance(part, list | tuple):
        return [_recoloured(v) for v in part]
    if isinstance(part, str) and part in _TO_DARK:
        return _TO_DARK[part]
    return part


_TO_DARK = {LIGHT[n]: DARK[n] for n in _ROLES}


def _config(colours: Mapping[str, str], background: str | None) -> dict[str, Any]:
    ink, dim, line = colours["ink"], colours["dim"], colours["line"]
    return {
        "background": background,
        "aria": False,
        "font": FONT,
        "padding": 8,
        "view": {"stroke": None},
        "title": {"color": ink, "fontWeight": 600, "subtitleColor": dim},
        "axis": {
            "labelColor": dim,
            "titleColor": dim,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
            "labelLimit": 150,
            "titleLimit": WIDTH,
        },
        "legend": {"labelColor": ink, "labelFontSize": 11, "titleColor": dim, "titleFontSize": 11},
        "text": {"color": ink, "fontSize": 11},
    }
