"""Planted truths: what decides has all of the loss, what is chance none; a step is a step; JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_stories import FEATURES, fitted, regression, rows, task

from foretell.explain.dependence import dependence
from foretell.explain.drivers import Parts, influences, remarks, shuffled
from foretell.explain.explanation import Estimate, Explanation, Influence
from foretell.explain.overall import Overall, explained
from foretell.explain.stories import grouped, story
from foretell.features.matrix import Categorical, Numeric
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.report.explaining import explanation_view
from foretell.report.layout import to_text
from foretell.task.model import TaskKind

ORDERS, VISITS = "↓orders.customer_id", "↓visits.customer_id"


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fitted(rows(seed=1))


@pytest.fixture(scope="module")
def test() -> Dataset:
    return rows(seed=2)


@pytest.fixture(scope="module")
def overall(model: FittedModel, test: Dataset) -> Overall:
    return explained(model, FEATURES, task(), test, metric="auroc", seconds=5.0)


def test_the_story_that_decides_has_all_of_the_loss(overall: Overall) -> None:
    lost = {s.key: s.lost for s in overall.explanation.stories}
    orders, visits = lost[ORDERS], lost[VISITS]
    assert orders is not None and visits is not None
    assert orders.value > 0.35 and orders.low > 0.3
    assert abs(visits.value) < 0.02 and visits.low < 0.01
    first = overall.explanation.stories[0]
    assert first.key == ORDERS and first.share > 0.8 and first.columns == 2
    assert first.direction == "higher values lower it"
    assert overall.drivers[0].text == "days since the last of orders so far"


def test_another_truth_is_told_of_another_table(test: Dataset) -> None:
    """The control: where the place of birth decides, orders lose nothing."""
    born = fitted(rows(seed=1, decides="born"))
    told = explained(born, FEATURES, task(), rows(seed=2, decides="born"), metric="auroc", seconds=5.0)
    tables = {t.key: t for t in told.explanation.tables}
    assert tables["customers"].share > 0.8
    assert tables["customers"].lost is not None and tables["customers"].lost.low > 0.3
    assert tables["orders"].lost is not None and tables["orders"].lost.value < 0.02


def test_columns_of_a_story_are_shuffled_together(model: FittedModel, test: Dataset) -> None:
    """Shuffled one by one, columns that say the same would lose nothing each."""
    groups = grouped(model.columns, FEATURES, story)
    assert groups[ORDERS] == [0, 1]
    whole = shuffled(model, test, groups, METRICS["auroc"])[ORDERS]
    assert whole == shuffled(model, test, groups, METRICS["auroc"])[ORDERS]
    one = shuffled(model, test, {"alone": [1]}, METRICS["auroc"])["alone"]
    assert whole.value > one.value + 0.2


def test_contributions_and_base_add_up_to_the_score(model: FittedModel, test: Dataset) -> None:
    parts = model.explain(test.X)
    assert np.allclose(parts.total, model.raw(test.X))
    stories, paths, tables = influences(Parts.of(model, test), FEATURES, task())
    for told in (stories, paths, tables):
        assert sum(i.share for i in told) == pytest.approx(1.0)


def test_what_is_used_and_does_not_help_is_said() -> None:
    def used(text: str, share: float, lost: Estimate) -> Influence:
        return Influence(text, text, 1, share, 1.0, lost=lost)

    helps, idle, harms, small = (
        used("helps", 0.4, Estimate(0.1, 0.05, 0.15)),
        used("idle", 0.3, Estimate(0.0, -0.01, 0.01)),
        used("harms", 0.2, Estimate(-0.05, -0.08, -0.02)),
        used("small", 0.01, Estimate(0.0, -0.01, 0.01)),
    )
    no_worse, better = remarks((helps, idle, harms, small), METRICS["auroc"])
    assert "'idle' (30%)" in no_worse and "'helps'" not in no_worse and "'small'" not in no_worse
    assert "is better" in better and "'harms' (20%)" in better
    assert remarks((helps,), METRICS["auroc"]) == ()


def test_the_curve_of_a_step_is_a_step() -> None:
    curve = dependence(
        fitted(regression(seed=1), TaskKind.REGRESSION), regression(seed=2), "orders.recency.all"
    )
    assert curve is not None and curve.how == "ale"
    low = [p.value for p in curve.points if p.at is not None and float(p.at) < 15]
    high = [p.value for p in curve.points if p.at is not None and float(p.at) > 30]
    # The step of 10 is one of orders.count.30d too, so that the model may split it between the two.
    assert np.ptp(low) < 1 and np.ptp(high) < 1 and 7 < np.mean(low) - np.mean(high) < 11
    assert all(p.low <= p.value <= p.high for p in curve.points)
    flat = dependence(fitted(regression(seed=1), TaskKind.REGRESSION), regression(seed=2), "visits.count.30d")
    assert flat is not None and np.ptp([p.value for p in flat.points]) < 0.5


def test_the_curve_of_a_category_is_asked_at_its_values() -> None:
    born = fitted(rows(seed=1, decides="born"))
    curve = dependence(born, rows(seed=2, decides="born"), "born")
    assert curve is not None and curve.how == "pd"
    told = {p.at: p.value for p in curve.points}
    assert told["CH"] > 0.8 and told["AT"] < 0.2 and told["DE"] < 0.2


def test_a_column_that_does_not_vary_has_no_curve(model: FittedModel, test: Dataset) -> None:
    still = replace(test.X, columns=(Numeric(np.zeros(test.rows)), *test.X.columns[1:]))
    assert dependence(model, replace(test, X=still, shared={}), "orders.recency.all") is None


def test_classes_have_an_explanation_of_the_commonest(test: Dataset) -> None:
    classes = ("never", "once", "often")
    data = rows(seed=1)
    kinds = np.where(data.y == 0, 0.0, 1.0 + (np.arange(data.rows) % 3 == 0))
    data = replace(data, y=kinds, shared={})
    model = fitted(data, TaskKind.MULTICLASS, classes)
    told = explained(model, FEATURES, task(), data, metric="accuracy", seconds=5.0).explanation
    assert told.of == "never" and told.stories[0].key == ORDERS
    assert told.stories[0].direction == "higher values raise it"
    assert told.dependence[0].of == "never"


def test_it_is_read_back_from_json_and_shown(overall: Overall) -> None:
    found = overall.explanation
    again = Explanation.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    text = to_text(explanation_view("For each customer: …", found), width=80)
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "days since the last of orders so far: higher values lower it" in " ".join(text.split())
    assert "By table" in text and "How the probability goes with each" in text


def test_rows_of_one_class_have_no_loss(model: FittedModel, test: Dataset) -> None:
    same = replace(test, y=np.zeros(test.rows), shared={})
    told = explained(model, FEATURES, task(), same, metric="auroc", seconds=5.0).explanation
    assert np.isnan(told.measured) and told.stories[0].lost is None
    assert Explanation.from_dict(json.loads(json.dumps(told.to_dict()))).stories == told.stories
    assert isinstance(test.X["born"], Categorical)
