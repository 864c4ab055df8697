"""A sheet of a question: entities at cutoffs, with what was known of each then, and what came of it.

Attributes are the plainer ones among the question's features: columns of the entity and of its parents, the
calendar, and how many, how much and how lately over its past rows, each over one window. The outcome is the
label. Rows whose label reaches beyond the split belong to neither part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from foretell.core.errors import DataError, UsageError
from foretell.core.time import DAY, Instant
from foretell.engines.base import Engine, Labels
from foretell.features.describe import words
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.features.model import Aggregated, Attribute, CutoffPart, Feature, FeatureSet, Kind
from foretell.patterns.finding import Finding
from foretell.patterns.naming import free
from foretell.patterns.rows import text_of
from foretell.patterns.settle import CATEGORIES, LEAST_SHARE
from foretell.patterns.sheet import Attribute as SheetAttribute
from foretell.patterns.sheet import Outcome, Sheet
from foretell.plan.build import template
from foretell.plan.script import rows_query
from foretell.task.describe import describe
from foretell.task.given import is_given
from foretell.task.model import Task, TaskKind

ROWS = 60_000  # of more, only some cutoffs are taken, evenly spread
FEATURES = 24
CLASSES = 6
EARLY = 0.5  # of the rows
LATER = 12  # cutoffs at least, where there are twice as many: fewer carry no claim
MEASURES = ("count", "recency", "sum", "mean", "tenure", "distinct", "last_category")


@dataclass(frozen=True)
class Asked:
    """A question's sheet, with what is needed to say a finding in SQL of its own features alone."""

    sheet: Sheet
    task: Task
    features: FeatureSet
    cutoffs: tuple[Instant, ...]
    names: tuple[str, ...]  # of the features in the sheet

    def narrowed(self, found: Finding) -> Finding:
        """The finding with SQL that makes no feature which it does not speak of."""
        rest = found.sql.replace(self.sheet.source, "")
        used = [f.name for f, n in zip(self.features.features, self.names) if quoted(n) in rest]
        if not used or self.sheet.source not in found.sql or self.sheet.preamble.strip() not in found.sql:
            return found
        preamble, source = _sql(
            self.task,
            self.features.select(used),
            self.cutoffs,
            self.sheet,
            dict(zip(self.features.names, self.names)),
        )
        sql = found.sql.replace(self.sheet.source, source).replace(
            self.sheet.preamble.strip(), preamble.strip()
        )
        return replace(found, sql=sql)


