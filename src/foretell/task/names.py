"""Names in a query resolved against the schema, with the nearest name where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foretell.core.errors import QueryError
from foretell.core.text import did_you_mean, nearest
from foretell.query import ast
from foretell.query.format import format_name
from foretell.schema.model import Column, Schema, Table


@dataclass(frozen=True)
class Names:
    """The schema as a query sees it: ignored tables and columns are not there. `text` is for the carets."""

    schema: Schema
    text: str

    def error(self, message: str, span: ast.Span, mend: str | None = None) -> QueryError:
        return QueryError(message, text=self.text, start=span[0], end=span[1], mend=mend)

    def part(self, name: str, span: ast.Span, *, last: bool) -> ast.Span:
        """Where `name` itself stands at an end of a dotted name; the whole where it is quoted."""
        start, end = span
        if last and self.text[start:end].endswith(name):
            return end - len(name), end
        if not last and self.text.startswith(name, start):
            return start, start + len(name)
        return span

    def table(self, name: str, span: ast.Span, namespace: str = "") -> Table:
        """The table of this name; letter case is forgiven where only one table fits."""
        tables = self.schema.tables
        for wanted in ([f"{namespace}.{name}"] if namespace else []) + [name]:
            found = _fitting(wanted, [t.name for t in tables])
            if found is not None:
                table = self.schema.table(found)
                if table.ignored:
                    raise self.error(
                        f"table {table.name!r} is ignored in foretell.toml",
                        span,
                        "take it off `ignore` there",
                    )
                return table
        raise self.error(
            f"no table {name!r}",
            self.part(name, span, last=False),
            did_you_mean(name, [t.name for t in tables if not t.ignored]),
        )

    def column(self, table: Table, name: str, span: ast.Span) -> Column:
        """The column of this name in `table`."""
        found = _fitting(name, [c.name for c in table.columns])
        if found is None:
            part = self.part(name, span, last=True)
            raise self.error(
                f"table {table.name!r} has no column {name!r}", part, self._column_mend(table, name)
            )
        column = table.column(found)
        if column.ignored:
            raise self.error(
                f"column {table.name}.{column.name} is ignored in foretell.toml",
                span,
                "take it off `ignore` there",
            )
        return column

    def _column_mend(self, table: Table, name: str) -> str:
        shown = [c.name for c in table.columns if not c.ignored]
        if nearest(name, shown) is None:
            others = [
                f"{format_name(t.name)}.{format_name(name)}"
                for t in self.schema.tables
                if not t.ignored and t is not table and t.has(name)
            ]
            if others:
                return "there is " + ", ".join(others[:3])
        return did_you_mean(name, shown)


def _fitting(name: str, candidates: Sequence[str]) -> str | None:
    """The candidate equal to `name`, else the only one that is equal but for letter case."""
    if name in candidates:
        return name
    same = [c for c in candidates if c.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None
