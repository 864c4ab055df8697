"""Neighbourhoods as nested values, which can be compared whatever positions their rows have."""

from __future__ import annotations

from typing import Any

import numpy as np

from foretell.graph import Fanout, Neighbourhood
from foretell.graph.fields import Field, Use
from foretell.graph.sample import Nodes


def unfolded(around: Neighbourhood, fanout: Fanout) -> list[Any]:
    """For each row all that its neighbourhood says: (values, age, [(degree, [the same of each row]) …])."""
    graph, drawn = around.graph, around.sample(fanout)
    branches = graph.tree(fanout)
    parts = [(graph.own_fields, graph.task.entity.name, drawn.root)]
    parts += [(graph.fields[b.table], b.table, r.nodes) for b, r in zip(branches, drawn.reached)]
    values = [_values(around, *part) for part in parts]

    def told(branch: int, node: int) -> Any:
        said = []
        for i, (below, reach) in enumerate(zip(branches, drawn.reached)):
            if below.start == branch:
                ends = [told(i, int(e)) for e in reach.slots[node] if e >= 0]
                said.append((int(reach.degrees[node]), ends))
        return values[branch + 1][node], said

    return [told(-1, int(node)) for node in drawn.own]


def _values(around: Neighbourhood, fields: tuple[Field, ...], table: str, nodes: Nodes) -> list[Any]:
    graph = around.graph
    columns: list[list[Any]] = []
    for field in fields:
        if field.use in (Use.NUMBER, Use.TIME):
            columns.append([None if np.isnan(v) else float(v) for v in graph.numbers(field, nodes)])
        else:
            words = graph.words(field).words
            columns.append([None if c < 0 else words[c] for c in graph.codes(field, nodes)])
    ages = graph.ages(table, nodes)
    columns.append([None] * len(nodes) if ages is None else ages.tolist())
    return list(zip(*columns))
