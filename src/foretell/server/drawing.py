"""Plots as a client gets them: a list with their texts, and each as SVG, drawn once for each theme."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from starlette.responses import Response

from foretell.report.chart import Plot
from foretell.report.draw import svg
from foretell.server.faults import NotFoundError

Theme = Literal["light", "dark"]
MOST = 200  # drawings that are kept
HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""An SVG file opened by itself runs nothing and loads nothing."""

_drawn: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
_lock = threading.Lock()


def listed(plots: Sequence[Plot]) -> list[dict[str, Any]]:
    """The plots' names, titles and texts."""
    return [{"name": p.name, "title": p.title, "alt": p.alt} for p in plots]


def drawing(plots: Sequence[Plot], name: str, theme: Theme, *, of: str) -> Response:
    """One plot of `of`, a job or a model's file, as SVG. One at a time is drawn: the drawing tool is one."""
    found = next((p for p in plots if p.name == name), None)
    if found is None:
        raise NotFoundError("there is no such plot")
    key = (of, name, theme)
    with _lock:
        if key not in _drawn:
            _drawn[key] = svg(found, theme, titled=False).encode()
            while len(_drawn) > MOST:
                _drawn.popitem(last=False)
        drawn = _drawn[key]
    return Response(drawn, media_type="image/svg+xml", headers=HEADERS)
