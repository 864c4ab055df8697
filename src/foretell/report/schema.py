"""A schema laid out for a reader: tables, links, and why each guess was made."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from foretell.core.text import plural
from foretell.report.layout import bullets, grid, heading
from foretell.schema.model import Column, Evidence, Origin, Schema, Semantic, Table

SURE = 0.9
BRIEF = 12
KINDS = {
    Semantic.NUMERIC: "numbers",
    Semantic.CATEGORICAL: "categories",
    Semantic.BOOLEAN: "yes/no",
    Semantic.TIME: "times",
    Semantic.TEXT: "text",
    Semantic.IDENTIFIER: "identifiers",
}


def schema_view(schema: Schema, *, name: str = "the database", brief: bool = False) -> RenderableType:
    """The whole schema; `brief` leaves out the columns and the reasons of guesses that are almost sure."""
    most = BRIEF if brief else len(schema.tables) + len(schema.links) + len(schema.notes)
    parts: list[RenderableType] = [heading(headline(schema, name)), tables_view(schema, most)]
    if schema.links:
        parts += [Text(), links_view(schema, most)]
    reasons = list(guesses(schema, below=SURE if brief else 1.1))
    if reasons:
        parts += [Text(), Text("Guesses, and why", style="bold"), bullets(reasons)]
    if not brief:
        parts += [Text(), Text("What the columns hold", style="bold"), columns_view(schema)]
    if schema.notes:
        parts += [Text(), Text("To look at", style="bold"), bullets(schema.notes[:most])]
    if brief and max(len(schema.tables), len(schema.links), len(schema.notes)) > most:
        parts.append(Text("The rest of it: foretell schema", style="dim"))
    return Group(*parts)


def headline(schema: Schema, name: str) -> str:
    """One line: how much was found.

    >>> headline(Schema(()), "shop.duckdb")
    'shop.duckdb: 0 tables, 0 links'
    """
    used = [t for t in schema.tables if not t.ignored]
    ignored = len(schema.tables) - len(used)
    text = f"{name}: {plural(len(used), 'table')}, {plural(len(schema.active_links), 'link')}"
    guessed = sum(1 for _ in _evidence(schema))
    if guessed:
        text += f", {plural(guessed, 'guess', 'guesses')}"
    return text + (f" ({plural(ignored, 'table')} ignored)" if ignored else "")


def tables_view(schema: Schema, most: int = 1_000_000) -> Grid:
    """The first `most` tables with their rows, key and time."""
    view = grid("table", "rows:", "key", "time of a row")
    for table in schema.tables[:most]:
        if table.ignored:
            view.add_row(table.name, f"{table.rows:,}", Text("ignored", style="dim"), "")
            continue
        key = _marked(Text(" + ".join(table.primary_key)), table.key_evidence)
        shown = key if table.primary_key else Text("none", style="dim")
        view.add_row(table.name, f"{table.rows:,}", shown, _time(schema, table))
    return view


def links_view(schema: Schema, most: int = 1_000_000) -> Grid:
    """The first `most` links, from child to parent, with where each comes from."""
    view = grid("link", "known by")
    active = set(schema.active_links)
    for link in schema.links[:most]:
        origin = Text("ignored", style="dim") if link not in active else _marked(Text(), link.evidence)
        view.add_row(str(link), origin if origin.plain else "declared")
    return view


def columns_view(schema: Schema) -> Grid:
    """Each table's columns, grouped by what they mean."""
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    view.add_column(no_wrap=True, overflow="fold")
    view.add_column(overflow="fold")
    for table in schema.tables:
        if table.ignored:
            continue
        groups: dict[str, list[str]] = {}
        for column in table.columns:
            kind = "ignored" if column.ignored else KINDS[column.semantic]
            groups.setdefault(kind, []).append(_column(column))
        parts = [f"{kind}: {', '.join(names)}" for kind, names in groups.items()]
        view.add_row(table.name, "; ".join(parts))
    return view


def guesses(schema: Schema, *, below: float = 1.1) -> Iterable[str]:
    """Each guess of less confidence than `below` as a sentence: what, how sure, why."""
    for what, evidence in _evidence(schema):
        if evidence.confidence >= below:
            continue
        why = "; ".join(evidence.reasons)
        yield f"{what} ({evidence.confidence:.0%})" + (f": {why}" if why else "")


def _evidence(schema: Schema) -> Iterable[tuple[str, Evidence]]:
    """What was inferred about keys, times and links; columns' meanings are always inferred, so not listed."""
    for table in schema.tables:
        if table.ignored:
            continue
        if table.primary_key and _is_guess(table.key_evidence):
            yield (
                f"{table.name}: key {' + '.join(table.primary_key)}",
                table.key_evidence or Evidence(Origin.INFERRED),
            )
        if table.time_column and _is_guess(table.time_evidence):
            yield f"{table.name}: time {table.time_column}", table.time_evidence or Evidence(Origin.INFERRED)
    for link in schema.active_links:
        if _is_guess(link.evidence):
            yield f"link {link}", link.evidence


def _is_guess(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.origin is Origin.INFERRED


def _marked(text: Text, evidence: Evidence | None) -> Text:
    """`text`, followed by how sure it is where it is a guess, or by where a person set it."""
    marked = text.copy()
    if evidence is not None and evidence.origin is Origin.INFERRED:
        said = f"guess {evidence.confidence:.0%}"
        marked.append(f" ({said})" if text.plain else said, style="yellow")
    elif evidence is not None and evidence.origin is Origin.CONFIGURED:
        marked.append(" (set by you)" if text.plain else "set by you", style="cyan")
    return marked


def _time(schema: Schema, table: Table) -> Text:
    path = schema.time_path(table.name)
    if path is None:
        return Text("none: as it is now", style="dim")
    hops, column = path
    if hops:
        return Text(f"from {hops[-1].end}.{column}", style="dim")
    text = _marked(Text(column), table.time_evidence)
    if table.available_after is not None:
        text.append(f", known {table.available_after} later", style="dim")
    if table.end_time:
        text.append(f", until {table.end_time}", style="dim")
    return text


def _column(column: Column) -> str:
    return column.name + (f" (known at {column.known_at})" if column.known_at else "")
