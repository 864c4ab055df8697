"""What a portfolio is made of: the rows to train, to choose and to train anew on, and the terms it is made
on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foretell.core.errors import DataError, UsageError
from foretell.models.base import Context
from foretell.models.choice import Choice
from foretell.models.criteria import METRICS, Metric
from foretell.models.dataset import Dataset, Index, concat, split_by_group
from foretell.models.fitted import FittedModel, check_labels
from foretell.models.rolling import Rolling
from foretell.models.screen import screened
from foretell.task.model import TaskKind

HOLDOUT = 0.2
"""The share of the entities that is held out where there are no later rows to choose on."""


@dataclass(frozen=True)
class Terms:
    """What may be tried: for how many seconds, which families, and what is known of the rows' history.

    `earlier` is a model of the rows to train on, `no_net` why rows have no neighbourhoods, `rolling` that
    earlier folds may be looked at; `frozen` says that history was.
    """

    time_limit: float
    choice: Choice = Choice.AUTO
    earlier: FittedModel | None = None
    no_net: str | None = None
    rolling: Rolling | None = None
    frozen: bool = False

    def __post_init__(self) -> None:
        if self.time_limit <= 0:
            raise UsageError(f"found {self.time_limit:g} seconds, expected a time limit above 0")


@dataclass(frozen=True)
class Material:
    """Rows to train on, later ones to choose on, and those that the chosen members are trained anew on.

    `notes` are sentences for the report about them. `floor` is 0 where no value was ever negative.
    """

    train: Dataset
    valid: Dataset
    whole: Dataset
    context: Context
    notes: tuple[str, ...] = ()
    floor: float | None = None

    def select(self, names: Sequence[str]) -> Material:
        """The same rows with the named columns."""
        if len(names) == len(self.train.X.names):
            return self
        train, valid, whole = (d.select(names) for d in (self.train, self.valid, self.whole))
        return replace(self, train=train, valid=valid, whole=whole)


def gathered(train: Dataset, valid: Dataset | None, whole: Dataset | None, context: Context) -> Material:
    """The rows as they are given; without later ones some entities are held out to choose on.

    The context's criterion becomes one that is defined on the rows to choose on.
    """
    if whole is None:
        whole = train if valid is None else concat(train, valid)
    notes = check_labels(train, context)
    if valid is None or valid.rows == 0:
        kept, held = _internal_split(train, context)
        train, valid = whole.take(kept), whole.take(held)
        notes.append("there was too little history for later cutoffs: some entities were held out instead")
    criterion = _usable_criterion(context.criterion, valid, notes)
    context = replace(context, criterion=criterion)
    floor = 0.0 if context.kind is TaskKind.REGRESSION and bool((whole.y >= 0).all()) else None
    return Material(train, valid, whole, context, tuple(notes), floor)


def columns_to_learn(material: Material, terms: Terms) -> tuple[str, ...]:
    """Of hundreds of columns those of most use, in the matrix's order, and those that earlier nets read."""
    train = material.train
    names = train.X.names if terms.frozen else screened(train, material.context, terms.time_limit)
    if terms.earlier is None or not terms.earlier.nets:
        return names
    wanted = {*names, *terms.earlier.columns}
    return tuple(n for n in train.X.names if n in wanted)


def _usable_criterion(criterion: Metric, valid: Dataset, notes: list[str]) -> Metric:
    """The criterion, or log-loss where it is not defined on these rows (AUROC of one class)."""
    if criterion.ranked is None or np.isfinite(criterion.score(valid.y, np.zeros(valid.rows))):
        return criterion
    notes.append(f"{criterion.name} is not defined on the validation rows: log-loss chose the model")
    return METRICS["logloss"]


def _internal_split(train: Dataset, context: Context) -> tuple[Index, Index]:
    """Entities held out for validation; dealt again (a fixed number of times) while a side has a single
    class.
    """
    for attempt in range(20):
        kept, held = split_by_group(train, HOLDOUT, context.seed + attempt)
        sides = (train.y[kept], train.y[held])
        if len(kept) and len(held) and all(len(np.unique(s)) > 1 for s in sides):
            return kept, held
    raise DataError(
        f"{train.rows:,} training rows are too few to hold some out",
        mend="use more cutoffs, or a larger population",
    )
