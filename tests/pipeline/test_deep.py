"""A question answered with the deep net: from the database to a saved model and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell import kernel
from foretell.core.errors import MissingExtraError, UsageError
from foretell.models import deep, families, portfolio
from foretell.models.net import NetFitted, NetLearner
from foretell.models.net.recipe import recipe_for
from foretell.models.tabm import TabMLearner
from foretell.models.tabm.recipe import Recipe
from foretell.pipeline import Answer
from foretell.prediction import learn
from foretell.report.layout import to_html, to_text
from foretell.task.regime import SEED_TIME

pytest.importorskip("torch")
if not kernel.AVAILABLE:
    pytest.skip("nets read tables through the native engine", allow_module_level=True)

QUERY = "PREDICT COUNT(visits.*, 0, 14, days) > 0 FOR EACH people.person_id"
START = datetime(2024, 1, 1)
PEOPLE = 30


def frames(*, until: int = 300) -> dict[str, pa.Table]:
    """People with a rate of visits each, up to a day."""
    rng = np.random.default_rng(2)
    rate = rng.gamma(0.7, 0.08, PEOPLE)
    days, who = np.nonzero(rng.random((300, PEOPLE)) < rate)
    minutes = rng.integers(1, 60, len(who))[days < until]
    days, who = days[days < until], who[days < until]
    return {
        "people": pa.table({"person_id": list(range(PEOPLE)), "joined_at": [START] * PEOPLE}),
        "visits": pa.table(
            {
                "visit_id": list(range(len(who))),
                "person_id": who,
                "at": [START + timedelta(days=int(d), hours=1) for d in days],
                "minutes": minutes,
            }
        ),
    }


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Small nets, time for them by estimate, and half of the weight."""
    recipe = replace(recipe_for(100), epochs=2, width=16, heads=2)
    perceptrons = TabMLearner(recipe=Recipe(members=4, width=16, epochs=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deep, "NetLearner", lambda copies: NetLearner(recipe=recipe, copies=1))
        patch.setattr(deep, "TabMLearner", lambda: perceptrons)
        patch.setattr(deep, "net_seconds", lambda graph, rows: 0.1)
        patch.setattr(deep, "FEWEST_ROWS", 50)
        patch.setattr(families, "CLEARLY", 1e9)
        patch.setattr(portfolio, "CLEARLY", 1e9)
        yield


@pytest.fixture(scope="module")
def answer() -> Iterator[Answer]:
    with foretell.connect(frames(), now="2024-10-27") as database:
        yield database.query(QUERY).ask(time_limit=10)


def test_the_report_scores_trees_and_net_beside_the_two_together(answer: Answer) -> None:
    assert set(answer.backtest.members) == {"trees", "net"} <= set(answer.backtest.scores)
    for text in (to_text(answer.view()), to_html(answer.view())):
        assert "its trees alone" in text and "its deep nets alone" in text
    told = json.loads(json.dumps(answer.to_dict()["backtest"]))["members"]
    assert told["net"]["value"] == pytest.approx(answer.backtest.members["net"].value)
    assert answer.drivers and [m.name for m in answer.model.fitted.nets] == ["net", "tabm"]


def test_a_saved_model_with_a_net_predicts_the_same(answer: Answer, tmp_path: Path) -> None:
    path = answer.model.save(tmp_path / "visits.foretell")
    again = foretell.load(path).predict(frames())
    first = answer.model.predict(frames())
    assert first.to_arrow() == again.to_arrow()
    assert foretell.load(path).save(tmp_path / "again.foretell").read_bytes() == path.read_bytes()


def test_a_row_of_ones_own_is_scored_as_the_population_is(answer: Answer) -> None:
    said = answer.model.predict(frames(), as_of="2024-10-01").to_arrow()
    rows = said.select(["person_id", "cutoff"])
    own = answer.model.predict_rows(rows, frames())
    np.testing.assert_allclose(own["probability"].to_numpy(), said["probability"].to_numpy(), atol=1e-6)


def test_what_comes_after_the_cutoff_changes_no_prediction(answer: Answer) -> None:
    """The same predictions from the database cut at the cutoff; at another cutoff they differ."""
    day = 250
    moment = START + timedelta(days=day)
    whole, cut = frames(), frames(until=day)
    assert cut["visits"].num_rows < whole["visits"].num_rows
    said = answer.model.predict(whole, as_of=str(moment)).to_arrow().sort_by("person_id")
    then = answer.model.predict(cut, as_of=str(moment)).to_arrow().sort_by("person_id")
    np.testing.assert_allclose(said["probability"].to_numpy(), then["probability"].to_numpy(), atol=1e-6)
    later = answer.model.predict(whole).to_arrow().sort_by("person_id")
    assert np.abs(said["probability"].to_numpy() - later["probability"].to_numpy()).max() > 1e-3


def test_without_torch_the_file_names_the_extra(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = answer.model.save(tmp_path / "visits.foretell")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'foretell\[deep\]'"):
        foretell.load(path)
    with foretell.connect(frames(), now="2024-10-27") as database, pytest.raises(MissingExtraError):
        database.query(QUERY).fit(model="deep")


def test_with_many_rows_the_nets_weights_are_kept_and_it_is_trained_on_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learn, "MANY_ROWS", 100)
    with foretell.connect(frames(), now="2024-10-27") as database:
        question = database.query(QUERY)
        judged, _ = question._measure(question._budget(10, "deep"), SEED_TIME).fitted.nets
        released, _ = question.fit(time_limit=10, model="deep").fitted.nets
    assert isinstance(judged, NetFitted) and isinstance(released, NetFitted)
    assert judged.epochs == released.epochs
    assert any((a != b).any() for a, b in zip(judged.weights[0].values(), released.weights[0].values()))


def test_an_engine_without_arrays_has_no_net(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_ENGINE", "duckdb")
    with foretell.connect(frames(), now="2024-10-27") as database:
        backtest = database.query(QUERY).backtest(time_limit=10)
        assert backtest.left_out == (
            "the relational net was not tried: it needs the native engine, and no memory cap",
        )
        with pytest.raises(UsageError, match="native engine"):
            database.query(QUERY).backtest(model="deep")
        perceptrons = database.query(QUERY).fit(time_limit=10)
        assert [m.name for m in perceptrons.fitted.nets] == ["tabm"]
        assert len(perceptrons.predict(frames())) == PEOPLE
    with pytest.raises(UsageError, match="native engine"):
        answer.model.predict(frames())


def test_why_there_is_no_net_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "FEWEST_ROWS", 10_000)
    with foretell.connect(frames(), now="2024-10-27") as database:
        (few,) = database.query(QUERY).backtest(time_limit=5).left_out
        monkeypatch.setattr(deep, "FEWEST_ROWS", 50)
        monkeypatch.setattr(deep, "net_seconds", lambda graph, rows: 1e9)
        monkeypatch.setattr(deep, "_has_gpu", lambda: False)
        (slow,) = database.query(QUERY).backtest(time_limit=5).left_out
    assert "it needs 10,000 rows" in few and "times the time limit" in slow


def test_only_rules() -> None:
    with foretell.connect(frames(), now="2024-10-27") as database:
        model = database.query(QUERY).fit(time_limit=10, model="baseline")
    assert model.fitted.families == ("baseline",) and len(model.predict(frames())) == PEOPLE
