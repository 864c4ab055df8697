"""Everything that was found out about a database, as rows for the command line and the notebook to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foretell.schema.model import Evidence, Origin, Schema


@dataclass(frozen=True)
class Finding:
    """One statement about the database: which table, what kind, the statement, and why it is believed."""

    table: str
    kind: str  # 'key', 'time', 'link', 'type'
    item: str
    evidence: Evidence

    @property
    def confidence(self) -> float:
        return self.evidence.confidence

    @property
    def is_guess(self) -> bool:
        return self.evidence.origin is Origin.INFERRED

    @property
    def reasons(self) -> str:
        return "; ".join(self.evidence.reasons) or self.evidence.origin.value


def findings(schema: Schema, *, types: bool = False) -> tuple[Finding, ...]:
    """Keys, times and links of every table that is not ignored, in the schema's order; `types` adds columns.

    >>> from foretell.schema.model import Table
    >>> [f.item for f in findings(Schema((Table("t", (), ("id",)),)))]
    ['id']
    """
    return tuple(_findings(schema, types))


def _findings(schema: Schema, types: bool) -> Iterator[Finding]:
    for table in schema.tables:
        if table.ignored:
            continue
        if table.primary_key:
            key = table.key_evidence or Evidence(Origin.DECLARED)
            yield Finding(table.name, "key", ", ".join(table.primary_key), key)
        if table.time_column is not None:
            time = table.time_evidence or Evidence(Origin.DECLARED)
            yield Finding(table.name, "time", table.time_column, time)
        for link in schema.links_up(table.name):
            columns = ", ".join(link.child_columns)
            target = f"{link.parent}.{'+'.join(link.parent_columns)}"
            yield Finding(table.name, "link", f"{columns} → {target}", link.evidence)
        if types:
            for column in table.columns:
                if not column.ignored:
                    yield Finding(table.name, "type", f"{column.name}: {column.semantic}", column.evidence)
