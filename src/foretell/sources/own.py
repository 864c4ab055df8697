"""foretell's own prediction tables: known by their columns, and left out wherever a database is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from foretell.core.text import listing

Place: TypeAlias = tuple[str, str]
"""A schema's name and a table's."""

MARK = "foretell_format"
"""The column of a runs table that no other table has: it survives dumps, copies and every database."""
RUNS = ("run_id", "model", "version", "sha256", "query", "cutoff", "snapshot", "rows", "written_at", MARK)
POINTERS = ("model", "run_id", "cutoff")
HEAD = ("run_id", "model", "version")
"""What the table of predictions, and the view of the latest, begin with."""
RUNS_END, POINTERS_END, LATEST_END = "_runs", "_pointers", "_latest"
FOLDER_MARK = "_foretell.json"
"""The file that tells a folder of predictions from one of data."""

_SAID = "left out, as foretell wrote them: "


def own_places(columns: Mapping[Place, Sequence[str]]) -> set[Place]:
    """Which of the tables and views, given with their columns' names, foretell wrote.

    A table of runs, by its exact columns, tells of its companions by their names; and these must have the
    columns of such.

    >>> sorted(own_places({("", "p"): ("run_id", "model", "version", "id"), ("", "p_runs"): RUNS}))
    [('', 'p'), ('', 'p_runs')]
    >>> own_places({("", "predictions"): ("run_id", "model", "version", "id")})
    set()
    """
    found: set[Place] = set()
    for (schema, table), names in columns.items():
        if tuple(names) != RUNS or not table.endswith(RUNS_END):
            continue
        base = table.removesuffix(RUNS_END)
        found.add((schema, table))
        for place, head in (
            ((schema, base), HEAD),
            ((schema, base + LATEST_END), HEAD),
            ((schema, base + POINTERS_END), POINTERS),
        ):
            if tuple(columns.get(place, ()))[: len(head)] == head:
                found.add(place)
    return found


def remark(names: Iterable[str]) -> list[str]:
    """The note on what was left out; none where nothing was."""
    chosen = sorted(names)
    return [_SAID + listing(chosen)] if chosen else []


def is_remark(note: str) -> bool:
    """Whether a note says no more than that foretell's own tables were left out."""
    return note.startswith(_SAID)
