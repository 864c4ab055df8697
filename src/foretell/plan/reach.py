"""What a plan reads: the tree of hops from an entity along which every row lies that its values depend on.

A part of a database that holds an entity's row, and all rows that this tree leads to, gives the entity the
same values as the whole. What reads everybody (the level of the whole population's labels) is not in the
tree: it is named by `everybody`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from foretell.plan import nodes
from foretell.query import ast
from foretell.schema.model import Hop, Schema


@dataclass
class Reach:
    """Rows of a table, and the hops that lead on: to their parent, or to all rows that point at them."""

    table: str
    steps: dict[Hop, Reach] = field(default_factory=dict)

    def walk(self, hops: Iterable[Hop]) -> Reach:
        """The end of a path, made where it is not there yet."""
        at = self
        for hop in hops:
            at = at.steps.setdefault(hop, Reach(hop.end))
        return at

    def paths(self) -> Iterator[tuple[Hop, ...]]:
        """Every path, the shorter ones first among those of one beginning."""
        for hop, after in self.steps.items():
            yield (hop,)
            yield from ((hop, *rest) for rest in after.paths())

    @property
    def tables(self) -> frozenset[str]:
        """The tables that rows are read of."""
        return frozenset({self.table, *(path[-1].end for path in self.paths())})


def everybody(plan: nodes.FeaturePlan) -> frozenset[str]:
    """The outputs of a plan that depend on everybody's rows, and not on those around the entity alone."""
    found = {
        o.name
        for block in plan.blocks
        if isinstance(block, nodes.Aggregate)
        and isinstance(block.events, nodes.PastLabels)
        and block.events.everyone
        for o in block.outputs
    }
    found |= {c.name for c in plan.contrasts if {c.left, c.right} & found}
    return frozenset(found)


def looks_back(plan: nodes.FeaturePlan) -> tuple[nodes.Target, ...]:
    """The targets whose earlier labels a plan reads, which begin with the first row that they count."""
    found = (
        block.events.target
        for block in plan.blocks
        if isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.PastLabels)
    )
    return tuple(dict.fromkeys(found))


def reach_of_features(reach: Reach, plan: nodes.FeaturePlan) -> None:
    """Add what the blocks of a plan read."""
    for block in plan.blocks:
        match block:
            case nodes.AsOf(source=source):
                reach.walk(_hops(source))
            case nodes.Aggregate(events=nodes.PastLabels() as past):
                reach_of_target(reach, past.target)
            case nodes.Aggregate(anchor=anchor, events=nodes.Events() as events):
                _events(reach.walk(_hops(anchor)), events)
            case nodes.Nested(anchor=anchor, members=members, inner=inner):
                each = _events(reach.walk(_hops(anchor)), members)
                if isinstance(inner.events, nodes.Events):
                    _events(each, inner.events)


def reach_of_target(reach: Reach, target: nodes.Target) -> None:
    """Add what the labels of an entity read, and who is in the population."""
    for aggregate in target.aggregates:
        _events(reach, aggregate.events)


def with_times(reach: Reach, schema: Schema) -> None:
    """Add the parents that tell when rows without a time of their own became visible."""
    path = schema.time_path(reach.table)
    if path is not None and path[0]:
        hop = path[0][0]
        reach.walk((hop,))
    for after in tuple(reach.steps.values()):
        with_times(after, schema)


def columns_read(plans: Iterable[nodes.FeaturePlan | nodes.Target], schema: Schema) -> dict[str, set[str]]:
    """The columns that plans read values of, by table; keys, links and times are not among them."""
    found: dict[str, set[str]] = {}

    def add(table: str, names: Iterable[str | None]) -> None:
        found.setdefault(table, set()).update(n for n in names if n is not None and n != "*")

    def events(node: nodes.Events) -> None:
        add(node.table, (*_names(node.where), *node.delays))
        for value in node.inputs:
            end = value.up[-1].end if value.up else node.table
            add(end, (*_names(value.expr), value.known_at))

    def target(node: nodes.Target) -> None:
        table = node.population.table
        own = [n for f in (node.target, node.where, node.assuming) if f is not None for n in _names(f.expr)]
        own = [n for n in own if schema.table(table).has(n)]
        add(table, (*own, *(schema.table(table).column(n).known_at for n in own), node.end_time))
        for aggregate in node.aggregates:
            events(aggregate.events)

    for plan in plans:
        if isinstance(plan, nodes.Target):
            target(plan)
            continue
        for block in plan.blocks:
            match block:
                case nodes.AsOf(source=source, outputs=outputs):
                    add(source.end, (name for o in outputs for name in (o.column, o.known_at)))
                case nodes.Aggregate(events=nodes.PastLabels() as past):
                    target(past.target)
                case nodes.Aggregate(events=nodes.Events() as node):
                    events(node)
                case nodes.Nested(inner=nodes.Aggregate(events=nodes.Events() as node)):
                    events(node)
    return found


def _names(expr: ast.Expr | None) -> list[str]:
    return [] if expr is None else [c.name for c in ast.columns(expr) if c.table]


def _hops(relation: nodes.Relation) -> tuple[Hop, ...]:
    return tuple(step.hop for step in nodes.hops(relation))


def _events(anchor: Reach, events: nodes.Events) -> Reach:
    """From an anchor down to the events that reach it, and from each on to what is read of it."""
    down = tuple(hop.reversed() for hop in reversed(_hops(events.rows)))
    each = anchor.walk(down)
    for value in events.inputs:
        each.walk(value.up)
        if value.within is not None:
            each.walk((value.within.hop, value.within.hop.reversed()))
    return each
