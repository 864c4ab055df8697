"""Plans over tables that are too large for memory: what needs one anchor's events alone is made in parts.

A table is large where its arrays, and the events made of them, would take too much of the memory that there
is for arrays. Rows are told apart by the anchor that a path leads to; each part is then like a database of
its own, on which the same code runs. What cannot be told apart so is left to DuckDB, which works by way of
the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.engines.base import Rows
from foretell.engines.native.aggregates import aggregate
from foretell.engines.native.asof import anchors, as_of
from foretell.engines.native.frames import Frames
from foretell.engines.native.inputs import parts
from foretell.engines.native.labels import Aggregated
from foretell.engines.native.nested import nested
from foretell.features.matrix import Categorical, Numeric, Precision, Values
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.schema.model import Link, Schema
from foretell.store.columns import FIRST_RANK
from foretell.store.memory import Memory
from foretell.store.partitions import Partitions, row_bytes
from foretell.store.working import Store


@dataclass(frozen=True)
class Split:
    """One block whose events are parted along `links`, and the relation whose rows are the anchors."""

    block: nodes.Block
    links: tuple[Link, ...]
    anchor: nodes.Relation


class Parted:
    """What is made in parts, and how: partitions are made once each, and kept on disk."""

    def __init__(self, store: Store, schema: Schema, frames: Frames, memory: Memory) -> None:
        self._store = store
        self._schema = schema
        self._frames = frames
        self._memory = memory
        self._made: dict[tuple[str, ...], Partitions] = {}  # by the links' names
        self.large = large_tables(store, schema, memory)

    def needs(self, tables: Iterable[str]) -> frozenset[str]:
        """The large ones among tables and those that they take their times from."""
        found = set()
        for name in tables:
            path = self._schema.time_path(name)
            found |= {name, *(hop.end for hop in (path[0] if path else ()))}
        return self.large & found

    def split(self, block: nodes.Block) -> Split | None:
        """How a block is made in parts; None where it cannot be."""
        if isinstance(block, nodes.AsOf):
            latest = self._latest(block.source)
            return None if latest is None else Split(block, (latest.hop.link,), latest.source)
        if not isinstance(block, nodes.Aggregate | nodes.Nested):
            return None
        events = _events(block)
        if events is None:
            return None
        links, reads = self.links(events), [s.end for s in nodes.steps(block.anchor)]
        if links is None or (self.needs(reads) and self._latest(block.anchor) is None):
            return None
        return Split(block, links, block.anchor)

    def _latest(self, relation: nodes.Relation) -> nodes.Latest | None:
        """The one step of a relation that needs a large table: to the latest of the rows that point at a row
        of a whole one.
        """
        steps = list(nodes.steps(relation))
        large = [s for s in steps if self.needs([s.end])]
        if len(large) != 1 or not isinstance(large[0], nodes.Latest):
            return None
        pointing = nodes.Follow(nodes.Scan(large[0].end, large[0].until), large[0].hop.reversed(), Until.NOW)
        return large[0] if self.links(nodes.Events(pointing)) is not None else None

    def _places(self, relation: nodes.Relation, rows: Rows) -> npt.NDArray[np.int32]:
        """The place of the row, of a whole table, at the end of a relation; -1 where there is none."""
        latest = self._latest(relation)
        if latest is None or latest is relation:
            return anchors(self._frames, relation if latest is None else latest.source, rows)
        from_ = anchors(self._frames, latest.source, rows)
        found = np.full(len(rows), -1, dtype=np.int32)
        for first, stop, frames in self._each((latest.hop.link,)):
            inside = np.flatnonzero((from_ >= first) & (from_ < stop))
            found[inside] = anchors(frames, relation, rows.take(inside))
        return found

    def links(self, events: nodes.Events) -> tuple[Link, ...] | None:
        """The links from the event table up to the anchors, where a part holds all that is read of its
        events: other paths lead to tables that are whole, and no group is parted. Else None.
        """
        links = tuple(step.hop.link for step in nodes.hops(events.rows))
        parted = {link.child for link in links}
        if (
            not links
            or len(parted) < len(links)
            or self.needs([links[-1].parent]) | ({links[-1].parent} & parted)
            or any(value.within is not None for value in events.inputs)
        ):
            return None
        walks = [(value.up, links) for value in events.inputs]
        for level, link in enumerate(links):
            path = self._schema.time_path(link.child)
            walks.append((path[0] if path else (), links[level:]))
        for hops, along in walks:
            apart = [
                h.end for i, h in enumerate(hops) if tuple(x.link for x in hops[: i + 1]) != along[: i + 1]
            ]
            if parted & set(apart) or self.needs(apart):
                return None
        return links

    def features(self, splits: Sequence[Split], rows: Rows, precision: Precision) -> dict[str, Values]:
        """The outputs of blocks, each part gone through once for all blocks along the same links."""
        found: dict[str, _Gathered] = {}
        for links in dict.fromkeys(s.links for s in splits):
            chosen = [s for s in splits if s.links == links]
            at = [self._places(s.anchor, rows) for s in chosen]
            for number, (first, stop, frames) in enumerate(self._each(links)):
                for split, places in zip(chosen, at):
                    inside = (places >= first) & (places < stop)
                    if number == 0:
                        inside |= places < 0
                    index = np.flatnonzero(inside)
                    made = _made(frames, split.block, rows.take(index), places[index], precision)
                    for name, values in made.items():
                        found.setdefault(name, _Gathered(len(rows))).put(index, values)
        return {name: gathered.values() for name, gathered in found.items()}

    def aggregates(
        self, wanted: Mapping[str, nodes.TargetAggregate], rows: Rows
    ) -> Iterator[tuple[str, pa.Table]]:
        """The tables of aggregates of labels (see `Aggregated`), in parts where they have to be."""
        along = {name: self.links(node.events) for name, node in wanted.items()}
        for name, node in wanted.items():
            if not self.needs(self.tables(node.events)):
                yield name, Aggregated(self._frames)(node, rows)
                del along[name]
        for links in dict.fromkeys(along.values()):
            assert links is not None, "labels that cannot be parted are DuckDB's"
            chosen = [name for name, its in along.items() if its == links]
            pieces: dict[str, list[pa.Table]] = {name: [] for name in chosen}
            for first, stop, frames in self._each(links):
                places = rows.entities - FIRST_RANK
                inside = rows.take((places >= first) & (places < stop))
                for name in chosen:
                    pieces[name].append(Aggregated(frames)(wanted[name], inside))
            for name in chosen:
                yield name, pa.concat_tables(pieces.pop(name))

    def tables(self, events: nodes.Events) -> set[str]:
        """Every table that events are made of."""
        ups = {hop.end for value in events.inputs for hop in value.hops}
        return {step.end for step in nodes.steps(events.rows)} | ups

    def _each(self, links: tuple[Link, ...]) -> Iterator[tuple[int, int, Frames]]:
        """The anchors of each part, and the events of them alone."""
        key = tuple(link.name for link in links)
        frames, budget = self._frames, self._memory.arrays
        if key not in self._made:
            self._made[key] = Partitions(
                self._store, self._schema, frames.tables, links, most=budget // 2, threads=frames.threads
            )
        for part in self._made[key]:
            yield (
                part.first,
                part.stop,
                Frames(part.tables, self._schema, threads=frames.threads, most=budget // 4),
            )


def large_tables(store: Store, schema: Schema, memory: Memory) -> frozenset[str]:
    """The tables whose arrays take more than an eighth of the room for all, where all do not fit at once."""
    sizes = {t.name: store.table(t.name).rows * row_bytes(schema, t.name) for t in schema.tables}
    if sum(sizes.values()) <= memory.arrays:
        return frozenset()
    return frozenset(name for name, size in sizes.items() if size > memory.arrays // 8)


class _Gathered:
    """One output as its parts come in."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._pieces: list[tuple[npt.NDArray[np.intp], Values]] = []

    def put(self, index: npt.NDArray[np.intp], values: Values) -> None:
        self._pieces.append((index, values))

    def values(self) -> Values:
        """The whole column. The words of categories are those that occur, as in one piece."""
        words = sorted({w for _, v in self._pieces if isinstance(v, Categorical) for w in v.categories})
        place = {word: code for code, word in enumerate(words)}
        numbers, codes = None, np.full(self._rows, -1, dtype=np.int32)
        for index, values in self._pieces:
            if isinstance(values, Numeric):
                if numbers is None:
                    numbers = np.empty(self._rows, dtype=values.values.dtype)
                numbers[index] = values.values
            else:
                own = np.array([*(place[w] for w in values.categories), -1], dtype=np.int32)
                codes[index] = own[values.codes]
        return Categorical(codes, tuple(words)) if numbers is None else Numeric(numbers)


def _events(block: nodes.Aggregate | nodes.Nested) -> nodes.Events | None:
    """The events that an aggregate is made of, up to its anchor: of what is nested, by way of the members."""
    match block:
        case nodes.Aggregate(events=nodes.Events() as events):
            return events
        case nodes.Nested(members=members, inner=nodes.Aggregate(events=nodes.Events() as events)):
            (step,) = nodes.hops(members.rows)
            assert isinstance(step, nodes.Follow)
            return replace(events, rows=replace(step, source=events.rows))
    return None


def _made(
    frames: Frames, block: nodes.Block, rows: Rows, places: npt.NDArray[np.int32], precision: Precision
) -> dict[str, Values]:
    if isinstance(block, nodes.AsOf):
        return as_of(frames, block, rows, precision)
    if isinstance(block, nodes.Nested):
        return nested(
            frames,
            block,
            places.astype(np.int64),
            rows.cutoffs,
            threads=frames.threads,
            precision=precision,
        )
    assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events)
    return aggregate(
        block,
        block.events.inputs,
        parts(frames, block.events),
        places.astype(np.int64),
        rows.cutoffs,
        threads=frames.threads,
        precision=precision,
    )
