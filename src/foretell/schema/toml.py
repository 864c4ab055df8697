"""foretell.toml: what a person says about the database, written, read and applied over what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from foretell.core.errors import ConfigError, UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Offset, parse_span
from foretell.schema.breadth import DEFAULT, Breadth, FeatureSettings, windows_of
from foretell.schema.model import Column, Evidence, Link, Origin, Schema, Semantic, Table

CONFIGURED = Evidence(Origin.CONFIGURED)
TIME_FORMATS = ("iso", "s", "ms", "us")
NONE = ""
"""`time = ""` and `primary_key = []` say that a table has none."""


@dataclass(frozen=True)
class ColumnConfig:
    """What is set for one column; None: left as found."""

    type: Semantic | None = None
    known_at: str | None = None
    ignore: bool | None = None
    time_format: str | None = None


@dataclass(frozen=True)
class TableConfig:
    """What is set for one table; None: left as found."""

    primary_key: tuple[str, ...] | None = None
    time: str | None = None
    end_time: str | None = None
    available_after: Offset | None = None
    ignore: bool | None = None
    ignore_columns: tuple[str, ...] = ()
    columns: Mapping[str, ColumnConfig] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkConfig:
    """A link that is added, or with `ignore` one that is taken away. Each side: 'table.column' texts."""

    child: tuple[str, ...]
    parent: tuple[str, ...] = ()
    ignore: bool = False


@dataclass(frozen=True)
class Config:
    """A whole foretell.toml."""

    timezone: str | None = None
    tables: Mapping[str, TableConfig] = field(default_factory=dict)
    links: tuple[LinkConfig, ...] = ()
    features: FeatureSettings = DEFAULT
    renamed: Mapping[str, str] = field(default_factory=dict)  # from what it is called to what it was


def read(text: str) -> Config:
    """The settings in a foretell.toml.

    >>> read('[tables.orders]\\ntime = "placed_at"').tables["orders"].time
    'placed_at'
    >>> read('[tables.orders]\\ntiem = "placed_at"')
    Traceback (most recent call last):
    foretell.core.errors.ConfigError: tables.orders.tiem: no such setting
    did you mean 'time'?
    """
    try:
        found = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise ConfigError(f"foretell.toml is not valid TOML: {error}") from None
    _known(found, ("timezone", "features", "tables", "links", "renamed"), "")
    timezone = _text(found, "timezone", "")
    if timezone is not None:
        _check_zone(timezone)
    tables = _mapping(found, "tables", "")
    links = found.get("links", [])
    if not isinstance(links, list):
        raise ConfigError("links: found no list, expected [[links]] entries")
    return Config(
        timezone,
        {name: _read_table(_mapping(tables, name, "tables"), f"tables.{name}") for name in tables},
        tuple(_read_link(link, f"links[{i}]") for i, link in enumerate(links)),
        _read_features(_mapping(found, "features", "")),
        _read_renamed(_mapping(found, "renamed", "")),
    )


def _read_renamed(found: Mapping[str, Any]) -> Mapping[str, str]:
    """New names and the old: of tables, and of columns as 'table.column' with the old name of the column."""
    names = {name: _text(found, name, "renamed") or "" for name in found}
    empty = [n for n, was in names.items() if not was]
    if empty:
        raise ConfigError(f"renamed.{empty[0]}: found nothing, expected the name that it had")
    return names


def apply(schema: Schema, config: Config) -> Schema:
    """The schema as corrected: configured beats declared, declared beats inferred."""
    names = [t.name for t in schema.tables]
    for name in config.tables:
        if name not in names:
            raise ConfigError(f"tables.{name}: no such table", mend=did_you_mean(name, names))
    tables = tuple(
        _apply_table(t, config.tables[t.name]) if t.name in config.tables else t for t in schema.tables
    )
    corrected = replace(schema, tables=tables, links=(), timezone=config.timezone or schema.timezone)
    links = {k.name: k for k in schema.links}
    for i, setting in enumerate(config.links):
        path = f"links[{i}]"
        child, own = _side(corrected, setting.child, f"{path}.child")
        name = f"{child}.{'+'.join(own)}"
        if setting.ignore:
            if name not in links:
                raise ConfigError(
                    f"{path}: there is no link {name!r} to ignore", mend=did_you_mean(name, list(links))
                )
            del links[name]
            continue
        parent, keys = _side(corrected, setting.parent, f"{path}.parent")
        if len(own) != len(keys):
            raise ConfigError(f"{path}: child names {len(own)} columns and parent {len(keys)}")
        links[name] = Link(child, own, parent, keys, CONFIGURED)
    return replace(corrected, links=tuple(links.values()))


def write(schema: Schema, features: FeatureSettings = DEFAULT) -> str:
    """The schema as a foretell.toml; each thing that was inferred carries its evidence as a comment.

    Of the features' settings, those that are not the defaults.

    >>> from foretell.schema.model import DType
    >>> table = Table("t", (Column("id", DType.INTEGER, Semantic.IDENTIFIER),), ("id",))
    >>> read(write(Schema((table,)))).tables["t"].primary_key
    ('id',)
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("What foretell believes about this database. Correct what is wrong;"))
    document.add(tomlkit.comment("delete a line, and it is found anew."))
    document.add(tomlkit.nl())
    if schema.timezone is not None:
        document.add("timezone", schema.timezone)
    if features != DEFAULT:
        document.add("features", _write_features(features))
    tables = tomlkit.table(is_super_table=True)
    for table in schema.tables:
        tables.add(table.name, _write_table(table))
    document.add("tables", tables)
    if schema.links:
        links = tomlkit.aot()
        for link in schema.links:
            links.append(_write_link(link))
        document.add("links", links)
    return tomlkit.dumps(document)


