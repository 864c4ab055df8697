"""What the cache holds, laid out for a reader."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.size import show_size
from foretell.report.layout import grid, heading
from foretell.store.cache import Cache, Entry


def cache_view(entries: Sequence[Entry], cache: Cache) -> RenderableType:
    """Each copy with its source, size and rows, the one used last first; and where they lie."""
    total = sum(e.size for e in entries)
    place = f"{cache.folder}: {show_size(total)} of at most {show_size(cache.limit)}"
    if not entries:
        return Group(heading("Cached copies"), Text("none", style="dim"), Text(place, style="dim"))
    view = grid("database", "size:", "rows:", "last used")
    for entry in entries:
        used = str(entry.to_dict()["used"])[:16].replace("T", " ")
        view.add_row(Text(entry.place), show_size(entry.size), f"{entry.rows:,}", used)
    return Group(heading("Cached copies"), view, Text(place, style="dim"))
