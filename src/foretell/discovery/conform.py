"""A later snapshot under an earlier schema: what changed is refused or noted, and links compare again."""

from __future__ import annotations

from foretell.core.errors import SchemaError
from foretell.core.text import listing
from foretell.discovery.keys import Key, verify_key
from foretell.discovery.links import LinkFinder
from foretell.discovery.profile import unmeasured
from foretell.discovery.renamed import missing_column, missing_table
from foretell.schema.model import DType, Evidence, Origin, Schema
from foretell.sources.naming import quote
from foretell.store import Store
from foretell.store.staging import SQL_TYPES


def conform(store: Store, schema: Schema) -> tuple[str, ...]:
    """Bring a fresh store to the types of `schema`, and return notes on what is new.

    A table or column that the schema has and the store lacks is a SchemaError, as is a column whose values do
    not fit its type any more, or a key that is no longer unique. Columns converted when the schema was found
    are converted again.
    """
    notes: list[str] = []
    for table in schema.tables:
        if table.ignored:
            continue
        if table.name not in store.tables:
            raise SchemaError(
                f"table {table.name!r} is missing: it was there when the model was trained",
                mend=missing_table(table, store, schema),
            )
        live = store.tables[table.name].dtypes
        for column in table.columns:
            if column.ignored:
                continue
            if column.name not in live:
                raise SchemaError(
                    f"column {table.name}.{column.name} is missing: it was there when the model was trained",
                    mend=missing_column(table, column, store),
                )
            if live[column.name] is not column.dtype:
                _convert(store, table.name, column.name, column.dtype)
        new = [c for c in live if not table.has(c)]
        if new:
            notes.append(f"{table.name} has new columns, which the model does not use: {listing(new)}")
        if table.primary_key:
            evidence = table.key_evidence or Evidence(Origin.DECLARED)
            verify_key(store, table.name, table.primary_key, evidence)
    extra = [n for n in store.tables if not schema.has(n)]
    if extra:
        notes.append(f"new tables, which the model does not use: {listing(extra)}")
    facts = {t.name: unmeasured(store.tables[t.name]) for t in schema.tables if not t.ignored}
    keys = {t.name: Key(t.primary_key, Evidence(Origin.DECLARED)) for t in schema.tables}
    finder = LinkFinder(store, facts, keys)
    finder.check(schema.active_links)
    return (*notes, *finder.notes)


def _convert(store: Store, table: str, column: str, wanted: DType) -> None:
    """Change a column to the type it had, if that loses nothing."""
    found = store.tables[table].dtypes[column]
    name, target = quote(column), SQL_TYPES[wanted]
    there = f"TRY_CAST({name} AS {'TIMESTAMPTZ' if wanted is DType.TIMESTAMP else target})"
    filled, kept = store.connection.execute(
        f"SELECT count({name}), count({there}) FROM {quote(table)}"
    ).fetchall()[0]
    whole = True
    if found is DType.FLOAT and wanted is DType.INTEGER:
        whole = store.connection.execute(
            f"SELECT coalesce(bool_and({name} = floor({name})), true) FROM {quote(table)}"
        ).fetchall()[0][0]
    if DType.OTHER in (found, wanted) and filled:
        whole = False
    if kept < filled or not whole:
        examples = store.connection.execute(
            f"SELECT DISTINCT {name} FROM {quote(table)} WHERE {name} IS NOT NULL AND {there} IS NULL LIMIT 3"
        ).fetchall()
        raise SchemaError(
            f"the type of {table}.{column} changed: it was {wanted} when the model was trained, "
            f"and is {found} now",
            examples=[e[0] for e in examples],
            mend="train the model again, or restore the column's type",
            table=table,
            column=column,
        )
    store.recast(table, column, wanted)