# Reading

_TABLE_KEYS = ("primary_key", "time", "end_time", "available_after", "ignore", "columns")
_COLUMN_KEYS = ("type", "known_at", "ignore", "time_format")
_LINK_KEYS = ("child", "parent", "ignore")
_FEATURE_KEYS = ("breadth", "budget", "windows", "include", "exclude")


def _read_features(found: Mapping[str, Any]) -> FeatureSettings:
    _known(found, _FEATURE_KEYS, "features")
    breadth = _one_of(found, "breadth", [b.value for b in Breadth], "features")
    budget = found.get("budget")
    if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
        raise ConfigError(f"features.budget: found {budget!r}, expected a whole number of at least 1")
    windows = _texts(found, "windows", "features")
    try:
        return FeatureSettings(
            Breadth.STANDARD if breadth is None else Breadth(breadth),
            budget,
            () if windows is None else windows_of(windows),
            _texts(found, "include", "features") or (),
            _texts(found, "exclude", "features") or (),
        )
    except ConfigError as error:
        raise ConfigError(f"features.windows: {error.message}", mend=error.mend) from None


def _read_table(found: Mapping[str, Any], path: str) -> TableConfig:
    _known(found, _TABLE_KEYS, path)
    ignore = found.get("ignore")
    ignored: tuple[str, ...] = ()
    if isinstance(ignore, list):
        ignore, ignored = None, _texts(found, "ignore", path) or ()
    elif ignore is not None and not isinstance(ignore, bool):
        raise ConfigError(f"{path}.ignore: found {ignore!r}, expected true, false or a list of columns")
    columns = _mapping(found, "columns", path)
    return TableConfig(
        primary_key=_texts(found, "primary_key", path),
        time=_text(found, "time", path),
        end_time=_text(found, "end_time", path),
        available_after=_offset(found, "available_after", path),
        ignore=ignore,
        ignore_columns=ignored,
        columns={
            n: _read_column(_mapping(columns, n, f"{path}.columns"), f"{path}.columns.{n}") for n in columns
        },
    )


