"""Links: foreign keys checked where declared, else found by name, containment and fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from foretell.core.errors import SchemaError
from foretell.core.text import listing, plural
from foretell.discovery.alike import NameMatch, match_names
from foretell.discovery.keys import Key
from foretell.discovery.names import FREE_TEXT, alike_words, entity, says_key, stem, words
from foretell.discovery.profile import ColumnFacts, TableFacts, recast
from foretell.schema.model import DType, Evidence, Link, Origin
from foretell.sources.naming import quote
from foretell.store import Store
from foretell.store.staging import SQL_TYPES

STRONG, FAIR = 0.85, 0.6
"""How alike names must be to count as a match of their own, or together with full coverage."""
SURPRISE = 20.0
"""Nats of evidence that a containment is no accident, where names say nothing."""
MISTYPED = 0.5
FEW_TEXTS = 5
"""Fewer distinct texts in a key prove nothing, unless the same table already refers to it."""
SAMPLE_ROWS = 200_000


@dataclass(frozen=True)
class Candidate:
    """One column that may point at one key, measured."""

    child: str
    column: str
    parent: str
    key: str
    name: NameMatch
    coverage: float
    distinct: int
    chance: float  # share of the child's range that the parent's keys fill: coverage by accident
    tight: float  # how much of the parent's range the child's range spans
    used: float  # share of the parent's keys that the child mentions
    cast: DType | None = None

    @property
    def rank(self) -> tuple[float, float, float]:
        near = round(self.coverage, 1) + 0.5 * self.name.score + 0.1 * self.name.same_entity
        return near, self.tight * self.used, self.coverage

    def link(self, confidence: float, *reasons: str, null_fraction: float) -> Link:
        share = f"{self.coverage:.1%} of {plural(self.distinct, 'value')} found in {self.parent}.{self.key}"
        return Link(
            self.child,
            (self.column,),
            self.parent,
            (self.key,),
            Evidence(Origin.INFERRED, round(confidence, 3), (*(r for r in reasons if r), share)),
            coverage=round(self.coverage, 5),
            null_fraction=round(null_fraction, 5),
        )


class LinkFinder:
    """Finds links over one store; `notes` gathers what looked like a link and was not taken."""

    def __init__(self, store: Store, facts: Mapping[str, TableFacts], keys: Mapping[str, Key]) -> None:
        self.store, self.facts, self.keys = store, facts, keys
        self.notes: list[str] = []
        self._values: dict[tuple[str, str], str] = {}
        self._numbers = count()

    def find(
        self, declared: Iterable[Link], taken: frozenset[tuple[str, str]] = frozenset()
    ) -> tuple[Link, ...]:
        """All links. `taken` columns are not looked at: they are ignored, or configured by hand."""
        links = [self._checked(k) for k in declared]
        cautious = bool(links)
        closed = taken | {(k.child, c) for k in links for c in k.child_columns}
        open_columns = [
            (table, column)
            for table in self.facts.values()
            for column in table.columns.values()
            if (table.name, column.name) not in closed and self._may_refer(table, column)
        ]
        rest = []
        for table, column in open_columns:
            link = self._by_name(table, column, cautious)
            if link is not None:
                links.append(link)
            else:
                rest.append((table, column))
        if not cautious:
            for step in (
                self._by_siblings,
                self._by_content,
                self._by_content,
                self._by_namesake,
                self._by_siblings,
            ):
                for table, column in list(rest):
                    link = step(table, column, links)
                    if link is not None:
                        links.append(link)
                        rest.remove((table, column))
            links += self._composites(links)
        self._drop_values()
        for link in links:
            if link.evidence.origin is Origin.INFERRED and link.coverage is not None and link.coverage < 1:
                self._matched(link)
        order = {name: i for i, name in enumerate(self.facts)}
        place = {t: list(f.columns) for t, f in self.facts.items()}
        return tuple(sorted(links, key=lambda k: (order[k.child], place[k.child].index(k.child_columns[0]))))

    def check(self, links: Iterable[Link]) -> tuple[Link, ...]:
        """Links that are given: measured, their columns brought to one type."""
        return tuple(self._checked(k) for k in links)

    # Declared links

    def _checked(self, link: Link) -> Link:
        """A declared link with its coverage; orphans are a note, keys that do not compare an error."""
        child, parent = self.facts[link.child], self.facts[link.parent]
        for own, other in zip(link.child_columns, link.parent_columns):
            self._align(child.columns[own], parent.columns[other], link)
        rows, found = self._matched(link)
        nulls = 1 - rows / child.rows if child.rows else 0.0
        return Link(
            link.child,
            link.child_columns,
            link.parent,
            link.parent_columns,
            link.evidence,
            coverage=round(found / rows, 5) if rows else None,
            null_fraction=round(nulls, 5),
        )

    def _matched(self, link: Link) -> tuple[int, int]:
        """How many rows hold the link's columns, and how many find their parent; a note of the rest."""
        on = " AND ".join(
            f"c.{quote(a)} = p.{quote(b)}" for a, b in zip(link.child_columns, link.parent_columns)
        )
        filled = " AND ".join(f"c.{quote(a)} IS NOT NULL" for a in link.child_columns)
        run, child = self.store.connection.execute, f"{quote(link.child)} c"
        rows = run(f"SELECT count(*) FROM {child} WHERE {filled}").fetchall()[0][0]
        found = run(f"SELECT count(*) FROM {child} SEMI JOIN {quote(link.parent)} p ON {on}").fetchall()[0][0]
        if found < rows:
            self.notes.append(
                f"{link.name}: {plural(rows - found, 'row')} of {rows:,} point at no row of {link.parent} "
                "(deleted there?)"
            )
        return int(rows), int(found)

    def _align(self, own: ColumnFacts, other: ColumnFacts, link: Link) -> None:
        if own.dtype is other.dtype:
            return
        if not self._casts(link.child, own, other):
            raise SchemaError(
                f"the link {link} compares {own.dtype} with {other.dtype}, and not every value converts",
                mend="store both in one type, or remove the link in foretell.toml: "
                f'[[links]] child = "{link.name}", ignore = true',
            )
        recast(self.store, self.facts[link.child], own, other.dtype)

    def _casts(self, child: str, own: ColumnFacts, other: ColumnFacts) -> bool:
        """Whether every value of `own` survives the way to the type of `other` and back."""
        name, there = quote(own.name), f"TRY_CAST({quote(own.name)} AS {SQL_TYPES[other.dtype]})"
        rows, kept = self.store.connection.execute(
            f"SELECT count({name}), count(*) FILTER (WHERE CAST({there} AS {SQL_TYPES[own.dtype]}) = {name}) "
            f"FROM {quote(child)}"
        ).fetchall()[0]
        return bool(rows == kept)

    # Candidates

    def _may_refer(self, table: TableFacts, column: ColumnFacts) -> bool:
        if not column.filled or (
            column.name in self._own_key(table.name) and self._is_surrogate(table, column)
        ):
            return False
        if column.dtype is DType.TEXT:
            return column.longest <= 256
        return column.dtype is DType.INTEGER or (column.dtype is DType.FLOAT and column.whole)

    def _own_key(self, table: str) -> tuple[str, ...]:
        columns = self.keys[table].columns
        return columns if len(columns) == 1 else ()

    def _is_surrogate(self, table: TableFacts, column: ColumnFacts) -> bool:
        """The table's own key, named after itself or after nothing: it refers to no other table."""
        base = stem(table.bare(column.name))
        return not base or base == ("row",) or alike_words(base, entity(table.name)) >= 0.7

    def _candidates(self, table: TableFacts, column: ColumnFacts, least: float) -> list[Candidate]:
        found = []
        for parent in self.facts.values():
            key = self._own_key(parent.name)
            if not key or (parent.name == table.name and key[0] == column.name):
                continue
            target = parent.columns[key[0]]
            if (table.name, column.name) == (table.name, *self._own_key(table.name)) and (
                parent.rows < table.rows or parent.name == table.name
            ):
                continue
            match = match_names(table, column.name, parent, key[0])
            needed = 0.95 if column.name in self._own_key(table.name) else least
            if match.score < needed:
                continue
            candidate = self._measured(table, column, parent, target, match)
            if candidate is not None:
                found.append(candidate)
        return sorted(found, key=lambda c: c.rank, reverse=True)

    def _measured(
        self,
        table: TableFacts,
        column: ColumnFacts,
        parent: TableFacts,
        target: ColumnFacts,
        match: NameMatch,
    ) -> Candidate | None:
        numbers = (DType.INTEGER, DType.FLOAT)
        cast = None
        if (column.dtype in numbers) != (target.dtype in numbers):
            if match.score < STRONG:
                return None
            cast = target.dtype
        elif column.dtype is not target.dtype:
            cast = target.dtype
        if (
            cast is None
            and column.dtype in numbers
            and (column.high < target.low or column.low > target.high)
        ):
            return None
        mine, theirs = self._distinct(table.name, column.name), self._distinct(parent.name, target.name)
        value = f"TRY_CAST(c.v AS {SQL_TYPES[cast]})" if cast else "c.v"
        distinct, hits = self.store.connection.execute(
            f"SELECT count(*), count(p.v) FROM {mine} c LEFT JOIN {theirs} p ON {value} = p.v"
        ).fetchall()[0]
        chance, tight = 0.0, 1.0
        if cast is None and column.dtype in numbers:
            width = int(column.high) - int(column.low) + 1
            inside = self.store.connection.execute(
                f"SELECT count(*) FROM {theirs} WHERE v BETWEEN ? AND ?", [column.low, column.high]
            ).fetchall()[0][0]
            chance = min(1.0, inside / width)
            tight = min(1.0, width / max(1, int(target.high) - int(target.low) + 1))
        return Candidate(
            table.name,
            column.name,
            parent.name,
            target.name,
            match,
            hits / distinct if distinct else 0.0,
            distinct,
            chance,
            tight,
            hits / max(1, target.distinct),
            cast,
        )

    def _distinct(self, table: str, column: str) -> str:
        """A temporary table of a column's distinct values, made once."""
        if (table, column) not in self._values:
            name = next(n for n in map("_values_{}".format, self._numbers) if n not in self.facts)
            self.store.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS "
                f"SELECT DISTINCT {quote(column)} AS v FROM {quote(table)} WHERE {quote(column)} IS NOT NULL"
            )
            self._values[table, column] = name
        return self._values[table, column]

    def _drop_values(self) -> None:
        for name in self._values.values():
            self.store.connection.execute(f"DROP TABLE IF EXISTS {name}")
        self._values.clear()

    # Four ways to believe in a link

    def _by_name(self, table: TableFacts, column: ColumnFacts, cautious: bool) -> Link | None:
        """The name says it and the values agree."""
        least = STRONG if cautious else FAIR
        for found in self._candidates(table, column, least):
            needed = 0.75 if found.name.score >= STRONG and found.name.says_key else 0.95
            if cautious:
                needed = 0.95
            if found.coverage < needed:
                own_key = column.name in self._own_key(table.name)
                if found.name.score >= STRONG and found.name.says_key and found.distinct >= 5 and not own_key:
                    self._explain_miss(found)
                continue
            if found.cast is not None and not self._recast(table, column, found):
                continue
            confidence = 0.99 * found.coverage * (0.7 + 0.3 * found.name.score)
            return found.link(confidence, found.name.reason, null_fraction=column.null_fraction)
        return None

    def _recast(self, table: TableFacts, column: ColumnFacts, found: Candidate) -> bool:
        target = self.facts[found.parent].columns[found.key]
        if not self._casts(table.name, column, target):
            self.notes.append(
                f"{table.name}.{column.name} looks like a link to {found.parent}.{found.key}, but is "
                f"{column.dtype} where the key is {target.dtype}, and not every value can be converted"
            )
            return False
        self.notes.append(
            f"{table.name}.{column.name} is {column.dtype} where the key {found.parent}.{found.key} is "
            f"{target.dtype}; every value converts without loss"
        )
        recast(self.store, table, column, target.dtype)
        self._values.pop((table.name, column.name), None)
        return True

    def _explain_miss(self, found: Candidate) -> None:
        self.notes.append(
            f"{found.child}.{found.column} is named like a link to {found.parent}.{found.key}, but only "
            f"{found.coverage:.1%} of its {plural(found.distinct, 'value')} are found there"
            + (": are they written differently?" if found.coverage < MISTYPED else "")
        )

    def _by_siblings(self, table: TableFacts, column: ColumnFacts, links: list[Link]) -> Link | None:
        """Each row's value is that of another column of the row, which is linked (the winner is a team)."""
        if column.distinct < 3 or (column.dtype is not DType.TEXT and not says_key(table.bare(column.name))):
            return None
        by_parent: dict[str, list[str]] = {}
        for link in links:
            if link.child == table.name and len(link.child_columns) == 1:
                sibling = table.columns[link.child_columns[0]]
                if sibling.dtype is column.dtype:
                    by_parent.setdefault(link.parent, []).append(sibling.name)
        for parent, siblings in by_parent.items():
            key = self._own_key(parent)
            if not key:
                continue
            same = " OR ".join(f"{quote(column.name)} = {quote(s)}" for s in siblings)
            share = self.store.connection.execute(
                f"SELECT avg(CASE WHEN {same} THEN 1.0 ELSE 0.0 END) FROM (SELECT * FROM {quote(table.name)} "
                f"WHERE {quote(column.name)} IS NOT NULL LIMIT {SAMPLE_ROWS})"
            ).fetchall()[0][0]
            if share is None or share < 0.95:
                continue
            match = NameMatch(0.0, "", False, False)
            target = self.facts[parent].columns[key[0]]
            found = self._measured(table, column, self.facts[parent], target, match)
            if found is not None and found.coverage >= 0.95:
                reason = f"equals {listing(siblings, last='or')} in {share:.1%} of rows"
                return found.link(0.9 * found.coverage, reason, null_fraction=column.null_fraction)
        return None

    def _by_namesake(self, table: TableFacts, column: ColumnFacts, links: list[Link]) -> Link | None:
        """A column of the same name elsewhere is linked."""
        if column.dtype is not DType.TEXT and not says_key(table.bare(column.name)):
            return None
        for link in links:
            if link.child == table.name or link.child_columns != (column.name,) or link.parent == table.name:
                continue
            found = self._measured(
                table,
                column,
                self.facts[link.parent],
                self.facts[link.parent].columns[link.parent_columns[0]],
                NameMatch(0.0, "", False, False),
            )
            if found is not None and found.cast is None and found.coverage >= 0.95:
                confidence = 0.9 * link.evidence.confidence * found.coverage
                return found.link(
                    confidence, f"named as {link.name}, which is linked", null_fraction=column.null_fraction
                )
        return None

    def _by_content(self, table: TableFacts, column: ColumnFacts, links: list[Link]) -> Link | None:
        """The values alone: contained in a key far beyond chance, or fitting its range as no other."""
        said = says_key(table.bare(column.name))
        if column.dtype is DType.TEXT:
            if column.distinct < 2 or column.mean_length < 1.5 or column.name in self._own_key(table.name):
                return None
        elif not said or column.distinct < 3 or column.name in self._own_key(table.name):
            return None
        fits = [c for c in self._candidates(table, column, 0.0) if c.coverage >= 0.99 and c.cast is None]
        if column.dtype is DType.TEXT:
            beside = {k.parent for k in links if k.child == table.name}
            fits = [c for c in fits if not set(words(c.key)) & FREE_TEXT or said]
            fits = [c for c in fits if c.distinct >= FEW_TEXTS or c.parent in beside]
            best = max(fits, key=lambda c: (c.coverage, c.used), default=None)
            if best is None:
                return None
            return best.link(0.75, "text contained in a text key", null_fraction=column.null_fraction)
        surprising = [
            c for c in fits if c.chance < 0.9 and c.distinct * -math.log(max(c.chance, 1e-9)) >= SURPRISE
        ]
        best = max(surprising, key=lambda c: (c.parent == table.name, c.used), default=None)
        if best is not None:
            reason = f"contained in a key that fills {best.chance:.0%} of its range: no accident"
            return best.link(0.7, "named as a reference", reason, null_fraction=column.null_fraction)
        tight = sorted(
            (c for c in fits if c.tight >= 0.9 and c.used >= 0.5),
            key=lambda c: c.tight * c.used,
            reverse=True,
        )
        if not tight or (
            len(tight) > 1 and tight[0].tight * tight[0].used < 1.15 * tight[1].tight * tight[1].used
        ):
            return None
        best = tight[0]
        reason = f"its range fits that key and no other ({best.used:.0%} of the keys are mentioned)"
        return best.link(0.6, "named as a reference", reason, null_fraction=column.null_fraction)

    def _composites(self, links: list[Link]) -> list[Link]:
        """Keys of several columns that another table carries under the same names."""
        found = []
        for parent in self.facts.values():
            key = self.keys[parent.name].columns
            if len(key) < 2 or any(parent.columns[c].dtype is DType.TIMESTAMP for c in key):
                continue
            for child in self.facts.values():
                if child.name == parent.name:
                    continue
                own = [self._counterpart(child, parent, c) for c in key]
                if any(c is None for c in own) or self.keys[child.name].columns == tuple(own):
                    continue
                link = self._composite(child, tuple(c for c in own if c), parent, key)
                if link is not None:
                    found.append(link)
        return found

    def _counterpart(self, child: TableFacts, parent: TableFacts, column: str) -> str | None:
        bare = parent.bare(column).casefold()
        for other in child.columns.values():
            same = child.bare(other.name).casefold() == bare
            if same and other.dtype is parent.columns[column].dtype and says_key(bare):
                return other.name
        return None

    def _composite(
        self, child: TableFacts, own: tuple[str, ...], parent: TableFacts, key: tuple[str, ...]
    ) -> Link | None:
        mine = ", ".join(quote(c) for c in own)
        filled = " AND ".join(f"{quote(c)} IS NOT NULL" for c in own)
        on = " AND ".join(f"c.{quote(a)} = p.{quote(b)}" for a, b in zip(own, key))
        distinct, hits = self.store.connection.execute(
            f"SELECT count(*), "
            f"count(*) FILTER (WHERE EXISTS (SELECT 1 FROM {quote(parent.name)} p WHERE {on})) "
            f"FROM (SELECT DISTINCT {mine} FROM {quote(child.name)} WHERE {filled}) c"
        ).fetchall()[0]
        if not distinct or hits / distinct < 0.95:
            return None
        share = f"{hits / distinct:.1%} of {plural(distinct, 'pair')} found in {parent.name}"
        evidence = Evidence(Origin.INFERRED, 0.9, ("the same names as the key", share))
        nulls = max(child.columns[c].null_fraction for c in own)
        return Link(child.name, own, parent.name, key, evidence, round(hits / distinct, 5), round(nulls, 5))