def target_sheet(task: Task, labels: Labels, features: FeatureSet, engine: Engine) -> Asked:
    """The sheet of a question's labels, with the readable ones of its features at the same rows."""
    if is_given(task):
        raise UsageError(
            "labels that are brought along have no SQL, so no pattern of them can be stated",
            mend="ask in the query language, or look at a table with --table",
        )
    if task.kind not in (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS):
        raise UsageError(
            f"patterns are of yes or no, of numbers and of classes, not of {task.kind.value} tasks",
            mend="ask for one number of each entity",
        )
    rows = labels.rows
    moments = np.unique(rows.cutoffs)
    kept = moments
    if not task.is_static and len(rows) > ROWS:
        many = max(6, int(len(moments) * ROWS / len(rows)))
        kept = moments[np.unique(np.linspace(0, len(moments) - 1, many).astype(int))]
    if len(kept) < 2:
        raise DataError("one cutoff is no history", mend="ask for a shorter window, or of more data")
    chosen = np.flatnonzero(np.isin(rows.cutoffs, kept))
    rows, values = rows.take(chosen), labels.values[chosen]
    order = np.argsort(rows.cutoffs, kind="stable")
    rows, values = rows.take(order), values[order]
    split = int(np.quantile(rows.cutoffs, EARLY, method="lower"))
    if task.is_static:
        split = split // DAY * DAY
    else:
        place = min(int(np.searchsorted(kept, split)), max(len(kept) - LATER, len(kept) // 2))
        split = int(kept[place])
    gap = 0 if task.horizon is None else split - (-task.horizon).after(split)
    told = readable(features)
    matrix = engine.features(feature_plan(task, told), rows)
    attributes = _attributes(told, matrix, rows.cutoffs < split - gap)
    outcomes = _outcomes(task, values, {a.name.casefold() for a in attributes})
    made = Sheet(
        name="target",
        title=words(task.entity.name) + ("" if task.is_static else f", each at {len(kept)} cutoffs"),
        times=rows.cutoffs,
        entities=rows.entities.astype(np.int64),
        attributes=tuple(attributes),
        outcomes=outcomes,
        split=split,
        source="",
        gap=gap,
    )
    names = {f.name: a.name for f, a in zip(told.features, attributes)}
    cutoffs = tuple(int(c) for c in kept)
    preamble, source = _sql(task, told, cutoffs, made, names)
    return Asked(replace(made, preamble=preamble, source=source), task, told, cutoffs, tuple(names.values()))


def readable(features: FeatureSet) -> FeatureSet:
    """At most `FEATURES` plain ones: one window of each measure of each value."""
    kept: list[str] = []
    seen: set[object] = set()
    for feature in features.features:
        what = _plain(feature)
        if what is None or what in seen:
            continue
        seen.add(what)
        kept.append(feature.name)
    return features.select(kept[:FEATURES])


def _plain(feature: Feature) -> object:
    """What a feature is but for its window; None where it is not plain."""
    definition = feature.definition
    if feature.kind is Kind.TEXT:
        return None
    if isinstance(definition, Attribute | CutoffPart):
        return definition
    if isinstance(definition, Aggregated) and definition.measure in MEASURES and definition.ago is None:
        if definition.value is not None and (definition.value.following or definition.value.within):
            return None
        return replace(definition, window=None)
    return None


def _attributes(told: FeatureSet, matrix: Matrix, early: npt.NDArray[np.bool_]) -> list[SheetAttribute]:
    taken = {"time", "entity"}
    made = []
    for feature in told.features:
        values = matrix[feature.name]
        if isinstance(values, Numeric):
            held = Numeric(values.values.astype(np.float32).astype(np.float64))
            made.append(SheetAttribute(free(feature.name, taken), feature.description, feature.group, held))
            continue
        counts = np.bincount(values.codes[early & (values.codes >= 0)], minlength=len(values.categories))
        frequent = np.argsort(-counts, kind="stable")[:CATEGORIES]
        kept = sorted(int(k) for k in frequent if counts[k] >= max(20, LEAST_SHARE * early.sum()))
        place = np.full(len(values.categories) + 1, -1, dtype=np.int32)
        place[kept] = np.arange(len(kept), dtype=np.int32)
        folded = Categorical(place[values.codes], tuple(values.categories[k] for k in kept))
        made.append(SheetAttribute(free(feature.name, taken), feature.description, feature.group, folded))
    return made


def _outcomes(task: Task, values: npt.NDArray[np.object_], taken: set[str]) -> tuple[Outcome, ...]:
    asked = outcome_title(task)
    held = {"time", "entity", *taken}
    if task.kind is not TaskKind.MULTICLASS:
        numbers = values.astype(np.float64)
        return (Outcome(free("label", held), asked, numbers, share=task.kind is TaskKind.BINARY),)
    texts = np.array([str(v) for v in values], dtype=object)
    found, counts = np.unique(texts, return_counts=True)
    frequent = [str(found[k]) for k in np.argsort(-counts, kind="stable")[:CLASSES]]
    return tuple(
        Outcome(free(f"label {t}", held), f"{t} ({asked})", (texts == t).astype(np.float64), share=True)
        for t in frequent
    )


def outcome_title(task: Task) -> str:
    """What is asked, as a noun: "no orders in the 30 days after the cutoff"."""
    asked = describe(task).partition(": ")[2].partition("?")[0]
    for start in ("will they have ", "how many ", "what will be ", "what is ", "will there be "):
        asked = asked.removeprefix(start)
    return asked or "the label"


def _sql(
    task: Task, told: FeatureSet, cutoffs: Sequence[Instant], made: Sheet, names: dict[str, str]
) -> tuple[str, str]:
    """The statements before, and the sheet's SELECT. Numbers are rounded as the features themselves are."""
    plan = feature_plan(task, told)
    texts = {f.name: f.description for f in told.features}
    preamble, query = rows_query(plan, target_plan(task), task.schema, cutoffs, texts)
    outer = exp.select('"time"', "entity", dialect="duckdb").from_(query.subquery("s"))
    for i, feature in enumerate(plan.outputs):
        attribute = made.attribute(names[feature])
        value: exp.Expr = exp.column(f"f{i}")
        if isinstance(attribute.values, Categorical):
            text = exp.cast(value, "VARCHAR")
            kept = [exp.Literal.string(c) for c in attribute.values.categories]
            value = exp.Case().when(exp.In(this=text.copy(), expressions=kept), text) if kept else exp.Null()
        else:
            value = template("CAST(CAST(v AS FLOAT) AS DOUBLE)", v=value)
        outer = outer.select(value.as_(attribute.name, quoted=True))
    label = exp.column("label")
    for outcome in made.outcomes:
        value = exp.cast(label.copy(), "DOUBLE")
        if task.kind is TaskKind.MULTICLASS:
            which = exp.Literal.string(outcome.title.removesuffix(f" ({outcome_title(task)})"))
            value = exp.cast(exp.EQ(this=exp.cast(label.copy(), "VARCHAR"), expression=which), "DOUBLE")
        outer = outer.select(value.as_(outcome.name, quoted=True))
    return preamble, text_of(outer)


def quoted(name: str) -> str:
    """A column's name as it stands in SQL."""
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