def _read_column(found: Mapping[str, Any], path: str) -> ColumnConfig:
    _known(found, _COLUMN_KEYS, path)
    kind = _one_of(found, "type", [s.value for s in Semantic], path)
    ignore = found.get("ignore")
    if ignore is not None and not isinstance(ignore, bool):
        raise ConfigError(f"{path}.ignore: found {ignore!r}, expected true or false")
    return ColumnConfig(
        type=None if kind is None else Semantic(kind),
        known_at=_text(found, "known_at", path),
        ignore=ignore,
        time_format=_one_of(found, "time_format", TIME_FORMATS, path),
    )


def _read_link(found: Any, path: str) -> LinkConfig:
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: found {found!r}, expected child and parent")
    _known(found, _LINK_KEYS, path)
    child, parent = _texts(found, "child", path), _texts(found, "parent", path)
    ignore = found.get("ignore", False)
    if not isinstance(ignore, bool):
        raise ConfigError(f"{path}.ignore: found {ignore!r}, expected true or false")
    if not child or not (parent or ignore):
        raise ConfigError(
            f"{path}: expected a child and a parent",
            mend='child = "orders.customer_id", parent = "customers.customer_id"',
        )
    return LinkConfig(child, parent or (), ignore)


def _known(found: Mapping[str, Any], keys: Sequence[str], path: str) -> None:
    for key in found:
        if key not in keys:
            raise ConfigError(
                f"{path}{'.' if path else ''}{key}: no such setting", mend=did_you_mean(key, list(keys))
            )


def _mapping(found: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    value = found.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}{'.' if path else ''}{key}: found {value!r}, expected a table of settings")
    return value


def _text(found: Mapping[str, Any], key: str, path: str) -> str | None:
    value = found.get(key)
    if value is False and key in ("time", "end_time"):
        return NONE
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{path}{'.' if path else ''}{key}: found {value!r}, expected text")
    return value


def _texts(found: Mapping[str, Any], key: str, path: str) -> tuple[str, ...] | None:
    value = found.get(key)
    if value is None:
        return None
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"{path}.{key}: found {value!r}, expected a name or a list of names")
    return tuple(value)


def _one_of(found: Mapping[str, Any], key: str, allowed: Sequence[str], path: str) -> str | None:
    value = _text(found, key, path)
    if value is not None and value not in allowed:
        raise ConfigError(f"{path}.{key}: found {value!r}", mend=did_you_mean(value, list(allowed)))
    return value


def _offset(found: Mapping[str, Any], key: str, path: str) -> Offset | None:
    text = _text(found, key, path)
    if text is None:
        return None
    try:
        return parse_span(text)
    except UsageError as error:
        raise ConfigError(f"{path}.{key}: {error.message}", mend=error.mend) from None


def _check_zone(name: str) -> None:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f"timezone: found {name!r}, expected a zone such as 'Europe/Berlin'",
            mend=did_you_mean(name, sorted(available_timezones())),
        ) from None


# Applying


def _apply_table(table: Table, config: TableConfig) -> Table:
    path = f"tables.{table.name}"
    names = [c.name for c in table.columns]

    def known(column: str, setting: str) -> str:
        if column not in names:
            raise ConfigError(f"{path}.{setting}: no column {column!r}", mend=did_you_mean(column, names))
        return column

    for column in config.columns:
        known(column, "columns")
    ignored = {known(c, "ignore") for c in config.ignore_columns}
    columns = tuple(
        _apply_column(c, config.columns.get(c.name, ColumnConfig()), c.name in ignored, known)
        for c in table.columns
    )
    changed = replace(table, columns=columns)
    if config.primary_key is not None:
        key = tuple(known(c, "primary_key") for c in config.primary_key)
        changed = replace(changed, primary_key=key, key_evidence=CONFIGURED)
    if config.time is not None:
        time = known(config.time, "time") if config.time else None
        changed = replace(changed, time_column=time, time_evidence=CONFIGURED if time else None)
        columns = tuple(replace(c, semantic=Semantic.TIME) if c.name == time else c for c in changed.columns)
        changed = replace(changed, columns=columns)
    if config.end_time is not None:
        changed = replace(changed, end_time=known(config.end_time, "end_time") if config.end_time else None)
    if config.available_after is not None:
        changed = replace(changed, available_after=config.available_after)
    if config.ignore is not None:
        changed = replace(changed, ignored=config.ignore)
    return changed


