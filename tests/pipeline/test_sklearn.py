"""The estimators behave as scikit-learn's do, and agree with the library's own way of asking."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline

import foretell
from foretell.core.time import parse_span
from foretell.sklearn import RelationalClassifier, RelationalRegressor
from foretell.testing.shop import shop_frames

FIRST = datetime(2024, 6, 1)


@pytest.fixture(scope="module")
def shop() -> dict[str, object]:
    return dict(shop_frames(customers=120, days=300))


@pytest.fixture(scope="module")
def rows(shop: dict[str, object]) -> pd.DataFrame:
    """Orders of the 30 days after each of four cutoffs, and how many were made."""
    orders = shop["orders"].to_pandas()  # type: ignore[attr-defined]
    end = orders.ordered_at.max()
    customers = shop["customers"].to_pandas()  # type: ignore[attr-defined]
    parts = []
    for back in (120, 90, 60, 30):
        cutoff = end - timedelta(days=back)
        ids = customers.customer_id[customers.signed_up_at <= cutoff]
        near = orders[(orders.ordered_at > cutoff) & (orders.ordered_at <= cutoff + timedelta(days=30))]
        count = near.groupby("customer_id").size().reindex(ids, fill_value=0)
        parts.append(
            pd.DataFrame({"customer_id": ids.to_numpy(), "cutoff": cutoff, "count": count.to_numpy()})
        )
    return pd.concat(parts, ignore_index=True)


def churn(shop: dict[str, object], **said: object) -> RelationalClassifier:
    return RelationalClassifier(shop, "customers.customer_id", horizon="30d", time_limit=1, **said)


def test_probabilities_of_two_classes_keep_their_names_and_order(
    shop: dict[str, object], rows: pd.DataFrame
) -> None:
    y = np.where(rows["count"] > 0, "stays", "leaves")
    found = churn(shop).fit(rows, y)
    said = found.predict_proba(rows)
    assert found.classes_.tolist() == ["leaves", "stays"]
    assert said.shape == (len(rows), 2)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    # Those who stay are told apart from those who leave, and not the other way about.
    assert said[y == "stays", 1].mean() > said[y == "leaves", 1].mean() + 0.05
    assert set(found.predict(rows)) <= {"leaves", "stays"}


def test_it_says_what_the_library_says(shop: dict[str, object], rows: pd.DataFrame) -> None:
    y = (rows["count"] > 0).astype(int)
    found = churn(shop, seed=3).fit(rows, y)
    with foretell.connect(shop, seed=3) as database:
        labels = rows[["customer_id", "cutoff"]].assign(label=y)
        question = database.given(labels, entity="customers.customer_id", horizon=parse_span("30d"))
        own = question.fit(time_limit=1).predict_rows(rows[["customer_id", "cutoff"]])
    np.testing.assert_allclose(found.predict_proba(rows)[:, 1], own["probability"].to_numpy())


def test_several_classes(shop: dict[str, object], rows: pd.DataFrame) -> None:
    y = rows["count"].clip(upper=2)
    found = churn(shop).fit(rows, y)
    said = found.predict_proba(rows)
    assert said.shape == (len(rows), 3)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert found.predict(rows).dtype == y.dtype


def test_numbers_and_their_intervals(shop: dict[str, object], rows: pd.DataFrame) -> None:
    found = RelationalRegressor(shop, "customers.customer_id", horizon="30d", time_limit=1)
    said = found.fit(rows, rows["count"]).predict(rows)
    assert said.shape == (len(rows),)
    assert np.corrcoef(said, rows["count"])[0, 1] > 0.2
    low, high = found.predict_interval(rows).T
    assert (low <= said).all() and (said <= high).all()


def test_it_clones_scores_and_searches_as_others_do(shop: dict[str, object], rows: pd.DataFrame) -> None:
    y = (rows["count"] > 0).astype(int)
    held = churn(shop, model="baseline")
    assert clone(held).get_params()["time_limit"] == 1
    split = TimeSeriesSplit(n_splits=2, test_size=100)
    scores = cross_val_score(Pipeline([("model", held)]), rows, y, cv=split, scoring="roc_auc")
    assert np.isfinite(scores).all()
    search = GridSearchCV(held, {"model": ["baseline", "trees"]}, cv=split, scoring="roc_auc", refit=False)
    assert len(search.fit(rows, y).cv_results_["params"]) == 2


def test_slips_are_told(shop: dict[str, object], rows: pd.DataFrame) -> None:
    with pytest.raises(foretell.UsageError, match="does not know its database"):
        RelationalClassifier().fit(rows, rows["count"] > 0)
    with pytest.raises(foretell.UsageError, match="100 labels"):
        churn(shop).fit(rows, [1] * 100)
    with pytest.raises(foretell.UsageError, match="no cutoff"):
        churn(shop).fit(rows[["customer_id"]], rows["count"] > 0)
