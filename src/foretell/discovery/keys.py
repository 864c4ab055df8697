"""Primary keys: checked where declared, else found by uniqueness, name, type and place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from foretell.core.errors import SchemaError
from foretell.core.text import plural
from foretell.discovery.names import (
    FREE_TEXT,
    alike_words,
    entity,
    initials,
    says_key,
    singular,
    stem,
    vocabulary,
    words,
)
from foretell.discovery.profile import ColumnFacts, TableFacts, are_dense, is_unique
from foretell.discovery.times import epoch_unit
from foretell.schema.model import DType, Evidence, Origin
from foretell.sources.naming import quote
from foretell.store import Store

KEY_LENGTH = 64
"""Text with values longer than this is prose, not a key."""
COMPOSITE_WIDTH = 3
COMPOSITE_TRIES = 60
NEARLY_UNIQUE = 0.9
"""A column with more distinct values than this makes any pair unique, and proves nothing."""
EXPECTED_CLASHES = 3.0
"""If the columns were independent, so many rows would clash; that none does is then evidence of a key."""
COUNTER = vocabulary(
    "line number no nr seq sequence position pos index ordinal item step lap rank revision version"
)


@dataclass(frozen=True)
class Key:
    """A primary key and why it is believed; no columns: the table has none."""

    columns: tuple[str, ...]
    evidence: Evidence


_SAID = {
    Origin.DECLARED: "declared by the database",
    Origin.CONFIGURED: "set in foretell.toml",
    Origin.INFERRED: "found in the data it was inferred from",
}


def verify_key(store: Store, table: str, columns: tuple[str, ...], evidence: Evidence) -> None:
    """Refuse a declared or configured key that the data contradict."""
    dtypes = store.tables[table].dtypes
    if len(columns) == 1 and dtypes[columns[0]] is DType.INTEGER and are_dense(store, table, columns[0]):
        return
    said = _SAID[evidence.origin]
    names = ", ".join(quote(c) for c in columns)
    where = " OR ".join(f"{quote(c)} IS NULL" for c in columns)
    shown = f"{table}.{'+'.join(columns)}"
    run = store.connection.execute
    nulls = run(f"SELECT count(*) FROM {quote(table)} WHERE {where}").fetchall()[0][0]
    if nulls:
        examples = run(f"SELECT * FROM {quote(table)} WHERE {where} LIMIT 3").fetchall()
        raise SchemaError(
            f"the key {shown}, {said}, is NULL in {plural(nulls, 'row')}",
            examples=examples,
            mend=f"delete or fill these rows, or set another primary_key for {table!r} in foretell.toml",
            table=table,
            count=nulls,
        )
    again = f"SELECT {names}, count(*) FROM {quote(table)} GROUP BY {names} HAVING count(*) > 1"
    twice = run(f"SELECT count(*) FROM ({again})").fetchall()[0][0]
    if twice:
        found = run(f"{again} ORDER BY {names} LIMIT 3").fetchall()
        raise SchemaError(
            f"the key {shown}, {said}, is not unique: {plural(twice, 'value')} "
            f"{'appears' if twice == 1 else 'appear'} more than once",
            examples=[r[0] if len(columns) == 1 else r[:-1] for r in found],
            mend=f"remove the duplicates, or set another primary_key for {table!r} in foretell.toml",
            table=table,
            count=twice,
        )


def find_keys(
    store: Store,
    facts: Mapping[str, TableFacts],
    given: Mapping[str, Key],
    ignored: frozenset[tuple[str, str]],
) -> dict[str, Key]:
    """A key for every table: those `given` are verified, the others are looked for."""
    keys: dict[str, Key] = {}
    for name in facts:
        if name in given:
            if given[name].columns:
                verify_key(store, name, given[name].columns, given[name].evidence)
            keys[name] = given[name]
    mentions = _mentions(facts)
    for name, table in facts.items():
        if name not in keys:
            single = _single(store, table, mentions, ignored)
            if single is not None:
                keys[name] = single
    known = {k.columns[0] for k in keys.values() if len(k.columns) == 1}
    for name, table in facts.items():
        if name not in keys:
            keys[name] = _composite(store, table, known, ignored) or Key(
                (), Evidence(Origin.INFERRED, 0.5, ("no column or pair of columns is unique",))
            )
    return keys


def _mentions(facts: Mapping[str, TableFacts]) -> dict[str, int]:
    """In how many tables a column name appears."""
    found: dict[str, int] = {}
    for table in facts.values():
        for column in table.columns:
            found[column.casefold()] = found.get(column.casefold(), 0) + 1
    return found


def _can_be_key(column: ColumnFacts) -> bool:
    if column.dtype is DType.INTEGER and epoch_unit(column) is not None:
        return False
    if column.dtype is DType.TEXT:
        return 0 < column.longest <= 4 * KEY_LENGTH and column.mean_length <= KEY_LENGTH
    return column.dtype is DType.INTEGER


def _single(
    store: Store, table: TableFacts, mentions: Mapping[str, int], ignored: frozenset[tuple[str, str]]
) -> Key | None:
    rated = []
    for position, column in enumerate(table.columns.values()):
        if (table.name, column.name) in ignored or not _can_be_key(column) or column.nulls or not table.rows:
            continue
        if column.distinct < 0.9 * table.rows:
            continue
        score, reasons = rate_key_name(table, column, position, mentions.get(column.name.casefold(), 1))
        rated.append((score, -position, column.name, reasons))
    rated.sort(key=lambda r: (-r[0], -r[1]))
    for score, _, name, reasons in rated:
        if score <= 0:
            break
        if is_unique(store, table.name, (name,), table.rows):
            confidence = min(0.99, 0.6 + 0.13 * score)
            return Key((name,), Evidence(Origin.INFERRED, confidence, ("unique, never NULL", *reasons)))
    return None


def rate_key_name(
    table: TableFacts, column: ColumnFacts, position: int, mentions: int
) -> tuple[float, tuple[str, ...]]:
    """How much a unique column looks like the key of its table, and why."""
    bare, reasons, score = table.bare(column.name), [], 0.0
    said = words(bare)
    base, thing = stem(bare), entity(table.name)
    if said in (("id",), ("pk",), ("key",), ("uuid",), ("guid",), ("uid",), ("row", "id"), ("rowid",)):
        score, why = 3.0, "named as a key"
    elif _names_the_table(base, thing) or (says_key(bare) and initials(thing) in ("".join(base), said[0])):
        score, why = (3.0 if base != tuple(singular(w) for w in said) else 2.2), "named like the table"
    elif says_key(bare):
        score, why = 2.0, "named as a key"
    elif base != tuple(singular(w) for w in said) or said[-1] in ("code", "number", "no", "nr"):
        score, why = 1.3, "named as a code"
    else:
        score, why = 0.0, ""
    reasons += [why] if why else []
    if position == 0:
        score += 1.0
        reasons.append("the first column")
    elif position <= 2:
        score += 0.2
    if mentions > 1:
        score += 0.7
        reasons.append(f"also a column of {plural(mentions - 1, 'other table')}")
    if column.dtype is DType.TEXT:
        score += 0.2 if column.mean_length <= 24 else -0.8
    if score < 2.5 and set(said) & FREE_TEXT:
        score -= 1.5
    return score, tuple(reasons)


def _names_the_table(base: tuple[str, ...], thing: tuple[str, ...]) -> bool:
    """Whether a column's stem is the table's entity, or its last word ('history_id' of 'post_history')."""
    return max(alike_words(base, thing), alike_words(base, thing[-1:])) >= 0.75


def _is_counter(bare: str) -> bool:
    """A number that counts within a parent: line_no, linenumber, seq, position."""
    said = set(words(bare))
    return bool(said & COUNTER) or stem(bare) != tuple(singular(w) for w in words(bare))


def _composite(
    store: Store, table: TableFacts, known: set[str], ignored: frozenset[tuple[str, str]]
) -> Key | None:
    """The smallest set of columns that is unique; references first, then a time, then other codes."""
    rated = []
    for position, column in enumerate(table.columns.values()):
        if (table.name, column.name) in ignored or column.nulls or column.distinct < 2 or not table.rows:
            continue
        if column.distinct > NEARLY_UNIQUE * table.rows:
            continue
        if column.dtype is DType.TIMESTAMP:
            score = 1.5
        elif not _can_be_key(column):
            continue
        elif column.name in known:
            score = 3.0
        elif says_key(table.bare(column.name)):
            score = 2.5
        else:
            score = 1.0 if column.dtype is DType.TEXT else 0.7
            score += 0.8 if _is_counter(table.bare(column.name)) else 0.0
            score -= 0.5 if set(words(column.name)) & FREE_TEXT else 0.0
        rated.append((score - 0.05 * position, column))
    rated.sort(key=lambda r: -r[0])
    tries = 0
    for width in range(2, COMPOSITE_WIDTH + 1):
        sets = sorted(combinations(rated[:10], width), key=lambda s: -sum(r[0] for r in s))
        for chosen in sets:
            product = math.prod(column.distinct * 1.1 for _, column in chosen)
            if product < table.rows or tries >= COMPOSITE_TRIES:
                continue
            references = all(score > 2.0 for score, _ in chosen)
            if not references and table.rows**2 / (2 * product) < EXPECTED_CLASHES:
                continue
            tries += 1
            names = {c.name for _, c in chosen}
            columns = tuple(c for c in table.columns if c in names)
            if is_unique(store, table.name, columns, table.rows):
                return Key(
                    columns,
                    Evidence(
                        Origin.INFERRED,
                        0.85 if width == 2 else 0.75,
                        ("unique together, never NULL", "no single column is a key"),
                    ),
                )
    return None
