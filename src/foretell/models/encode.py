"""Encoders: a matrix becomes plain numbers, by rules learned on the training rows alone.

Categories unseen in training become missing. A column of many categories becomes their mean labels and how
often each was seen (models/target.py), a text several numbers (models/texts.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foretell.core.errors import DataError
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric, Text
from foretell.models.dataset import Dataset, recode
from foretell.models.target import TargetTable, fit_target_table, recurs, table_from
from foretell.models.texts import TextTable, fit_text_table
from foretell.task.model import TaskKind

MANY, VERY_MANY = 50, 1000
"""Above how many categories a column is encoded by its labels' means: for trees, and for all else. Linear
models read the commonest categories one by one, and beside trees that do not, the two average better; the
shares of a few classes tell less than the categories themselves (benchmarks/LOG.md).
"""
CLIP = 5.0
SKEWED = 2.0


def frozen(value: Any) -> Any:
    """A JSON value with every list as a tuple, at any depth.

    >>> frozen({"a": [1, [2]]})
    {'a': (1, (2,))}
    """
    if isinstance(value, list):
        return tuple(frozen(v) for v in value)
    if isinstance(value, dict):
        return {k: frozen(v) for k, v in value.items()}
    return value


def numeric(X: Matrix, name: str) -> Floats:
    """A numeric column's values in float64; infinities are missing."""
    column = _column(X, name)
    if not isinstance(column, Numeric):
        raise DataError(f"column {name!r} was numeric in training and is categorical now")
    values = column.values.astype(np.float64, copy=False)
    return np.where(np.isfinite(values), values, np.nan)


def categorical(X: Matrix, name: str) -> Categorical:
    column = _column(X, name)
    if not isinstance(column, Categorical):
        raise DataError(f"column {name!r} was categorical in training and is numeric now")
    return column


def _column(X: Matrix, name: str) -> Numeric | Categorical:
    if name not in X:
        raise DataError(f"column {name!r} is missing; the model was trained with it")
    return X[name]


def _seen(column: Categorical) -> tuple[str, ...]:
    """The categories that occur, commonest first, ties in the column's own order."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
    order = np.argsort(-counts, kind="stable")
    return tuple(column.categories[i] for i in order if counts[i] > 0)


@dataclass(frozen=True)
class TreeEncoder:
    """Numbers as they are, categories as codes, for a tree that knows categorical columns.

    Output columns, in order: `numbers`, `vocabularies`, then some for each of `tables` and of `texts`.
    """

    numbers: tuple[str, ...]
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...]
    tables: tuple[TargetTable, ...]
    texts: tuple[TextTable, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The matrix column that each output column comes from."""
        learned: tuple[TargetTable | TextTable, ...] = (*self.tables, *self.texts)
        made = tuple(t.column for t in learned for _ in range(t.width))
        return self.numbers + tuple(n for n, _ in self.vocabularies) + made

    @property
    def categorical_positions(self) -> list[int]:
        return [len(self.numbers) + i for i in range(len(self.vocabularies))]

    def encode(self, X: Matrix) -> Floats:
        """(rows, outputs) with nan for missing."""
        out = np.empty((X.rows, len(self.sources)))
        i = 0
        for name in self.numbers:
            out[:, i] = numeric(X, name)
            i += 1
        for name, vocabulary in self.vocabularies:
            codes = recode(categorical(X, name), {c: j for j, c in enumerate(vocabulary)})
            out[:, i] = np.where(codes >= 0, codes, np.nan)
            i += 1
        for made in _made(X, (*self.tables, *self.texts)):
            out[:, i] = made
            i += 1
        return out

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TreeEncoder:
        held = json.loads(text)
        return cls(frozen(held["numbers"]), frozen(held["vocabularies"]), *_learned(held))


def _made(X: Matrix, learned: Iterable[TargetTable | TextTable]) -> list[Floats]:
    """The columns that tables and texts become."""
    return [made for each in learned for made in each.encode(categorical(X, each.column))]


def _learned(held: dict[str, Any]) -> tuple[tuple[TargetTable, ...], tuple[TextTable, ...]]:
    """The tables and texts of an encoder's JSON; the first files have no texts."""
    return tuple(table_from(t) for t in held["tables"]), tuple(
        TextTable(**frozen(t)) for t in held.get("texts", ())
    )


@dataclass(frozen=True)
class _Sorted:
    """Columns by how they are encoded, without those of a single value."""

    numbers: list[str]
    few: list[str]  # categories
    many: list[str]
    texts: list[str]


def _sort_columns(data: Dataset, most: int) -> _Sorted:
    """Columns with more than `most` categories are many-valued."""
    numbers: list[str] = []
    few: list[str] = []
    many: list[str] = []
    texts: list[str] = []
    for name, column in zip(data.X.names, data.X.columns):
        if isinstance(column, Numeric):
            values = numeric(data.X, name)
            low, high = np.fmin.reduce(values), np.fmax.reduce(values)
            if low < high or (np.isfinite(low) and np.isnan(values).any()):
                numbers.append(name)
        else:
            used = len(np.unique(column.codes))
            if isinstance(column, Text):
                texts.extend([name] if used > 1 else [])
            elif used > most:
                many.extend([name] if recurs(column, data) else [])
            elif used > 1:
                few.append(name)
    return _Sorted(numbers, few, many, texts)


