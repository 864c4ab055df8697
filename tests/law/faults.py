"""Faults to plant: plans that read too far, labels that reach back, tables derived from the future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from trap_shop import CUTOFF

from foretell.core.time import DAY, Offset, Window
from foretell.plan import nodes
from foretell.plan.nodes import Until

# ── leaks in the plan ──


def _unbounded(relation: nodes.Relation, tables: tuple[str, ...]) -> nodes.Relation:
    """The relation with the steps that end at these tables read without a bound."""
    if isinstance(relation, nodes.Scan):
        return replace(relation, until=Until.END) if relation.table in tables else relation
    source = _unbounded(relation.source, tables)
    until = Until.END if relation.end in tables else relation.until
    return replace(relation, source=source, until=until)


def events_of(*tables: str) -> Callable[[nodes.Block], nodes.Block]:
    def change(block: nodes.Block) -> nodes.Block:
        if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events):
            steps = nodes.hops(block.events.rows)
            walked = {block.events.table, *(s.end for s in steps[:-1])}
            chosen = tuple(t for t in tables if t in walked)
            return replace(block, events=replace(block.events, rows=_unbounded(block.events.rows, chosen)))
        return block

    return change


def each_input(**changes: object) -> Callable[[nodes.Block], nodes.Block]:
    def change(block: nodes.Block) -> nodes.Block:
        if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events):
            inputs = tuple(replace(i, **changes) if i.up else i for i in block.events.inputs)  # type: ignore[arg-type]
            return replace(block, events=replace(block.events, inputs=inputs))
        return block

    return change


def no_delays(block: nodes.Block) -> nodes.Block:
    if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events):
        return replace(block, events=replace(block.events, delays=()))
    return block


def looked_up(block: nodes.Block) -> nodes.Block:
    if isinstance(block, nodes.AsOf):
        return replace(block, source=_unbounded(block.source, ("regions",)))
    return block


def anchors(block: nodes.Block) -> nodes.Block:
    if isinstance(block, nodes.Aggregate) and isinstance(block.anchor, nodes.Follow):
        return replace(block, anchor=_unbounded(block.anchor, ("regions",)))
    return block


def known_early(block: nodes.Block) -> nodes.Block:
    if isinstance(block, nodes.AsOf):
        return replace(block, outputs=tuple(replace(o, known_at=None) for o in block.outputs))
    return block


def open_windows(block: nodes.Block) -> nodes.Block:
    if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.PastLabels):
        return replace(block, events=replace(block.events, until=Until.END))
    return block


def population_without_a_filter(target: nodes.Target) -> nodes.Target:
    return replace(target, population=replace(target.population, until=Until.END))


def where_ahead(target: nodes.Target) -> nodes.Target:
    ahead = Window(Offset(-30), Offset(30))
    changed = [replace(a, window=ahead) if a.window.is_past else a for a in target.aggregates]
    return replace(target, aggregates=tuple(changed))


def where_without_a_filter(target: nodes.Target) -> nodes.Target:
    changed = [
        replace(a, events=replace(a.events, rows=_unbounded(a.events.rows, ("orders",))))
        if a.window.is_past
        else a
        for a in target.aggregates
    ]
    # Without a time, events lie in the window that has no start.
    whole = Window(Offset(-np.inf), Offset(0))
    return replace(
        target,
        aggregates=tuple(replace(a, window=whole) if a.window.is_past else a for a in changed),
    )


# ── what is derived from the data before a plan runs ──

Derive = Callable[[dict[str, pa.Table]], dict[str, pa.Table]]


def _orders(frames: dict[str, pa.Table], amount: np.ndarray) -> dict[str, pa.Table]:
    orders = frames["orders"]
    place = orders.schema.get_field_index("amount")
    column = pa.array(np.asarray(amount, dtype=np.float64))
    return {**frames, "orders": orders.set_column(place, "amount", column)}


def global_mean(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    amount = frames["orders"]["amount"].to_numpy()
    return _orders(frames, amount - np.nanmean(amount))


def global_rank(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    return _orders(frames, frames["orders"]["amount"].to_numpy().argsort().argsort())


def table_count(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    orders = frames["orders"]
    return _orders(frames, np.full(orders.num_rows, orders.num_rows))


def lifetime_value(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    owner, amount = frames["orders"]["customer"].to_numpy(), frames["orders"]["amount"].to_numpy()
    total = {o: np.nansum(amount[owner == o]) for o in set(owner.tolist())}
    return _orders(frames, np.array([total.get(o, 0.0) for o in owner.tolist()]))


def lead(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Each order carries the amount of the customer's next one."""
    orders = frames["orders"].sort_by([("customer", "ascending"), ("at", "ascending"), ("id", "ascending")])
    following = np.append(orders["amount"].to_numpy()[1:], np.nan)
    return _orders({**frames, "orders": orders}, following)


def survivors_only(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Customers without a late order were deleted from the table."""
    orders = frames["orders"]
    late = pc.greater(orders["at"].cast(pa.int64()), CUTOFF + 40 * DAY)
    customers = frames["customers"]
    return {
        **frames,
        "customers": customers.filter(pc.is_in(customers["id"], orders.filter(late)["customer"])),
    }
