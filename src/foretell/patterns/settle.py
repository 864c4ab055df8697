"""Columns as they were read become attributes and outcomes, where rows before the split tell something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import rankdata
from sqlglot import exp

from foretell.features.matrix import Categorical, Floats, Instants, Numeric
from foretell.patterns.naming import free
from foretell.patterns.planned import Planned
from foretell.patterns.sheet import Attribute, Bools, Ints, Outcome

CATEGORIES = 40  # of a column, the most frequent; the others count as unknown
LEAST_SHARE = 0.005  # of early rows, of a category
LEAST_COVERED = 0.5  # of early rows with a value, by the frequent categories
STATUSES = 6  # values of a column that are outcomes each
SETTLES = 0.5  # of a measure's variance, by a column whose values are measured apart then
LEAST_PARTS, PARTS = 3, 8  # values of such a column
PROPERTY = 0.95  # of a number's variance, by a column of words: then it describes the row
WHEN = 0.8  # of the time's variance, by a column of words: then it tells when, and no more
HALF = 0.5  # of early rows, that such a column has a frequent value in
KNOWN = 0.95  # of the rows, that such a column has a value in
SAME = 0.98  # of early rows: two columns that go together so often tell the same
OWN = 0.95  # of early rows, that have what their entity's first row had: it describes the entity


def settled(
    planned: Planned, column: pa.ChunkedArray, early: Bools
) -> tuple[Attribute | None, exp.Expr | None]:
    """The attribute that a column makes, with its value in the SELECT; None where it tells nothing."""
    value: exp.Expr = exp.column(exp.to_identifier(planned.name, quoted=True))
    if not planned.is_text:
        numbers = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
        held = numbers[early][np.isfinite(numbers[early])]
        if len(held) < 0.05 * early.sum() or held.min() == held.max():
            return None, None
        return Attribute(planned.name, planned.title, planned.table, Numeric(numbers), planned.clock), value
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = [str(t) for t in encoded.dictionary.to_pylist()]
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
    counts = np.bincount(codes[early & (codes >= 0)], minlength=len(texts))
    if planned.clock:
        kept = list(range(len(texts)))
    else:
        least = max(20, LEAST_SHARE * early.sum())
        order = sorted(range(len(texts)), key=lambda k: (-int(counts[k]), texts[k]))
        kept = [k for k in order[:CATEGORIES] if counts[k] >= least]
    covered = counts[kept].sum()
    if not kept or covered < LEAST_COVERED * counts.sum() or counts.max() == counts.sum():
        return None, None
    kept.sort(key=lambda k: texts[k])
    place = np.full(len(texts) + 1, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    if len(kept) < len(texts):
        chosen = [exp.Literal.string(texts[k]) for k in kept]
        value = exp.Case().when(exp.In(this=value.copy(), expressions=chosen), value)
    held_codes = Categorical(place[codes], tuple(texts[k] for k in kept))
    return Attribute(planned.name, planned.title, planned.table, held_codes, planned.clock), value


def told_once(attributes: list[Attribute], times: Instants, early: Bools) -> list[Attribute]:
    """The attributes without those that are another under other names, codes beside what they stand for, and
    without those that only tell when it was: seasons, versions.
    """
    kept: list[Attribute] = []
    for attribute in attributes:
        values = attribute.values
        if isinstance(values, Categorical) and not attribute.clock:
            known = early & (values.codes >= 0)
            if _told(times[known].astype(np.float64), values.codes[known]) >= WHEN:
                continue
        twin = next((i for i, other in enumerate(kept) if _are_one(attribute, other, early)), None)
        if twin is None:
            kept.append(attribute)
        elif _length(attribute) > _length(kept[twin]):
            kept[twin] = attribute
    return kept


def _are_one(one: Attribute, other: Attribute, early: Bools) -> bool:
    a, b = one.values, other.values
    if not (isinstance(a, Categorical) and isinstance(b, Categorical)):
        return False
    if len(a.categories) != len(b.categories):
        return False
    x, y = a.codes[early], b.codes[early]
    known = (x >= 0) & (y >= 0)
    if known.sum() < SAME * max(1, (x >= 0).sum(), (y >= 0).sum()):
        return False
    table = np.zeros((len(a.categories), len(b.categories)))
    np.add.at(table, (x[known], y[known]), 1)
    return bool(min(table.max(axis=0).sum(), table.max(axis=1).sum()) >= SAME * known.sum())


def _length(attribute: Attribute) -> float:
    assert isinstance(attribute.values, Categorical)
    return float(np.mean([len(c) for c in attribute.values.categories]))


def outcomes_of(
    planned: list[Planned],
    shown: list[tuple[Attribute | None, exp.Expr | None]],
    attributes: list[Attribute],
    entities: Ints,
    early: Bools,
) -> Iterator[tuple[Outcome, exp.Expr]]:
    """What the sheet's patterns speak of, with its value in the SELECT."""
    taken = {"time", "entity", *(p.name.casefold() for p in planned)}
    known = {a.name for a in attributes}
    for plan, (found, value) in zip(planned, shown):
        if found is None or value is None or not plan.outcome or (not plan.attribute and plan.name in known):
            continue
        if isinstance(found.values, Numeric):
            numbers = np.asarray(found.values.values, dtype=np.float64)
            whole = Outcome(plan.name, plan.title, numbers, share=False)
            yield from _measured_apart(whole, attributes, early, taken) or [(whole, value)]
        elif not _describes(found, entities, early):
            yield from _statuses(found, early, taken)