def _fit_texts(names: Sequence[str], X: Matrix) -> tuple[TextTable, ...]:
    return tuple(fit_text_table(n, c) for n in names if isinstance(c := X[n], Text))


def fit_tree_encoder(data: Dataset, kind: TaskKind) -> tuple[TreeEncoder, Floats]:
    """The encoder, and the training rows as it encodes them."""
    found = _sort_columns(data, VERY_MANY if kind is TaskKind.MULTICLASS else MANY)
    fitted = [fit_target_table(n, categorical(data.X, n), data, kind) for n in found.many]
    encoder = TreeEncoder(
        tuple(found.numbers),
        tuple((n, _seen(categorical(data.X, n))) for n in found.few),
        tuple(table for table, _ in fitted),
        _fit_texts(found.texts, data.X),
    )
    out = encoder.encode(data.X)
    own = [made for _, each in fitted for made in each]
    for i, made in enumerate(own, start=len(found.numbers) + len(found.few)):
        out[:, i] = made
    return encoder, out


@dataclass(frozen=True)
class Standardised:
    """A number as the linear model reads it: log1p where skewed, z-scored, clipped, 0 where missing."""

    column: str
    log: bool
    mean: float
    scale: float
    flag: bool  # a second output: 1 where missing

    def encode(self, values: Floats) -> Floats:
        shaped = np.sign(values) * np.log1p(np.abs(values)) if self.log else values
        z = np.clip((shaped - self.mean) / self.scale, -CLIP, CLIP)
        return np.where(np.isnan(z), 0.0, z)


@dataclass(frozen=True)
class LinearEncoder:
    """Standardised numbers with missing flags, and a 0/1 column for each of a column's commonest
    categories.
    """

    numbers: tuple[Standardised, ...]
    one_hots: tuple[tuple[str, tuple[str, ...]], ...]
    tables: tuple[TargetTable, ...]
    table_numbers: tuple[Standardised, ...]  # of what tables, then of what texts become
    texts: tuple[TextTable, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The matrix column that each output column comes from."""
        plain = tuple(s.column for s in self.numbers for _ in range(1 + s.flag))
        hot = tuple(name for name, categories in self.one_hots for _ in categories)
        return plain + hot + tuple(s.column for s in self.table_numbers for _ in range(1 + s.flag))

    def encode(self, X: Matrix) -> Floats:
        """(rows, outputs); nothing is missing."""
        return self.assemble(X, _made(X, (*self.tables, *self.texts)))

    def assemble(self, X: Matrix, made: list[Floats]) -> Floats:
        """`encode`, with the columns given that tables and texts become."""
        out = np.empty((X.rows, len(self.sources)))
        i = 0
        values = [(s, numeric(X, s.column)) for s in self.numbers]
        for rule, held in values:
            i = _put(out, i, rule, held)
        for name, categories in self.one_hots:
            codes = recode(categorical(X, name), {c: j for j, c in enumerate(categories)})
            out[:, i : i + len(categories)] = codes[:, None] == np.arange(len(categories))
            i += len(categories)
        for rule, held in zip(self.table_numbers, made):
            i = _put(out, i, rule, held)
        return out

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LinearEncoder:
        held = json.loads(text)
        tables, texts = _learned(held)
        return cls(
            tuple(Standardised(**s) for s in held["numbers"]),
            frozen(held["one_hots"]),
            tables,
            tuple(Standardised(**s) for s in held["table_numbers"]),
            texts,
        )


def _put(out: Floats, i: int, rule: Standardised, values: Floats) -> int:
    out[:, i] = rule.encode(values)
    if rule.flag:
        out[:, i + 1] = np.isnan(values)
    return i + 1 + rule.flag


def _standardise(column: str, values: Floats) -> Standardised:
    present = values[~np.isnan(values)]
    if not len(present):
        return Standardised(column, False, 0.0, 1.0, False)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = present.std()
        skew = ((present - present.mean()) ** 3).mean() / spread**3 if spread > 0 else 0.0
    log = bool(not np.isfinite(skew) or abs(skew) > SKEWED)
    shaped = np.sign(present) * np.log1p(np.abs(present)) if log else present
    scale = float(shaped.std())
    flag = len(present) < len(values)
    return Standardised(column, log, float(shaped.mean()), scale if scale > 1e-12 else 1.0, flag)


def fit_linear_encoder(data: Dataset, kind: TaskKind, *, top: int = 20) -> tuple[LinearEncoder, Floats]:
    """The encoder, and the training rows as it encodes them."""
    found = _sort_columns(data, VERY_MANY)
    fitted = [fit_target_table(n, categorical(data.X, n), data, kind) for n in found.many]
    texts = _fit_texts(found.texts, data.X)
    own = [(table.column, made) for table, each in fitted for made in each]
    own += [(text.column, made) for text in texts for made in text.encode(categorical(data.X, text.column))]
    encoder = LinearEncoder(
        tuple(_standardise(n, numeric(data.X, n)) for n in found.numbers),
        tuple((n, _common(categorical(data.X, n), top)) for n in found.few),
        tuple(table for table, _ in fitted),
        tuple(_standardise(name, made) for name, made in own),
        texts,
    )
    return encoder, encoder.assemble(data.X, [made for _, made in own])


def _common(column: Categorical, top: int) -> tuple[str, ...]:
    """The commonest categories, each with at least three rows."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
    return tuple(c for c in _seen(column)[:top] if counts[column.categories.index(c)] >= 3)
