"""What the net reads, as arrays: rules learned on the neighbourhoods of training rows alone.

Numbers are z-scored (after a signed log where they are skewed), clipped, and flagged where missing; words
beyond a vocabulary are one unknown word; text is placed along the directions in which texts differ. Time is
how long ago, never when: a number that tells the time of its row is left out, since it would not reach into
the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.features.candidates.text import MOST_TEXTS
from foretell.features.matrix import Floats, Text
from foretell.features.texts import FEWEST_WORDS, words_a_text
from foretell.graph import Graph, Sample
from foretell.graph.fields import Field, Use
from foretell.graph.sample import Nodes
from foretell.graph.tree import Tree
from foretell.models.encode import frozen
from foretell.models.texts import TextTable, fit_text_table

Singles = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

CLIP = 5.0
SKEWED = 2.0
VOCABULARY = 200
"""So many words of a column have an embedding of their own."""
TELLS_TIME = 0.95
"""A number whose ranks go along with those of its row's time as closely as this is a clock."""
LEAST_SPREAD = 0.1
"""Logarithms of ages that lie closer together than this are not spread out."""
OWN = "(own)"
"""The name of the encoding of the entities' own rows."""


@dataclass(frozen=True)
class Number:
    """A number as the net reads it."""

    name: str
    log: bool
    mean: float
    scale: float

    def encode(self, values: Floats) -> tuple[Floats, Floats]:
        """The z-score, 0 where missing, and whether it is."""
        missing = np.isnan(values)
        filled = np.where(missing, self.mean, values)
        shaped = np.where(missing, self.mean, signed_log(filled) if self.log else filled)
        return np.clip((shaped - self.mean) / self.scale, -CLIP, CLIP), missing.astype(np.float64)


@dataclass(frozen=True)
class Category:
    """A column of words: place i + 1 is word i, place 0 any other and none."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Prose:
    """A column of text: its places along a few directions, and its length, as numbers."""

    table: TextTable
    numbers: tuple[Number, ...]

    @property
    def name(self) -> str:
        return self.table.column


@dataclass(frozen=True)
class TableRule:
    """How rows of a table are read in one part of the tree. `age` is (mean, deviation) of its logarithm."""

    table: str
    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    texts: tuple[Prose, ...]
    age: tuple[float, float] | None

    @property
    def size(self) -> int:
        """How many numbers a row becomes, flags of missing ones among them."""
        return 2 * (len(self.numbers) + sum(len(p.numbers) for p in self.texts))


@dataclass(frozen=True)
class Encoded:
    """Rows as the net reads them."""

    numbers: Singles  # (rows, size of the rule): z-scores, then flags
    codes: Places  # (rows, categories)
    ages: Singles  # (rows,): days; empty for a table without a time


def signed_log(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def number_rule(name: str, values: Floats) -> Number | None:
    """The rule of a number; None where it does not vary."""
    present = values[np.isfinite(values)]
    if len(present) < 2 or present.min() == present.max():
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        spread = present.std()
        skew = ((present - present.mean()) ** 3).mean() / spread**3
    log = bool(not np.isfinite(skew) or abs(skew) > SKEWED)
    shaped = signed_log(present) if log else present
    scale = float(shaped.std())
    return Number(name, log, float(shaped.mean()), scale if scale > 1e-12 else 1.0)


def tells_time(values: Floats, times: npt.NDArray[np.int64] | None) -> bool:
    """Whether a number rises or falls with its row's time, as a year or a serial number does."""
    if times is None:
        return False
    some = np.isfinite(values)
    if some.sum() < 10:
        return False
    a, b = (np.unique(v[some], return_inverse=True)[1].astype(np.float64) for v in (values, times))
    if a.std() == 0 or b.std() == 0:
        return False
    return bool(abs(np.corrcoef(a, b)[0, 1]) > TELLS_TIME)


@dataclass(frozen=True)
class Encoding:
    """The rules of all tables, the entities' own rows first."""

    rules: Mapping[str, TableRule]

    def to_record(self) -> list[dict[str, Any]]:
        return [{"part": part, **asdict(rule)} for part, rule in self.rules.items()]

    @classmethod
    def from_record(cls, record: list[dict[str, Any]]) -> Encoding:
        rules = {}
        for held in frozen(record):
            part = held.pop("part")
            numbers = tuple(Number(**n) for n in held.pop("numbers"))
            categories = tuple(Category(**c) for c in held.pop("categories"))
            texts = tuple(
                Prose(TextTable(**t["table"]), tuple(Number(**n) for n in t["numbers"]))
                for t in held.pop("texts")
            )
            rules[part] = TableRule(numbers=numbers, categories=categories, texts=texts, **held)
        return cls(rules)


