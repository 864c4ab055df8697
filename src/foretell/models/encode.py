"""Encoders: a matrix becomes plain numbers, by rules learned on the training rows alone.

Categories unseen in training become missing. A column of more than 1,000 categories becomes two numbers:
how often the category was seen, and the mean label it had. A training row's mean uses only labels of
strictly earlier cutoffs, so that no row reads its own answer. A text becomes several numbers: see
models/texts.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foretell.core.errors import DataError
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric, Text
from foretell.models.dataset import Dataset, Ints, recode
from foretell.models.texts import TextTable, fit_text_table
from foretell.task.model import TaskKind

MANY = 1000
"""Above this many categories a column is encoded by its labels' means."""
SMOOTHING = 20.0
"""A category's mean is shrunk to the overall mean as if it had been seen this often before."""
CLIP = 5.0
SKEWED = 2.0


@dataclass(frozen=True)
class TargetTable:
    """A category's count and shrunk mean label, for a column of very many categories."""

    column: str
    categories: tuple[str, ...]
    counts: tuple[float, ...]
    means: tuple[float, ...]
    prior: float

    def encode(self, X: Matrix) -> tuple[Floats, Floats]:
        """(mean label, log1p of count) of every row; nan where the category is unknown."""
        codes = recode(categorical(X, self.column), {c: i for i, c in enumerate(self.categories)})
        means = np.append(np.asarray(self.means), np.nan)[codes]
        counts = np.append(np.asarray(self.counts), 0.0)[codes]
        return means, np.log1p(counts)


def fit_target_table(column: str, data: Dataset) -> tuple[TargetTable, Floats, Floats]:
    """The table, and what the training rows themselves get: (mean over earlier cutoffs, log1p of the count).

    Each cutoff's prior is the mean over all earlier cutoffs; rows of the first cutoff get nan. Where all rows
    share one cutoff a row's mean is over the other four fifths of the entities. The count reads no label and
    so is the whole count for every row, as it will be in scoring.
    """
    held = categorical(data.X, column)
    codes = held.codes.astype(np.int64)
    size = len(held.categories)
    if len(np.unique(data.cutoffs)) > 1:
        means = _means_of_earlier(codes, data.cutoffs, data.y)
    else:
        means = _means_of_others(codes, np.unique(data.groups, return_inverse=True)[1] % 5, data.y)
    means[codes < 0] = np.nan
    known = codes >= 0
    prior = float(data.y.mean())
    total = np.bincount(codes[known], minlength=size).astype(np.float64)
    label = np.bincount(codes[known], weights=data.y[known], minlength=size)
    kept = np.flatnonzero(total > 0)
    table = TargetTable(
        column,
        tuple(held.categories[i] for i in kept),
        tuple(total[kept].tolist()),
        tuple(((label[kept] + SMOOTHING * prior) / (total[kept] + SMOOTHING)).tolist()),
        prior,
    )
    return table, means, np.log1p(np.append(total, 0.0)[codes])


def _means_of_earlier(codes: Ints, cutoffs: Ints, y: Floats) -> Floats:
    """For each row the shrunk mean label of its category over strictly earlier cutoffs."""
    times, moment = np.unique(cutoffs, return_inverse=True)
    order = np.lexsort((moment, codes))
    sums, counts = _earlier_totals(codes[order], moment[order], y[order])
    per_time = np.bincount(moment, weights=y, minlength=len(times))
    rows_at = np.bincount(moment, minlength=len(times)).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        before = (np.cumsum(per_time) - per_time) / (np.cumsum(rows_at) - rows_at)  # nan at the first cutoff
    means = np.empty(len(y))
    means[order] = (sums + SMOOTHING * before[moment[order]]) / (counts + SMOOTHING)
    return means


def _earlier_totals(codes: Ints, moment: Ints, y: Floats) -> tuple[Floats, Floats]:
    """For rows sorted by (code, moment): label sum and count over the code's rows of earlier moments."""
    n = len(codes)
    new_code = np.concatenate([[True], codes[1:] != codes[:-1]])
    new_block = new_code | np.concatenate([[True], moment[1:] != moment[:-1]])
    code_start = np.maximum.accumulate(np.where(new_code, np.arange(n), 0))
    block_start = np.maximum.accumulate(np.where(new_block, np.arange(n), 0))
    running = np.concatenate([[0.0], np.cumsum(y)])
    return running[block_start] - running[code_start], (block_start - code_start).astype(np.float64)