def are_properties(
    planned: list[Planned], shown: list[tuple[Attribute | None, exp.Expr | None]], early: Bools
) -> set[str]:
    """Numbers that a column of words settles: what a row is (the length of a route), not what happened."""
    texts = [
        a.values for a, _ in shown if a is not None and not a.clock and isinstance(a.values, Categorical)
    ]
    found = set()
    for plan, (number, _) in zip(planned, shown):
        if number is None or not plan.outcome or not isinstance(number.values, Numeric):
            continue
        numbers = number.values.values[early].astype(np.float64)
        for text in texts:
            known = text.codes[early] >= 0
            if (
                len(text.categories) >= 3
                and known.mean() >= HALF
                and _told(numbers[known], text.codes[early][known]) >= PROPERTY
            ):
                found.add(plan.name)
                break
    return found


def _told(numbers: Floats, codes: npt.NDArray[np.int32]) -> float:
    """The share of a number's variance that lies between the groups."""
    held = np.isfinite(numbers)
    x, of = numbers[held], codes[held]
    if len(x) < 2 or x.var() == 0:
        return 0.0
    counts = np.bincount(of)
    means = np.bincount(of, weights=x) / np.maximum(counts, 1)
    return float((counts * (means - x.mean()) ** 2).sum() / (len(x) * x.var()))


def _describes(found: Attribute, entities: Ints, early: Bools) -> bool:
    """Whether a column tells what an entity is, as a country does, and not what happened in a row."""
    assert isinstance(found.values, Categorical)
    codes, of = found.values.codes[early], entities[early]
    _, first, place, counts = np.unique(of, return_index=True, return_inverse=True, return_counts=True)
    again = counts[place] > 1
    return bool(again.any() and (codes == codes[first][place])[again].mean() >= OWN)


def _statuses(found: Attribute, early: Bools, taken: set[str]) -> Iterator[tuple[Outcome, exp.Expr]]:
    """The share of each value of a column that has few."""
    assert isinstance(found.values, Categorical)
    codes, categories = found.values.codes, found.values.categories
    if len(categories) > STATUSES:
        return
    counts = np.bincount(codes[early & (codes >= 0)], minlength=len(categories))
    plain = set(categories) == {"yes", "no"}
    told = range(len(categories))
    if len(categories) == 2:
        told = range(1, 2) if plain else range(int(counts.argmin()), int(counts.argmin()) + 1)
    for k in told:
        if not 0.01 <= counts[k] / max(1, counts.sum()) <= 0.99:
            continue
        text = categories[k]
        values = np.where(codes >= 0, codes == k, np.nan).astype(np.float64)
        column = exp.column(exp.to_identifier(found.name, quoted=True))
        known = column.copy().isin(*(exp.Literal.string(c) for c in categories))
        test = exp.EQ(this=column, expression=exp.Literal.string(text))
        value = exp.Case().when(known, exp.cast(test, "DOUBLE"))
        title = found.title if plain else f"{found.title} {text}"
        yield Outcome(free(f"{found.name} is {text}", taken), title, values, share=True), value


def _measured_apart(
    whole: Outcome, attributes: list[Attribute], early: Bools, taken: set[str]
) -> list[tuple[Outcome, exp.Expr]]:
    """The measure for each value of a column that mostly settles it: readings of different things."""
    for attribute in attributes:
        values = attribute.values
        if attribute.clock or not isinstance(values, Categorical):
            continue
        if not LEAST_PARTS <= len(values.categories) <= PARTS:
            continue
        if _settled_by(whole.values[early], values.codes[early]) < SETTLES:
            continue
        found: list[tuple[Outcome, exp.Expr]] = []
        for k, text in enumerate(values.categories):
            numbers = np.where(values.codes == k, whole.values, np.nan)
            column, test = (
                exp.column(exp.to_identifier(n, quoted=True)) for n in (whole.name, attribute.name)
            )
            value = exp.Case().when(exp.EQ(this=test, expression=exp.Literal.string(text)), column)
            name = free(f"{whole.name} of {text}", taken)
            found.append((replace(whole, name=name, title=f"{whole.title} of {text}", values=numbers), value))
        return found
    return []


def _settled_by(numbers: Floats, codes: npt.NDArray[np.int32]) -> float:
    """The share of the variance of a number's ranks that lies between the groups."""
    known = np.isfinite(numbers) & (codes >= 0)
    if known.sum() < KNOWN * np.isfinite(numbers).sum():
        return 0.0
    return _told(np.asarray(rankdata(numbers[known]), np.float64), codes[known])


def numbered(column: pa.ChunkedArray) -> Ints:
    """A number for each different value; rows without one are each their own."""
    if pa.types.is_null(column.type):
        return np.arange(len(column), dtype=np.int64)
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    unknown = codes < 0
    codes[unknown] = len(encoded.dictionary) + np.arange(int(unknown.sum()))
    return codes
