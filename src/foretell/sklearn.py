"""Estimators in scikit-learn's manner: rows of (entity key, cutoff) in, predictions out; features come from a
database.

They take part in pipelines, clones, grid searches and cross-validation. A split must respect time
(`TimeSeriesSplit` on rows in order of their cutoffs), for rows of one period know one another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from foretell.core.errors import UsageError
from foretell.core.text import plural
from foretell.core.time import parse_span
from foretell.models.choice import Choice
from foretell.pipeline import Database, connect
from foretell.prediction.labels import as_table
from foretell.prediction.model import Model
from foretell.query.ast import Returns
from foretell.task.model import TaskKind

Values = npt.NDArray[Any]
EVERY_CLASS = Returns("PROBABILITY")


class _Relational(BaseEstimator):  # type: ignore[misc]
    """What both estimators share; their parameters are described there."""

    def __init__(
        self,
        database: Any = None,
        entity: str = "",
        *,
        horizon: str | None = None,
        time_limit: float = 30.0,
        model: str = Choice.AUTO,
        features: str | None = None,
        config: str | None = None,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.database = database
        self.entity = entity
        self.horizon = horizon
        self.time_limit = time_limit
        self.model = model
        self.features = features
        self.config = config
        self.seed = seed
        self.threads = threads

    def _fit(self, X: Any, labels: pa.Array, kind: TaskKind) -> None:
        if not self.entity or self.database is None:
            raise UsageError(
                "the estimator does not know its database or its entity",
                mend='RelationalClassifier("shop.duckdb", "customers.customer_id")',
            )
        rows = as_table(X)
        if rows.num_rows != len(labels):
            raise UsageError(f"found {plural(rows.num_rows, 'row')} and {len(labels):,} labels")
        kept = [n for n in rows.column_names if n != "label"]
        table = rows.select(kept).append_column("label", labels)
        held = isinstance(self.database, Database)
        database = (
            self.database
            if held
            else connect(self.database, config=self.config, seed=self.seed, threads=self.threads)
        )
        try:
            question = database.given(
                table,
                entity=self.entity,
                kind=kind,
                horizon=None if self.horizon is None else parse_span(self.horizon),
                features=self.features,
            )
            fitted = question.fit(time_limit=self.time_limit, model=self.model)
            self.model_ = replace(fitted, home=None)
        finally:
            if not held:
                database.close()

    def _scores(self, X: Any) -> pa.Table:
        check_is_fitted(self, "model_")
        model: Model = self.model_
        asked = replace(model.task, query=replace(model.task.query, returns=EVERY_CLASS))
        if asked.kind is not TaskKind.MULTICLASS:
            asked = model.task
        return replace(model, task=asked).predict_rows(as_table(X), self.database)


class RelationalClassifier(ClassifierMixin, _Relational):  # type: ignore[misc]
    """A classifier of an entity's rows, with features from its database as of each row's cutoff.

    Parameters: `database`, a path, URL, dict of frames or open `Database`; `entity`, such as
    "customers.customer_id"; `horizon`, such as "30d", how long after its cutoff a label is settled (folds
    keep that distance); `time_limit` in seconds; `model`, `features`, `config`, `seed` and `threads` as in
    `connect` and `Database.given`.

    `X` has the entity's key columns and `cutoff`, in a pandas, polars or Arrow table; other columns are not
    read. `y` has one label a row. After `fit`: `classes_` (k,), and `model_`, a `foretell.Model`.

    >>> from datetime import timedelta
    >>> import pyarrow as pa
    >>> from foretell.testing.shop import shop_frames
    >>> shop = shop_frames(customers=120, days=200)
    >>> last = max(shop["customers"]["signed_up_at"].to_pylist())
    >>> cutoffs = [last, last + timedelta(days=7), last + timedelta(days=14)]
    >>> ids = shop["customers"]["customer_id"].to_pylist()
    >>> X = pa.table({"customer_id": ids * 3, "cutoff": [c for c in cutoffs for _ in ids]})
    >>> y = ["even" if i % 2 == 0 else "odd" for i in ids * 3]
    >>> estimator = RelationalClassifier(shop, "customers.customer_id", time_limit=1)
    >>> estimator.fit(X, y).predict_proba(X).shape
    (360, 2)
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows and their labels: numbers, booleans or text, of two classes or more."""
        labels = np.asarray(y)
        self.classes_, place = np.unique(labels, return_inverse=True)
        if len(self.classes_) == 2:
            self._fit(X, pa.array(place.astype(np.int64)), TaskKind.BINARY)
        else:
            self._fit(X, pa.array([str(v) for v in labels.tolist()]), TaskKind.MULTICLASS)
        return self

    def predict_proba(self, X: Any) -> Values:
        """(rows, k) probabilities, in the order of `classes_`."""
        found = self._scores(X)
        if len(self.classes_) == 2:
            yes = np.asarray(found["probability"].to_numpy(), dtype=np.float64)
            return np.stack([1 - yes, yes], axis=1)
        columns = [f"p({name})" for name in map(str, self.classes_.tolist())]
        absent = np.zeros(
            found.num_rows
        )  # classes beyond the fifty most frequent have no column of their own
        known = found.column_names
        return np.stack([np.asarray(found[c].to_numpy()) if c in known else absent for c in columns], axis=1)

    def predict(self, X: Any) -> Values:
        """(rows,) the most likely class."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class RelationalRegressor(RegressorMixin, _Relational):  # type: ignore[misc]
    """A regressor of an entity's rows, with features from its database as of each row's cutoff.

    Parameters, `X` and attributes are those of `RelationalClassifier`; `y` has one number a row.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows and their numbers."""
        self._fit(X, pa.array(np.asarray(y, dtype=np.float64)), TaskKind.REGRESSION)
        return self

    def predict(self, X: Any) -> Values:
        """(rows,) the expected value."""
        return np.asarray(self._scores(X)["prediction"].to_numpy(), dtype=np.float64)

    def predict_interval(self, X: Any) -> Values:
        """(rows, 2) the ends of an interval that should hold 80% of the truths; NaN where there is none."""
        found = self._scores(X)
        if "low" not in found.column_names:
            return np.full((found.num_rows, 2), np.nan)
        return np.stack([found["low"].to_numpy(), found["high"].to_numpy()], axis=1)
