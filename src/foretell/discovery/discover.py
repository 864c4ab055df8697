"""From a working copy to a proposed schema: measure, then keys, links, times, types and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant
from foretell.discovery.keys import Key, find_keys
from foretell.discovery.links import LinkFinder
from foretell.discovery.profile import TableFacts, measure
from foretell.discovery.times import TimeChoice, find_time
from foretell.discovery.types import semantic_type
from foretell.discovery.warnings import table_warnings
from foretell.schema.model import DECLARED, Column, Evidence, Link, Origin, Schema, Semantic, Table
from foretell.schema.toml import CONFIGURED, Config, TableConfig, apply
from foretell.store import Store


def discover(
    store: Store, *, config: Config | None = None, progress: Progress = QUIET, now: Instant | None = None
) -> Schema:
    """The schema of a working copy: configured beats declared, declared beats inferred.

    Link columns that are stored as text where the key is a number (or the other way) are converted in the
    store, if every value survives. `now` is what "in the future" is measured from; without it nothing is.

    >>> import pyarrow as pa
    >>> from foretell.sources.frames import FramesSource
    >>> customers = pa.table({"customer_id": [1, 2, 3]})
    >>> orders = pa.table({"order_id": [7, 8, 9], "customer_id": [1, 1, 3]})
    >>> with Store.load(FramesSource({"customers": customers, "orders": orders}).snapshot()) as store:
    ...     print(discover(store).links[0])
    orders.customer_id → customers.customer_id
    """
    config = config or Config()
    apply(_bare(store), Config(config.timezone, config.tables))  # refuses unknown names before any work
    facts = measure(store, progress)
    ignored = _ignored(facts, config)
    notes: list[str] = list(store.notes)
    progress.stage("finding keys, links and times")

    in_use = {n: f for n, f in facts.items() if not _settings(config, n).ignore}
    keys = find_keys(store, in_use, _given_keys(in_use, config), ignored)
    finder = LinkFinder(store, in_use, keys)
    links = finder.find(_declared_links(in_use), ignored | _configured_links(config))
    notes += finder.notes

    no_key = Key((), Evidence(Origin.INFERRED, 0.0, ("ignored",)))
    tables = []
    for name, table in facts.items():
        key = keys.get(name, no_key)
        choice = TimeChoice(None, None)
        if name in in_use:
            choice = find_time(store, table, ignored, _formats(config, name))
            if _settings(config, name).time is None:
                notes += choice.notes
        linked = {c for k in links if k.child == name for c in k.child_columns}
        tables.append(_table(table, key, choice, linked))
    schema = apply(Schema(tuple(tables), links, config.timezone), config)
    schema = _check_configured(store, schema, facts, notes)

    if not any(f.stored.raw.primary_key or f.stored.raw.foreign_keys for f in facts.values()):
        notes.append(
            "the database declares no keys: all keys and links below are guesses from names and data"
        )
    for table_model in schema.tables:
        if table_model.ignored:
            continue
        notes += table_warnings(store, facts[table_model.name], table_model, now)
        if not schema.is_timed(table_model.name):
            notes.append(f"{table_model.name} has no time column: its rows count as always known")
        elif table_model.time_column is None:
            hops, column = schema.time_path(table_model.name) or ((), "")
            notes.append(
                f"{table_model.name} has no time column: its rows count as known from "
                f"{hops[-1].end}.{column} on"
            )
    return Schema(schema.tables, schema.links, schema.timezone, tuple(dict.fromkeys(notes)))


def _settings(config: Config, table: str) -> TableConfig:
    return config.tables.get(table, TableConfig())


def _bare(store: Store) -> Schema:
    return Schema(
        tuple(
            Table(t.name, tuple(Column(c, d, Semantic.TEXT) for c, d in t.dtypes.items()))
            for t in store.tables.values()
        )
    )


def _ignored(facts: Mapping[str, TableFacts], config: Config) -> frozenset[tuple[str, str]]:
    return frozenset(
        (name, column)
        for name, table in facts.items()
        for column in table.columns
        if column in _settings(config, name).ignore_columns
        or (column in _settings(config, name).columns and _settings(config, name).columns[column].ignore)
    )


def _given_keys(facts: Mapping[str, TableFacts], config: Config) -> dict[str, Key]:
    given = {}
    for name, table in facts.items():
        configured, declared = _settings(config, name).primary_key, table.stored.raw.primary_key
        if configured is not None:
            given[name] = Key(configured, CONFIGURED)
        elif declared:
            given[name] = Key(declared, DECLARED)
    return given


def _declared_links(facts: Mapping[str, TableFacts]) -> list[Link]:
    return [
        Link(name, key.columns, key.parent, key.parent_columns)
        for name, table in facts.items()
        for key in table.stored.raw.foreign_keys
        if key.parent in facts
    ]


def _configured_links(config: Config) -> frozenset[tuple[str, str]]:
    """Columns whose link is set by hand; both readings of a dotted name are kept out of the search."""
    pairs = set()
    for link in config.links:
        if not link.ignore and len(link.child) == 1:
            text = link.child[0]
            pairs |= {(text[:i], text[i + 1 :]) for i, c in enumerate(text) if c == "."}
    return frozenset(pairs)


def _formats(config: Config, table: str) -> dict[str, str | None]:
    settings = _settings(config, table)
    found = {n: c.time_format for n, c in settings.columns.items() if c.time_format is not None}
    return dict(found)


def _table(table: TableFacts, key: Key, choice: TimeChoice, linked: set[str]) -> Table:
    raw = {c.name: c for c in table.stored.raw.columns}
    columns = []
    for facts in table.columns.values():
        semantic, evidence = semantic_type(
            table,
            facts,
            is_time=facts.name in choice.formats,
            is_key=facts.name in key.columns,
            is_link=facts.name in linked,
        )
        columns.append(
            Column(
                facts.name,
                facts.dtype,
                semantic,
                native=_native(raw[facts.name].native, facts.name in table.stored.zoned),
                nullable=raw[facts.name].nullable,
                time_format=choice.formats.get(facts.name),
                distinct=facts.distinct,
                null_fraction=round(facts.null_fraction, 6),
                evidence=evidence,
            )
        )
    return Table(
        table.name,
        tuple(columns),
        key.columns,
        choice.column,
        rows=table.rows,
        key_evidence=key.evidence,
        time_evidence=choice.evidence,
    )


def _native(declared: str, zoned: bool) -> str:
    """The type in the database's own words, and that its times came with a zone where they do not say so."""
    said = any(word in declared.lower() for word in ("with time zone", "timestamptz", "tz="))
    return f"{declared} with time zone".strip() if zoned and not said else declared


def _check_configured(
    store: Store, schema: Schema, facts: Mapping[str, TableFacts], notes: list[str]
) -> Schema:
    """Links set by hand, measured; keys of two types are brought to one, or refused."""
    keys = {t.name: Key(t.primary_key, t.key_evidence or CONFIGURED) for t in schema.tables}
    by_hand = [k for k in schema.links if k.evidence.origin is Origin.CONFIGURED]
    if not by_hand:
        return schema
    finder = LinkFinder(store, facts, keys)
    measured = {k.name: k for k in finder.check(by_hand)}
    notes += finder.notes
    tables = tuple(
        replace(
            t,
            columns=tuple(replace(c, dtype=facts[t.name].columns[c.name].dtype) for c in t.columns),
        )
        for t in schema.tables
    )
    return replace(schema, tables=tables, links=tuple(measured.get(k.name, k) for k in schema.links))
