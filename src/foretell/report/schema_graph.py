"""A schema as a drawing: tables in layers, each below those that it points at, with an arrow for each link.

Plain SVG shapes in the colours of `draw.STYLE`; names are hostile text, so all are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from foretell.core.text import listing, plural
from foretell.report.draw import FONT, LIGHT
from foretell.schema.model import Link, Origin, Schema, Table

BOX, HIGH, ACROSS, DOWN, EDGE = 168, 58, 22, 56, 8
MOST_ACROSS = 4
"""Boxes beside one another: more go into a row of their own, so that four fill a page."""
LONGEST = 22
SWEEPS = 6
MANY = 12
"""Of more links than these, those to a table that is reached over another one as well are drawn faintly."""

Place = tuple[float, float]


def schema_svg(schema: Schema, entity: str | None = None, rows: Mapping[str, int] | None = None) -> str:
    """The tables in use and their links. The table of the entities, if told, has a thick frame; `rows` are
    the numbers of rows, where the schema does not know them.
    """
    tables = [replace(t, rows=(rows or {}).get(t.name, t.rows)) for t in schema.tables if not t.ignored]
    if not tables:
        return ""
    links = [k for k in schema.active_links if k.child != k.parent]
    layers = _rows(tables, links)
    wide = max(len(r) for r in layers)
    width = 2 * EDGE + wide * BOX + (wide - 1) * ACROSS
    height = 2 * EDGE + len(layers) * HIGH + (len(layers) - 1) * DOWN
    places: dict[str, Place] = {}
    for depth, row in enumerate(layers):
        indent = (width - len(row) * BOX - (len(row) - 1) * ACROSS) / 2
        for i, name in enumerate(row):
            places[name] = (indent + i * (BOX + ACROSS), EDGE + depth * (HIGH + DOWN))
    faint = _implied(links) if len(links) > MANY else set()
    drawn = [_arrow(k, places, k in faint) for k in sorted(links, key=lambda k: k not in faint)]
    drawn += [_box(schema, t, places[t.name], t.name == entity) for t in tables]
    ink = _colour("dim")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot schema" role="img"'
        f' aria-label="{escape(_words(schema, tables, entity))}" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="{FONT}" font-size="12">'
        f'<defs><marker id="to-parent" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0L8 4L0 8Z" fill="{ink}"/></marker></defs>'
    )
    return head + "".join(drawn) + "</svg>"


def _words(schema: Schema, tables: Sequence[Table], entity: str | None) -> str:
    """The drawing in a sentence or two."""
    told = listing([f"{t.name} ({plural(t.rows, 'row')})" for t in tables])
    text = f"{plural(len(tables), 'table')}: {told}."
    if schema.active_links:
        text += (
            f" {plural(len(schema.active_links), 'link')}: {listing([str(k) for k in schema.active_links])}."
        )
    return text + (f" Entities are rows of {entity}." if entity else "")


def _rows(tables: Sequence[Table], links: Sequence[Link]) -> list[list[str]]:
    """The tables row by row: parents above children, near those that they are linked with."""
    depths = _depths([t.name for t in tables], links)
    layers: list[list[str]] = [[] for _ in range(max(depths.values()) + 1)]
    for table in tables:
        layers[depths[table.name]].append(table.name)
    near: dict[str, list[str]] = {t.name: [] for t in tables}
    for link in links:
        near[link.child].append(link.parent)
        near[link.parent].append(link.child)
    for _ in range(SWEEPS):  # each layer in the order of the middle of its neighbours (Sugiyama et al. 1981)
        spot = {n: (i + 0.5) / len(layer) for layer in layers for i, n in enumerate(layer)}
        for layer in layers:
            layer.sort(key=lambda n: _middle([spot[m] for m in near[n]], spot[n]))
            spot |= {n: (i + 0.5) / len(layer) for i, n in enumerate(layer)}
    rows = []
    for layer in layers:
        parts = -(-len(layer) // MOST_ACROSS)
        size = -(-len(layer) // parts)
        rows += [layer[i : i + size] for i in range(0, len(layer), size)]
    return rows


def _depths(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """How far below the top each table lies: one below its deepest parent. Cycles are cut."""
    parents: dict[str, set[str]] = {n: set() for n in names}
    for link in links:
        parents[link.child].add(link.parent)
    depths: dict[str, int] = {}

    def settle(name: str, above: tuple[str, ...]) -> int:
        if name not in depths:
            higher = [settle(p, (*above, name)) for p in sorted(parents[name]) if p not in (*above, name)]
            depths[name] = 1 + max(higher, default=-1)
        return depths[name]

    for name in names:
        settle(name, ())
    return depths


def _implied(links: Sequence[Link]) -> set[Link]:
    """The links whose parent is reached from the child over other tables too."""
    up: dict[str, set[str]] = {}
    for link in links:
        up.setdefault(link.child, set()).add(link.parent)

    def reached(start: str, skipped: str) -> set[str]:
        """What lies above a table, not going by the link to `skipped`."""
        found: set[str] = set()
        queue = [p for p in up.get(start, ()) if p != skipped]
        while queue:
            name = queue.pop()
            if name not in found and name != start:
                found.add(name)
                queue += up.get(name, ())
        return found

    return {k for k in links if k.parent in reached(k.child, k.parent)}


def _middle(spots: Sequence[float], own: float) -> float:
    return sum(spots) / len(spots) if spots else own


def _arrow(link: Link, places: Mapping[str, Place], faint: bool) -> str:
    """From the child's upper edge to the parent's lower one; a guess is dashed."""
    (x1, y1), (x2, y2) = places[link.child], places[link.parent]
    x1, x2 = x1 + BOX / 2, x2 + BOX / 2
    if y1 > y2:
        start, end, bend = y1, y2 + HIGH, DOWN * 0.6
    elif y1 < y2:  # a cycle, cut: the child stands above
        start, end, bend = y1 + HIGH, y2, -DOWN * 0.6
    else:
        side = 1 if x2 > x1 else -1
        x1, x2, start = x1 + side * BOX / 2, x2 - side * BOX / 2, y1 + HIGH / 2
        return _path(f"M{x1:.0f} {start:.0f}L{x2:.0f} {start:.0f}", link, faint)
    lean = max(-BOX * 0.3, min(BOX * 0.3, (x1 - x2) * 0.15))  # links of one parent end beside one another
    return _path(
        f"M{x1:.0f} {start:.0f}C{x1:.0f} {start - bend:.0f} {x2 + lean:.0f} {end + bend:.0f} "
        f"{x2 + lean:.0f} {end:.0f}",
        link,
        faint,
    )


def _path(line: str, link: Link, faint: bool) -> str:
    end = ' marker-end="url(#to-parent)"'
    dash = ' stroke-dasharray="5 4"' if link.evidence.origin is Origin.INFERRED else ""
    colour = _colour("line" if faint else "dim")
    return (
        f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.3"{dash}{"" if faint else end}>'
        f"<title>{escape(str(link))}</title></path>"
    )


def _box(schema: Schema, table: Table, place: Place, chosen: bool) -> str:
    left, top = place
    path = schema.time_path(table.name)
    told = "no time" if path is None else path[1] if not path[0] else f"time of {path[0][-1].end}"
    frame = f'stroke="{_colour("one")}" stroke-width="3"' if chosen else f'stroke="{_colour("dim")}"'
    lines = (
        (table.name, 20, f'font-weight="600" fill="{_colour("ink")}"'),
        (plural(table.rows, "row"), 36, f'fill="{_colour("dim")}"'),
        (told, 50, f'fill="{_colour("dim")}"'),
    )
    texts = "".join(
        f'<text x="{left + 10:.0f}" y="{top + down:.0f}" {look}>{escape(_cut(text))}</text>'
        for text, down, look in lines
    )
    return (
        f'<g><rect x="{left:.0f}" y="{top:.0f}" width="{BOX}" height="{HIGH}" rx="6"'
        f' fill="{_colour("paper")}" {frame}/><title>{escape(table.name)}</title>{texts}</g>'
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _colour(role: str) -> str:
    return f"var(--plot-{role}, {LIGHT[role]})"