def fit_encoding(graph: Graph, branches: Tree, samples: Iterable[Sample]) -> Encoding:
    """Rules learned on the nodes of training rows' neighbourhoods."""
    seen: dict[str, list[Nodes]] = {OWN: []}
    for drawn in samples:
        seen[OWN].append(drawn.root)
        for branch, reached in zip(branches, drawn.reached):
            seen.setdefault(branch.table, []).append(reached.nodes)
    rules = {}
    for part, parts in seen.items():
        table, fields = _part(graph, part)
        rows = np.concatenate([n.rows for n in parts])
        cutoffs = np.concatenate([n.cutoffs for n in parts])
        rules[part] = _rule(graph, table, fields, Nodes(rows, cutoffs), own=part == OWN)
    return Encoding(rules)


def _part(graph: Graph, part: str) -> tuple[str, tuple[Field, ...]]:
    if part == OWN:
        return graph.task.entity.name, graph.own_fields
    return part, graph.fields[part]


def _rule(graph: Graph, table: str, fields: tuple[Field, ...], nodes: Nodes, *, own: bool) -> TableRule:
    numbers, categories = [], []
    texts: list[Prose] = []
    times = graph.tables.times(table)
    moments = None if times is None else times[nodes.rows]
    for field in fields:
        match field.use:
            case Use.NUMBER | Use.TIME:
                values = graph.numbers(field, nodes)
                clock = field.use is Use.NUMBER and tells_time(values, moments)
                rule = None if clock else number_rule(field.name, values)
                if rule is not None:
                    numbers.append(rule)
            case Use.CATEGORY:
                codes = graph.codes(field, nodes)
                counts = np.bincount(codes[codes >= 0], minlength=graph.words(field).size)
                order = np.argsort(-counts, kind="stable")[:VOCABULARY]
                words = graph.words(field).array.take(order[counts[order] > 1]).to_pylist()
                if len(words) > 1:
                    categories.append(Category(field.name, tuple(words)))
            case Use.TEXT:
                texts += _prose(graph, field, nodes)
    ages = None if graph.task.is_static and own else graph.ages(table, nodes)
    age = None
    if ages is not None and len(ages):
        logs = log_age(ages)
        age = float(logs.mean()), max(float(logs.std()), LEAST_SPREAD)
    return TableRule(table, tuple(numbers), tuple(categories), tuple(texts), age)


def _prose(graph: Graph, field: Field, nodes: Nodes) -> list[Prose]:
    """The rule of a column of text; none where it holds names, or too many texts to read."""
    words = graph.words(field)
    if not 0 < words.size <= MOST_TEXTS:
        return []
    held = Text(graph.codes(field, nodes).astype(np.int32), words.words)
    if words_a_text(held, np.ones(len(nodes), dtype=np.bool_)) < FEWEST_WORDS:
        return []
    table = fit_text_table(field.name, held)
    numbers = [number_rule(f"{field.name} {i}", values) for i, values in enumerate(table.encode(held))]
    return [Prose(table, tuple(n for n in numbers if n is not None))] if None not in numbers else []


def log_age(days: Floats) -> Floats:
    """The logarithm of an age in days; a minute and less are alike."""
    return np.asarray(np.log(np.maximum(days, 0.0) + 1 / 1440))


class Reader:
    """Reads nodes of a graph by the rules of an encoding."""

    def __init__(self, graph: Graph, encoding: Encoding) -> None:
        self.graph = graph
        self.encoding = encoding
        self._fields: dict[str, dict[str, Field]] = {}
        self._places: dict[tuple[str, str], Places] = {}
        self._texts: dict[tuple[str, str], Floats] = {}  # of each word, after that of none
        for part, rule in encoding.rules.items():
            _, fields = _part(graph, part)
            self._fields[part] = {f.name: f for f in fields}
            for category in rule.categories:
                words = graph.words(self._fields[part][category.name])
                known = {w: i + 1 for i, w in enumerate(category.words)}
                self._places[part, category.name] = np.array(
                    [*(known.get(w, 0) for w in words.words), 0], dtype=np.int64
                )  # the last slot serves code -1
            for prose in rule.texts:
                words = graph.words(self._fields[part][prose.name])
                every = Text(np.arange(-1, words.size, dtype=np.int32), words.words)
                self._texts[part, prose.name] = np.stack(prose.table.encode(every), axis=1)

    def read(self, part: str, nodes: Nodes) -> Encoded:
        """The nodes as the net reads them."""
        graph, rule, fields = self.graph, self.encoding.rules[part], self._fields[part]
        values = [(n, graph.numbers(fields[n.name], nodes)) for n in rule.numbers]
        for prose in rule.texts:
            places = self._texts[part, prose.name][graph.codes(fields[prose.name], nodes) + 1]
            values += zip(prose.numbers, places.T)
        numbers = np.empty((len(nodes), rule.size), dtype=np.float32)
        for i, (number, held) in enumerate(values):
            numbers[:, i], numbers[:, len(values) + i] = number.encode(held)
        codes = np.empty((len(nodes), len(rule.categories)), dtype=np.int64)
        for i, category in enumerate(rule.categories):
            codes[:, i] = self._places[part, category.name][graph.codes(fields[category.name], nodes)]
        ages = np.empty(0, dtype=np.float32)
        if rule.age is not None:
            days = graph.ages(rule.table, nodes)
            assert days is not None
            ages = days.astype(np.float32)
        return Encoded(numbers, codes, ages)