def _apply_column(column: Column, config: ColumnConfig, ignored: bool, known: Any) -> Column:
    if config.type is not None:
        column = replace(column, semantic=config.type, evidence=CONFIGURED)
    if config.time_format is not None:
        column = replace(column, semantic=Semantic.TIME, time_format=config.time_format, evidence=CONFIGURED)
    if config.known_at is not None:
        column = replace(column, known_at=known(config.known_at, f"columns.{column.name}.known_at"))
    if config.ignore is not None or ignored:
        column = replace(column, ignored=ignored or bool(config.ignore))
    return column


def _side(schema: Schema, texts: Iterable[str], path: str) -> tuple[str, tuple[str, ...]]:
    """The table and columns that 'table.column' texts name; table names may hold dots themselves."""
    table, columns = "", []
    for text in texts:
        cuts = [i for i, c in enumerate(text) if c == "."]
        fits = [i for i in cuts if schema.has(text[:i])]
        if not fits:
            name = text.rpartition(".")[0] or text
            mend = did_you_mean(name, [t.name for t in schema.tables])
            raise ConfigError(f"{path}: no table {name!r}", mend=mend)
        sound = [i for i in fits if schema.table(text[:i]).has(text[i + 1 :])]
        if not sound:
            found = schema.table(text[: fits[-1]])
            column = text[fits[-1] + 1 :]
            mend = did_you_mean(column, [c.name for c in found.columns])
            raise ConfigError(f"{path}: table {found.name!r} has no column {column!r}", mend=mend)
        if table and text[: sound[-1]] != table:
            raise ConfigError(f"{path}: names two tables, {table!r} and {text[: sound[-1]]!r}")
        table = text[: sound[-1]]
        columns.append(text[sound[-1] + 1 :])
    return table, tuple(columns)


# Writing


def _write_features(features: FeatureSettings) -> Any:
    out = tomlkit.table()
    if features.breadth is not Breadth.STANDARD:
        out.add("breadth", features.breadth.value)
    if features.budget is not None:
        out.add("budget", features.budget)
    for key, texts in (
        ("windows", [str(w) for w in features.windows]),
        ("include", list(features.include)),
        ("exclude", list(features.exclude)),
    ):
        if texts:
            out.add(key, texts)
    return out


def _write_table(table: Table) -> Any:
    out = tomlkit.table()
    if table.ignored:
        out.add("ignore", True)
    out.add("primary_key", list(table.primary_key))
    _explain(out, "primary_key", table.key_evidence)
    out.add("time", table.time_column or NONE)
    _explain(out, "time", table.time_evidence)
    if table.end_time is not None:
        out.add("end_time", table.end_time)
    if table.available_after is not None:
        out.add("available_after", str(table.available_after))
    columns = tomlkit.table(is_super_table=True)
    for column in table.columns:
        entry = tomlkit.inline_table()
        entry.append("type", column.semantic.value)
        if column.known_at is not None:
            entry.append("known_at", column.known_at)
        if column.time_format is not None:
            entry.append("time_format", column.time_format)
        if column.ignored:
            entry.append("ignore", True)
        columns.add(column.name, entry)
        _explain(columns, column.name, column.evidence)
    columns_table = tomlkit.table()
    for key, item in columns.items():
        columns_table.add(key, item)
    out.add("columns", columns_table)
    return out


def _write_link(link: Link) -> Any:
    out = tomlkit.table()
    for side, table, columns in (
        ("child", link.child, link.child_columns),
        ("parent", link.parent, link.parent_columns),
    ):
        texts = [f"{table}.{c}" for c in columns]
        out.add(side, texts[0] if len(texts) == 1 else texts)
    _explain(out, "child", link.evidence)
    return out


def _explain(container: Any, key: str, evidence: Evidence | None) -> None:
    if evidence is not None:
        clean = "".join(c if c.isprintable() else " " for c in str(evidence))
        container[key].comment(clean)
