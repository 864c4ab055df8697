"""Asking a model the same rows again with columns changed: members that read none say what they said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from foretell.explain.cost import is_net
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric, Values
from foretell.models.base import Context, Contributions, Files
from foretell.models.choice import Family
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.links import to_link
from foretell.task.model import TaskKind


@dataclass(frozen=True)
class Kept:
    """A member's word on rows, kept: it says the same whatever it is asked of them."""

    name: str
    kind: TaskKind
    said: Floats  # (rows,) or (rows, k)

    def predict(self, X: Matrix) -> Floats:
        assert X.rows == len(self.said), f"asked of {X.rows} rows, said of {len(self.said)}"
        return self.said

    def contributions(self, X: Matrix) -> Contributions:
        base = to_link(self.kind, self.said)
        return Contributions(X.names, np.zeros((X.rows, len(X.names), *base.shape[1:])), base)

    def importance(self) -> Mapping[str, float]:
        return {}

    def refit(self, data: Dataset, context: Context) -> Kept:
        raise AssertionError("what a member said cannot be trained")

    def dump(self) -> Files:
        raise AssertionError("what a member said is not saved")

    @classmethod
    def load(cls, files: Files) -> Kept:
        raise AssertionError("what a member said is not saved")


def settled(fitted: FittedModel, X: Matrix) -> FittedModel:
    """The model for these rows alone, with what its relational nets say of them kept."""
    if not fitted.is_relational:
        return fitted
    members = tuple(Kept(m.name, fitted.kind, m.predict(X)) if is_net(m) else m for m in fitted.members)
    return replace(fitted, members=members)


def nets_part(fitted: FittedModel, X: Matrix) -> Floats:
    """The part of the scores in link space that nets have said: (rows, outputs), 0 without nets."""
    outputs = len(fitted.classes) if fitted.kind is TaskKind.MULTICLASS else 1
    found = np.zeros((X.rows, outputs))
    for member, weight, family in zip(fitted.members, fitted.weights, fitted.families):
        if family == Family.NET:
            found += (
                fitted.calibration.slope
                * weight
                * to_link(fitted.kind, member.predict(X)).reshape(-1, outputs)
            )
    return found


def only(fitted: FittedModel, held: Callable[[str], bool]) -> FittedModel | None:
    """The model of the members of some families alone; None where there are none."""
    places = [i for i, family in enumerate(fitted.families) if held(family)]
    whole = sum(fitted.weights[i] for i in places)
    if not places or whole <= 0:
        return None
    return replace(
        fitted,
        members=tuple(fitted.members[i] for i in places),
        weights=tuple(fitted.weights[i] / whole for i in places),
        spreads=tuple(fitted.spreads[i] for i in places),
        families=tuple(fitted.families[i] for i in places),
    )


def with_rows_of(
    X: Matrix, places: Sequence[int], order: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> Matrix:
    """The matrix with some columns, together, as they are in other rows: row i has those of `order[i]`."""
    wanted = set(places)
    columns = tuple(_taken(c, order) if i in wanted else c for i, c in enumerate(X.columns))
    return Matrix(X.names, columns, X.rows, X.around)


def with_column(X: Matrix, place: int, column: Values) -> Matrix:
    """The matrix with one column as it is given."""
    columns = tuple(column if i == place else c for i, c in enumerate(X.columns))
    return Matrix(X.names, columns, X.rows, X.around)


def _taken(column: Values, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Values:
    if isinstance(column, Categorical):
        return replace(column, codes=column.codes[order])
    return Numeric(column.values[order])
