"""The past-only proof: one walk over a plan, before anything runs.

It takes nothing from the plan on trust but the `Until` of each step, which is what engines execute; whether a
table has a time is asked of the schema. Features: every scan and hop of a timed table ends at the cutoff,
or at the time of a row that does. Labels: windows start at or after the cutoff; conditions that choose the
population end at or before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from foretell.core.errors import LeakError
from foretell.core.time import Offset
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.query import ast
from foretell.schema.model import Hop, Schema


def prove(plan: nodes.FeaturePlan | nodes.Target, schema: Schema) -> None:
    """Return in silence if the plan reads the past only; raise LeakError otherwise."""
    if isinstance(plan, nodes.Target):
        _target(plan, schema)
        return
    for block in plan.blocks:
        match block:
            case nodes.AsOf():
                _anchor(block.source, schema)
                _own_way(block.source, plan, schema)
                for read in block.outputs:
                    if isinstance(block.source, nodes.Scan) and read.column in plan.hidden:
                        raise LeakError(f"{read.name!r} reads {read.column!r}, which is being asked for")
                    _not_asked_for(block.source.end, (read.column,), plan, schema)
                    declared = schema.table(block.source.end).column(read.column).known_at
                    if declared is not None and read.known_at != declared:
                        raise LeakError(f"feature {read.name!r} reads {read.column!r} before it is known")
            case nodes.Aggregate(events=nodes.PastLabels() as past, ago=ago):
                _ago(ago)
                _anchor(block.anchor, schema)
                if past.until is not Until.CUTOFF:
                    raise LeakError("past labels must have closed at the cutoff")
                _target(past.target, schema)
                _closed(past.target, schema)
            case nodes.Aggregate(events=nodes.Events() as events, ago=ago):
                _ago(ago)
                _past_events(block.anchor, events, plan, schema)
            case nodes.Nested(members=members, inner=inner):
                _past_events(block.anchor, members, plan, schema)
                if members != nodes.Events(members.rows) or len(nodes.hops(members.rows)) != 1:
                    raise LeakError(f"rows of {members.table!r} are taken for others than they are")
                if inner.anchor != nodes.base(members.rows) or not isinstance(inner.events, nodes.Events):
                    raise LeakError(f"what is nested does not start at the rows of {members.table!r}")
                _ago(inner.ago)
                _past_events(inner.anchor, inner.events, plan, schema)
            case nodes.Calendar():
                pass
    # A contrast reads nothing but what the blocks have made, and what they make is proven.
    made = set(plan.made)
    for contrast in plan.contrasts:
        if not {contrast.left, contrast.right} <= made:
            raise LeakError(f"{contrast.name!r} is a {contrast.how} of what no block makes")


def _ago(ago: Offset | None) -> None:
    """What is read as of another time than the cutoff is read as of an earlier one."""
    if ago is not None and not (ago.finite and ago.amount >= 0):
        raise LeakError(f"events would be read until {-ago} after the cutoff")


def _past_events(
    anchor: nodes.Relation, events: nodes.Events, plan: nodes.FeaturePlan, schema: Schema
) -> None:
    """Both the way to the anchor and the events that point at it end at the cutoff."""
    _anchor(anchor, schema)
    _own_way(anchor, plan, schema)
    _events(events, schema, Until.CUTOFF)
    _walked([follow.hop for follow in nodes.hops(events.rows)], plan, schema)
    for value in events.inputs:
        _walked(value.hops, plan, schema)
        end = value.up[-1].end if value.up else events.table
        _not_asked_for(end, _names(value.expr), plan, schema)
    if events.rows.end != anchor.end:
        raise LeakError(f"events of {events.table!r} end at {events.rows.end!r}, not at {anchor.end!r}")


def _not_asked_for(table: str, columns: Iterable[str], plan: nodes.FeaturePlan, schema: Schema) -> None:
    """Of a table without a time any row may be the one asked about, whatever path leads to it."""
    for column in columns:
        if table == plan.entity and column in plan.hidden and not schema.is_timed(table):
            raise LeakError(
                f"{table}.{column} is being asked for, and its rows have no time to tell them apart"
            )


def _own_way(anchor: nodes.Relation, plan: nodes.FeaturePlan, schema: Schema) -> None:
    """Where a foreign key is being asked for, the row that it names would tell it."""
    hops = [follow.hop for follow in nodes.hops(anchor)]
    if hops and _asked_by(hops[0], plan):
        raise LeakError(f"{hops[0]} starts at a column that is being asked for")
    _walked(hops, plan, schema)


def _walked(hops: Iterable[Hop], plan: nodes.FeaturePlan, schema: Schema) -> None:
    """Of a table without a time any row may be the one asked about, whatever path leads over it."""
    for hop in hops:
        if _asked_by(hop, plan) and not schema.is_timed(plan.entity):
            raise LeakError(
                f"{hop} reads what is being asked for, and rows of {plan.entity!r} have no time to tell them "
                "apart"
            )


def _asked_by(hop: Hop, plan: nodes.FeaturePlan) -> bool:
    return hop.link.child == plan.entity and bool(set(hop.link.child_columns) & set(plan.hidden))


def _step(table: str, until: Until, schema: Schema, allowed: frozenset[Until]) -> None:
    timed = schema.is_timed(table)
    if timed and until not in allowed:
        raise LeakError(
            f"rows of {table!r} would be read until {until.value!r}",
            mend=f"a table with a time is read until {' or '.join(sorted(a.value for a in allowed))}",
            table=table,
        )
    if not timed and until not in (allowed | {Until.NOW}):
        raise LeakError(
            f"rows of {table!r}, which has no time, would be read until {until.value!r}", table=table
        )


def _anchor(relation: nodes.Relation, schema: Schema) -> None:
    """From the entity's own row, up: the row is given, every parent must be visible at the cutoff.

    A hop down is to the latest row that is visible at the cutoff, so its table must have a time.
    """
    scan = nodes.base(relation)
    _step(scan.table, scan.until, schema, frozenset({Until.CUTOFF, Until.OWN}))
    for follow in nodes.hops(relation):
        if isinstance(follow, nodes.Latest):
            if follow.hop.up or not schema.is_timed(follow.end):
                raise LeakError(f"{follow.hop} leads to no row that is the latest at the cutoff")
        elif not follow.hop.up:
            raise LeakError(f"{follow.hop} leads to many rows and needs an aggregate")
        _step(follow.end, follow.until, schema, frozenset({Until.CUTOFF}))


def _events(events: nodes.Events, schema: Schema, until: Until) -> None:
    steps = list(nodes.steps(events.rows))
    for step in steps[:-1] if len(steps) > 1 else steps:
        _step(step.end, step.until, schema, frozenset({until}))
    for follow in nodes.hops(events.rows):
        if not follow.hop.up:
            raise LeakError(f"{follow.hop} would repeat events")
    table = schema.table(events.table)
    for value in events.inputs:
        end = events.table
        _group(value, events, schema)
        for hop in value.up:
            end = hop.end
            _step(end, value.until, schema, frozenset({Until.ROW}))
        for column in _names(value.expr):
            declared = schema.table(end).column(column).known_at
            if declared is None:
                continue
            if value.up and value.known_at != declared:
                raise LeakError(f"{end}.{column} is read before it is known at {declared!r}")
            if not value.up and declared not in events.delays and until is Until.CUTOFF:
                raise LeakError(f"{end}.{column} is read before it is known at {declared!r}")
    if until is Until.CUTOFF and events.where is not None:
        for column in _names(events.where):
            declared = table.column(column).known_at
            if declared is not None and declared not in events.delays:
                raise LeakError(f"{table.name}.{column} is read before it is known at {declared!r}")


def _group(value: nodes.Input, events: nodes.Events, schema: Schema) -> None:
    """Rows of one parent and one time are visible together, if what is read of them is known with them."""
    if value.within is None:
        return
    hop, table = value.within.hop, schema.table(events.table)
    if value.up or not hop.up or hop.start != table.name:
        raise LeakError(f"{hop} leads to no group of rows of {table.name!r}")
    if not schema.is_timed(table.name):
        raise LeakError(f"rows of {table.name!r} have no time, so others of a group may have come later")
    for column in _names(value.expr):
        declared = table.column(column).known_at
        if declared is not None:
            raise LeakError(
                f"{table.name}.{column} of others of a group may be known later: each at its own {declared!r}"
            )


def _target(target: nodes.Target, schema: Schema) -> None:
    static = target.horizon is None
    _step(
        target.population.table,
        target.population.until,
        schema,
        frozenset({Until.OWN if static else Until.CUTOFF}),
    )
    chosen = _aggregates(target.where)
    future = _aggregates(target.target) | _aggregates(target.assuming)
    for index, aggregate in enumerate(target.aggregates):
        window = aggregate.window
        if index in chosen and not window.is_past:
            raise LeakError(f"WHERE reads {window} of {aggregate.events.table!r}, after the cutoff")
        if index in future and not window.is_future:
            raise LeakError(f"the target reads {window} of {aggregate.events.table!r}, before the cutoff")
        _events(aggregate.events, schema, Until.CUTOFF if index in chosen else Until.WINDOW)


def _closed(target: nodes.Target, schema: Schema) -> None:
    """A label is known when its window closes only if nothing it reads of its events becomes known later."""
    for aggregate in target.aggregates:
        events = aggregate.events
        for read in (events.where, *(value.expr for value in events.inputs if not value.up)):
            for column in _names(read) if read is not None else ():
                declared = schema.table(events.table).column(column).known_at
                if declared is not None and declared not in events.delays:
                    raise LeakError(
                        f"past labels read {events.table}.{column}, which is known at {declared!r}, "
                        "perhaps after their window has closed"
                    )


def _aggregates(formula: nodes.Formula | None) -> set[int]:
    if formula is None:
        return set()
    return {int(c.name[1:]) for c in ast.columns(formula.expr) if not c.table}


def _names(expr: ast.Expr) -> list[str]:
    return [c.name for c in ast.columns(expr) if c.name != "*"]
