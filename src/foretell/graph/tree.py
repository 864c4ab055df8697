"""The tree of paths along which a neighbourhood is drawn, and the plan by which it is proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from foretell.graph.fields import Field, is_followed, own_fields
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.schema.model import DType, Hop
from foretell.task.model import Task

MOST_BRANCHES = 80
"""A tree grows level by level, and no further than this."""


@dataclass(frozen=True)
class Fanout:
    """How many rows are drawn: `near` of those that point at the entity, `far` of those that point at others.

    The latest are drawn; with `spread` half of them, and the other half evenly from all that came before.
    `hops` is how far the tree reaches.
    """

    near: int = 8
    far: int = 2
    hops: int = 2
    spread: bool = False


@dataclass(frozen=True)
class Branch:
    """One step of the tree: from the rows of branch `start` along `hop`, to at most `most` rows each.

    Branch -1 is the entity itself.
    """

    start: int
    hop: Hop
    most: int

    @property
    def table(self) -> str:
        return self.hop.end


Tree: TypeAlias = tuple[Branch, ...]
"""Branches, each after the one that it starts from."""


def tree(task: Task, fanout: Fanout) -> Tree:
    """The tree of a task: parents and children of the entity, then of each of these, level by level.

    A step never goes straight back up the link that it came down; coming down the link that it went up leads
    to fellows. Children are followed into tables with a time only: of others nobody knows when they came.
    """
    branches: list[Branch] = []
    level = [-1]
    for depth in range(fanout.hops):
        grown: list[int] = []
        for start in level:
            for hop in _hops(task, branches[start] if start >= 0 else None, depth):
                if len(branches) == MOST_BRANCHES:
                    return tuple(branches)
                most = 1 if hop.up else fanout.near if start < 0 else fanout.far
                branches.append(Branch(start, hop, most))
                grown.append(len(branches) - 1)
        level = grown
    return tuple(branches)


def most_nodes(branches: Tree) -> int:
    """How many rows a neighbourhood has at most, the entity's own apart."""
    sizes: list[int] = []
    for branch in branches:
        sizes.append(branch.most * (sizes[branch.start] if branch.start >= 0 else 1))
    return sum(sizes)


def _hops(task: Task, came: Branch | None, depth: int) -> Iterator[Hop]:
    schema = task.schema
    at = came.table if came is not None else task.entity.name
    for link in schema.links_up(at):
        back = came is not None and not came.hop.up and came.hop.link == link
        own = came is None and bool(set(link.child_columns) & set(task.hidden))
        if not back and not own and is_followed(schema, task, link.child_columns, at):
            yield Hop(link, up=True)
    if came is not None and not came.hop.up and depth > 1:
        return  # rows of rows of rows
    for link in schema.links_down(at):
        if schema.is_timed(link.child) and is_followed(schema, task, link.child_columns, link.child):
            yield Hop(link, up=False)


def plan(task: Task, branches: Tree, fields: Mapping[str, tuple[Field, ...]]) -> nodes.FeaturePlan:
    """What is read along a tree, as a plan that the proof can walk.

    A step down is to the latest visible rows; the plan has the first of them.
    """
    schema = task.schema

    def until(table: str, bound: Until) -> Until:
        return bound if schema.is_timed(table) else Until.NOW

    own = Until.OWN if task.is_static else Until.CUTOFF
    root = nodes.Scan(task.entity.name, until(task.entity.name, own))
    relations: list[nodes.Relation] = []
    blocks = [nodes.AsOf(root, _reads(own_fields(task, fields), "own"))]
    for place, branch in enumerate(branches):
        source = root if branch.start < 0 else relations[branch.start]
        step = nodes.Follow if branch.hop.up else nodes.Latest
        relations.append(step(source, branch.hop, until(branch.table, Until.CUTOFF)))
        blocks.append(nodes.AsOf(relations[-1], _reads(fields[branch.table], str(place))))
    return nodes.FeaturePlan(task.entity.name, task.entity_key, tuple(blocks), task.hidden)


def _reads(fields: tuple[Field, ...], place: str) -> tuple[nodes.Read, ...]:
    return tuple(
        nodes.Read(f"{place} {field.name} {column}", column, DType.OTHER, known_at)
        for field in fields
        for column, known_at in zip(field.columns, field.known_at)
    )
