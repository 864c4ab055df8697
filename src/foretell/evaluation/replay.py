"""Replay: what an earlier copy of a database, or its row hashes, tells of columns that are changed in place.

No change of later rows shows such a column: the row is old, its value is new. Features read the new value at
a cutoff at which the old one stood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foretell.core.text import listing, plural
from foretell.core.time import DAY, Instant, format_instant
from foretell.evaluation.detectors import SHOWN, Detection, Outcome
from foretell.evaluation.law import Difference
from foretell.evaluation.remember import Changes
from foretell.plan import nodes
from foretell.query import ast
from foretell.schema.model import Schema

HOW = (
    "only an earlier state shows columns that were changed in place: pass a copy of the database with "
    "--then, or write row hashes with --remember FILE now, and pass that file with --then next time"
)
DID = "compared with how it stood at {at}"


def skipped(untimed: Sequence[str] = ()) -> Detection:
    """There is nothing to compare with; says how to have it. `untimed` tables are read as they are now."""
    told = f"; {listing(untimed)}, without a time, are read as they are now" if untimed else ""
    return Detection("replay", Outcome.SKIPPED, DID.format(at="an earlier time"), HOW + told)


def replayed(
    at: Instant,
    changes: Sequence[Changes],
    moved: Sequence[Difference],
    reads: Mapping[str, set[str]],
    schema: Schema,
) -> Detection:
    """What was rewritten since, of what the features read; `moved` are features that differ at that time."""
    did = f"{DID.format(at=format_instant(at))}: {plural(sum(c.rows for c in changes), 'row')}"
    found, mends, aside = [], [], []
    for change in changes:
        for column, count in change.columns.items():
            text = (
                f"{change.table}.{column} was changed in place in {count:,} of {plural(change.rows, 'row')}"
            )
            if column in reads.get(change.table, ()):
                found.append(text)
                mends.append(_mend(change.table, column, schema))
            else:
                aside.append(text)
        if change.table not in reads:
            continue
        if change.gone:
            found.append(f"{plural(change.gone, 'row')} of {change.table} are gone")
            mends.append(f"rows of {change.table} are deleted: keep them, and give the table an end_time")
        if change.late:
            found.append(
                f"{plural(change.late, 'row')} of {change.table} came later than their own time says"
            )
            mends.append(_wait(change))
    examples = [f"{d.what} differs in {plural(d.rows, 'row')}" for d in moved[:SHOWN]]
    if not found and not moved:
        told = "nothing that the features read was changed"
        if aside:
            told += f"; but {listing(aside[:SHOWN])}, which no feature reads"
        return Detection("replay", Outcome.PASSED, did, told)
    said = "; ".join(found[: 2 * SHOWN]) or f"{plural(len(moved), 'feature')} differ from what they were"
    return Detection("replay", Outcome.FAILED, did, said, tuple(examples), "\n".join(dict.fromkeys(mends)))


def _wait(change: Changes) -> str:
    """How to say in foretell.toml that rows come late: by more than the latest of these."""
    unit, length = ("days", DAY) if change.lateness > DAY else ("hours", DAY // 24)
    wait = f"{change.lateness // length + 1} {unit}"
    return f'in foretell.toml: [tables.{change.table}] available_after = "{wait}", or longer'


def _mend(table: str, column: str, schema: Schema) -> str:
    """How to say in foretell.toml that a column changes."""
    times = [c.name for c in schema.table(table).columns if c.semantic.value == "time"]
    later = [t for t in times if t != schema.table(table).time_column]
    known = f'{column} = {{ known_at = "{later[0]}" }} or ' if later else ""
    return f"in foretell.toml: [tables.{table}.columns] {known}{column} = {{ ignore = true }}"


# ── what plans read ──


def read_columns(plan: nodes.FeaturePlan, target: nodes.Target, schema: Schema) -> dict[str, set[str]]:
    """The columns that features and the choice of the population read, by table."""
    found: dict[str, set[str]] = {}

    def add(table: str, *columns: str | None) -> None:
        found.setdefault(table, set()).update(c for c in columns if c is not None)

    def walk(relation: nodes.Relation) -> None:
        for step in nodes.steps(relation):
            path = schema.time_path(step.end)
            if path is not None:
                add(path[0][-1].end if path[0] else step.end, path[1])
            if not isinstance(step, nodes.Scan):
                add(step.hop.link.child, *step.hop.link.child_columns)

    def events(node: nodes.Events) -> None:
        walk(node.rows)
        add(node.table, *node.delays, *_names(node.where))
        for value in node.inputs:
            add(value.up[-1].end if value.up else node.table, value.known_at, *_names(value.expr))
            for hop in value.hops:
                add(hop.link.child, *hop.link.child_columns)

    def chosen(node: nodes.Target) -> None:
        add(node.population.table, node.end_time)
        walk(node.population)
        for formula in (node.where,):
            if formula is not None:
                add(node.population.table, *(c.name for c in ast.columns(formula.expr) if c.table))
        for aggregate in node.aggregates:
            if aggregate.window.is_past:
                events(aggregate.events)

    chosen(target)
    for block in plan.blocks:
        match block:
            case nodes.AsOf():
                walk(block.source)
                for output in block.outputs:
                    add(block.source.end, output.column, output.known_at)
            case nodes.Aggregate(events=nodes.Events() as read):
                walk(block.anchor)
                events(read)
            case nodes.Nested(members=members, inner=nodes.Aggregate(events=nodes.Events() as read)):
                walk(block.anchor)
                events(members)
                events(read)
            case nodes.Aggregate(events=nodes.PastLabels() as past):
                for aggregate in past.target.aggregates:
                    events(aggregate.events)
            case nodes.Calendar():
                pass
    return found


def _names(expr: ast.Expr | None) -> list[str]:
    return [c.name for c in ast.columns(expr) if c.name != "*"]