def _means_of_others(codes: Ints, fold: Ints, y: Floats) -> Floats:
    """For each row the shrunk mean label of its category over the rows of other folds."""
    means = np.empty(len(y))
    for f in range(5):
        own, other = fold == f, fold != f
        sums = np.bincount(codes[other] + 1, weights=y[other], minlength=codes.max() + 2)
        counts = np.bincount(codes[other] + 1, minlength=codes.max() + 2)
        prior = y[other].mean() if other.any() else np.nan
        means[own] = ((sums + SMOOTHING * prior) / (counts + SMOOTHING))[codes[own] + 1]
    return means


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

    Output columns, in order: `numbers`, `vocabularies`, two for each of `tables`, some for each of `texts`.
    """

    numbers: tuple[str, ...]
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...]
    tables: tuple[TargetTable, ...]
    texts: tuple[TextTable, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The matrix column that each output column comes from."""
        doubled = tuple(t.column for t in self.tables for _ in range(2))
        read = tuple(t.column for t in self.texts for _ in range(t.width))
        return self.numbers + tuple(n for n, _ in self.vocabularies) + doubled + read

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
        for made in _made(X, self.tables, self.texts):
            out[:, i] = made
            i += 1
        return out

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TreeEncoder:
        held = json.loads(text)
        return cls(frozen(held["numbers"]), frozen(held["vocabularies"]), *_learned(held))


def _made(X: Matrix, tables: Sequence[TargetTable], texts: Sequence[TextTable]) -> list[Floats]:
    """The columns that tables and texts become, in that order."""
    counted = [column for table in tables for column in table.encode(X)]
    return counted + [column for text in texts for column in text.encode(categorical(X, text.column))]


def _learned(held: dict[str, Any]) -> tuple[tuple[TargetTable, ...], tuple[TextTable, ...]]:
    """The tables and texts of an encoder's JSON; the first files have no texts."""
    tables = tuple(TargetTable(**frozen(t)) for t in held["tables"])
    return tables, tuple(TextTable(**frozen(t)) for t in held.get("texts", ()))


@dataclass(frozen=True)
class _Sorted:
    """Columns by how they are encoded, without those of a single value."""

    numbers: list[str]
    few: list[str]  # categories
    many: list[str]
    texts: list[str]


def _sort_columns(data: Dataset, kind: TaskKind) -> _Sorted:
    """A multiclass label has no mean: its many-valued columns are left out."""
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
            elif used > MANY:
                many.extend([name] if kind is not TaskKind.MULTICLASS else [])
            elif used > 1:
                few.append(name)
    return _Sorted(numbers, few, many, texts)


def _fit_texts(names: Sequence[str], X: Matrix) -> tuple[TextTable, ...]:
    return tuple(fit_text_table(n, c) for n in names if isinstance(c := X[n], Text))


def fit_tree_encoder(data: Dataset, kind: TaskKind) -> tuple[TreeEncoder, Floats]:
    """The encoder, and the training rows as it encodes them."""
    found = _sort_columns(data, kind)
    fitted = [fit_target_table(name, data) for name in found.many]
    encoder = TreeEncoder(
        tuple(found.numbers),
        tuple((n, _seen(categorical(data.X, n))) for n in found.few),
        tuple(table for table, _, _ in fitted),
        _fit_texts(found.texts, data.X),
    )
    out = encoder.encode(data.X)
    first = len(found.numbers) + len(found.few)
    for i, (_, means, counts) in enumerate(fitted):
        out[:, first + 2 * i], out[:, first + 2 * i + 1] = means, counts
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
    table_numbers: tuple[Standardised, ...]  # a mean and a count of each table, then what texts become
    texts: tuple[TextTable, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The matrix column that each output column comes from."""
        plain = tuple(s.column for s in self.numbers for _ in range(1 + s.flag))
        hot = tuple(name for name, categories in self.one_hots for _ in categories)
        return plain + hot + tuple(s.column for s in self.table_numbers for _ in range(1 + s.flag))

    def encode(self, X: Matrix) -> Floats:
        """(rows, outputs); nothing is missing."""
        return self.assemble(X, _made(X, self.tables, self.texts))

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
    found = _sort_columns(data, kind)
    fitted = [fit_target_table(name, data) for name in found.many]
    texts = _fit_texts(found.texts, data.X)
    own = [(table.column, made) for table, *both in fitted for made in both]
    own += [(text.column, made) for text in texts for made in text.encode(categorical(data.X, text.column))]
    encoder = LinearEncoder(
        tuple(_standardise(n, numeric(data.X, n)) for n in found.numbers),
        tuple((n, _common(categorical(data.X, n), top)) for n in found.few),
        tuple(table for table, _, _ in fitted),
        tuple(_standardise(name, made) for name, made in own),
        texts,
    )
    return encoder, encoder.assemble(data.X, [made for _, made in own])


def _common(column: Categorical, top: int) -> tuple[str, ...]:
    """The commonest categories, each with at least three rows."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
    return tuple(c for c in _seen(column)[:top] if counts[column.categories.index(c)] >= 3)
