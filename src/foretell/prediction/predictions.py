"""Predictions: one row per entity, ready to show, to write and to join back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from foretell.core.lazy import require
from foretell.core.text import plural
from foretell.core.time import Instant, format_instant
from foretell.task.model import TaskKind


@dataclass(frozen=True)
class Predictions:
    """The scores of a model at a cutoff, highest first.

    `table` has the entity's key columns, `cutoff`, then by kind:
    binary: `probability` (0..1), with `prediction` where classes were asked for;
    regression: `prediction`, `low`, `high` (an interval that should hold `level` of the truths);
    multiclass: `prediction`, `probability` (of that class);
    and `reasons`, a list of sentences, where explanations were asked for.
    """

    table: pa.Table
    kind: TaskKind
    key: tuple[str, ...]
    meaning: str
    level: float | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<{plural(len(self), 'prediction')}: {self.meaning}>"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each prediction as a dict."""
        for batch in self.table.to_batches(max_chunksize=10_000):
            yield from batch.to_pylist()

    def head(self, count: int) -> Predictions:
        """The first predictions."""
        return Predictions(
            self.table.slice(0, count), self.kind, self.key, self.meaning, self.level, self.notes
        )

    def to_arrow(self) -> pa.Table:
        return self.table

    def to_pandas(self) -> Any:
        """A pandas DataFrame; needs pandas."""
        return self.table.to_pandas()

    def to_polars(self) -> Any:
        """A polars DataFrame; needs polars."""
        return require("polars", extra="polars").from_arrow(self.table)

    def _repr_html_(self) -> str:
        shown = self.head(20).table.drop_columns([c for c in ("reasons",) if c in self.table.column_names])
        head = "".join(f"<th>{escape(c)}</th>" for c in shown.column_names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(v))}</td>" for v in row.values()) + "</tr>"
            for row in shown.to_pylist()
        )
        more = f"<p>{len(self) - 20:,} more</p>" if len(self) > 20 else ""
        return (
            f"<p>{escape(self.meaning)}</p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{more}"
        )


def beside_keys(table: str, keys: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Key columns and an output's own; a key that is called like one of these goes by 'table.column'.

    >>> list(beside_keys("shops", {"id": [1], "cutoff": [2]}, {"cutoff": [3]}))
    ['id', 'shops.cutoff', 'cutoff']
    """
    return {(f"{table}.{name}" if name in own else name): values for name, values in keys.items()} | dict(own)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def meaning(kind: TaskKind, description: str, cutoff: Instant) -> str:
    """What the scores say, in one line."""
    what = {
        TaskKind.BINARY: "probability",
        TaskKind.REGRESSION: "expected value",
        TaskKind.MULTICLASS: "most likely class",
    }[kind]
    return f"{what} as of {format_instant(cutoff)}. {description}"
