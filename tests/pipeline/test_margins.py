"""Margins of real labels: the quantity under the condition, row by row."""

from __future__ import annotations

import numpy as np
import pytest

import foretell
from foretell.engines.base import Labels
from foretell.features.lower import target_plan
from foretell.prediction.learn import learning_moments
from foretell.prediction.margins import margins
from foretell.testing.shop import shop_frames

FOR = "FOR EACH customers.customer_id"
SPENT = "SUM(orders.amount, 0, 30, days)"


@pytest.fixture(scope="module")
def database() -> foretell.Database:
    return foretell.connect(shop_frames(customers=80, days=300))


def test_they_are_the_quantity_less_the_border(database: foretell.Database) -> None:
    question = database.query(f"PREDICT {SPENT} > 40 {FOR}")
    engine = database.opened.engine
    cutoffs = learning_moments(database.opened, question.task)
    ours = engine.labels(target_plan(question.task), cutoffs)
    quantity = engine.labels(target_plan(database.query(f"PREDICT {SPENT} {FOR}").task), cutoffs)
    shuffle = np.random.default_rng(0).permutation(len(ours.rows))
    mixed = Labels(ours.rows.take(shuffle), ours.values[shuffle], {})
    found = margins(engine, question.task, mixed)
    assert found is not None
    np.testing.assert_allclose(found, quantity.values[shuffle] - 40)
    np.testing.assert_array_equal(found > 0, mixed.values.astype(bool))


def test_labels_that_mean_something_else_have_none(database: foretell.Database) -> None:
    question = database.query(f"PREDICT {SPENT} > 40 {FOR}")
    engine = database.opened.engine
    ours = engine.labels(target_plan(question.task), learning_moments(database.opened, question.task))
    assert margins(engine, question.task, Labels(ours.rows, 1 - ours.values, {})) is None


def test_a_question_learns_from_them(database: foretell.Database) -> None:
    model = database.query(f"PREDICT {SPENT} > 40 {FOR}").fit(time_limit=2, model="trees")
    assert any(m.name.endswith("_of_margin") for m in model.fitted.members)
