"""How the rows of an aggregated table reach the entity: by foreign keys, all hops down from the entity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from foretell.core.errors import QueryError
from foretell.core.text import listing
from foretell.query import ast
from foretell.query.format import format_name
from foretell.schema.model import Hop, Link, Schema, Table
from foretell.task.names import Names

MAX_HOPS = 4

Path: TypeAlias = tuple[Hop, ...]


def paths_down(schema: Schema, entity: str, table: str, *, max_hops: int = MAX_HOPS) -> tuple[Path, ...]:
    """Every path from `entity` down to `table` that passes no table twice, shortest first."""

    def walk(at: str, path: Path) -> Iterator[Path]:
        passed = {entity, *(hop.end for hop in path)}
        for link in schema.links_down(at):
            longer = (*path, Hop(link, up=False))
            if link.child == table:
                yield longer
            elif link.child not in passed and len(longer) < max_hops:
                yield from walk(link.child, longer)

    return tuple(sorted(walk(entity, ()), key=len))


def find_path(
    names: Names, entity: Table, key: Sequence[str], aggregate: ast.Aggregate, table: Table
) -> Path:
    """The settled path of an aggregate; () is the entity's own row (VIA the entity's key).

    Without VIA the shortest path is taken; several shortest ones are an error that lists them. A VIA pair
    names a foreign-key column that the path must use. Where the aggregated table is the entity's own, only
    links of the table to itself are taken without VIA.
    """
    span = aggregate.span
    via = [_via_column(names, pair, table, span) for pair in aggregate.via]
    if (
        table.name == entity.name
        and len(via) == 1
        and via[0][0] == entity.name
        and via[0][1] in key
        and not _links_by(names.schema, *via[0], parent=entity.name)
    ):
        return ()
    for pair in via:
        if not _links_by(names.schema, *pair):
            raise _no_foreign_key(names, pair, span)
    own = table.name == entity.name and not via
    found: tuple[Path, ...] = ()
    for hops in range(1, 2 if own else MAX_HOPS + 1):
        found = tuple(
            p
            for p in paths_down(names.schema, entity.name, table.name, max_hops=hops)
            if all(any(_uses(h.link, *v) for h in p) for v in via)
        )
        if found:  # the shortest, for shorter ones were looked for before
            break
    if not found:
        raise _no_path(names, entity, table, via, key, span)
    if len(found) > 1:
        raise _ambiguous(names, entity, table, key, found, span)
    return found[0]


def _below(schema: Schema, entity: str) -> list[str]:
    """The tables that can be aggregated for `entity`, by name."""
    found, edge = {entity}, {entity}
    for _ in range(MAX_HOPS):
        edge = {link.child for name in edge for link in schema.links_down(name)} - found
        found |= edge
    return sorted(found - {entity})


def _via_column(names: Names, pair: tuple[str, str], table: Table, span: ast.Span) -> tuple[str, str]:
    owner = names.table(pair[0], span) if pair[0] else table
    return owner.name, names.column(owner, pair[1], span).name


def _uses(link: Link, table: str, column: str) -> bool:
    return link.child == table and column in link.child_columns


def _links_by(schema: Schema, table: str, column: str, parent: str | None = None) -> list[Link]:
    """Links over this foreign-key column."""
    return [
        k for k in schema.active_links if _uses(k, table, column) and (parent is None or k.parent == parent)
    ]


def _written(*names: str) -> str:
    return ".".join(format_name(n) for n in names)


def describe_path(path: Path) -> str:
    """A path in words, from the aggregated table up: 'lines.order_id → orders.customer_id → customers'."""
    steps = [_written(hop.link.child, hop.link.child_columns[0]) for hop in reversed(path)]
    return " → ".join([*steps, format_name(path[0].link.parent)])


def _chooses(path: Path, others: Sequence[Path]) -> str:
    """The shortest VIA that tells `path` from the others."""
    for hop in reversed(path):
        column = hop.link.child_columns
        single = [c for c in column if not any(_uses(h.link, hop.end, c) for o in others for h in o)]
        if single:
            return "VIA " + _written(hop.link.child, single[0])
    return "VIA " + ".".join(_written(h.link.child, h.link.child_columns[0]) for h in reversed(path))


def _ambiguous(
    names: Names, entity: Table, table: Table, key: Sequence[str], paths: Sequence[Path], span: ast.Span
) -> QueryError:
    ways = [f"{_chooses(p, [o for o in paths if o is not p])} ({describe_path(p)})" for p in paths]
    if table.name == entity.name:
        ways.append(f"VIA {_written(entity.name, key[0])} (the row itself)")
    more = f"\n  and {len(ways) - 8} more" if len(ways) > 8 else ""
    return names.error(
        f"{len(paths)} paths lead from {table.name!r} to {entity.name!r}",
        span,
        "say which one inside the aggregate:\n" + "\n".join(f"  {w}" for w in ways[:8]) + more,
    )


def _no_foreign_key(names: Names, pair: tuple[str, str], span: ast.Span) -> QueryError:
    keys = [".".join((k.child, c)) for k in names.schema.links_up(pair[0]) for c in k.child_columns]
    mend = f"table {pair[0]!r} has no foreign keys" if not keys else f"its foreign keys: {listing(keys)}"
    return names.error(f"VIA {_written(*pair)} is not a foreign key", span, mend)


def _no_path(
    names: Names,
    entity: Table,
    table: Table,
    via: Sequence[tuple[str, str]],
    key: Sequence[str],
    span: ast.Span,
) -> QueryError:
    if via:
        every = paths_down(names.schema, entity.name, table.name)
        shown = "; ".join(describe_path(p) for p in every[:4])
        mend = f"there is {shown}" if shown else "no foreign keys lead there"
        written = ".".join(_written(*p) for p in via)
        return names.error(f"no path from {table.name!r} to {entity.name!r} goes by {written}", span, mend)
    if not table.rows and any(t.rows for t in names.schema.tables):
        return names.error(
            f"table {table.name!r} is empty, so that no link to {entity.name!r} is found",
            span,
            "load its rows, or declare the foreign key in foretell.toml",
        )
    if table.name == entity.name:
        return names.error(
            f"table {table.name!r} has no foreign key to itself",
            span,
            f"for the row itself as the event write VIA {_written(entity.name, key[0])}",
        )
    if paths_down(names.schema, table.name, entity.name):
        mend = (
            f"{entity.name!r} points to {table.name!r}, and only tables that point to "
            f"{entity.name!r} can be aggregated for it"
        )
    else:
        reachable = _below(names.schema, entity.name)
        mend = (
            f"tables that do: {listing(reachable[:8])}; a missing link is declared in foretell.toml"
            if reachable
            else "declare the foreign key in foretell.toml"
        )
        doubts = [n for n in names.schema.notes if n.startswith(f"{table.name}.") and "like a link" in n]
        mend = "\n".join([*doubts, mend])
    return names.error(f"no foreign keys lead from {table.name!r} to {entity.name!r}", span, mend)
