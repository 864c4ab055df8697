"""From a database to a model's file and back: what it rests on, and why one entity scores as it does."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import DataError, UsageError
from foretell.explain.explanation import EntityExplanation, Explanation
from foretell.prediction.model import Model
from foretell.report.explaining import entity_view
from foretell.report.layout import to_text
from foretell.testing.databases import events

QUERY = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id"
AS_OF = "2024-10-20"


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return events(1, entities=60, rows=1200, days=360)


@pytest.fixture(scope="module")
def database(tables: dict[str, pa.Table]) -> Iterator[foretell.Database]:
    with foretell.connect(tables, now="2026-01-01", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def model(database: foretell.Database) -> Model:
    return database.query(QUERY).fit(time_limit=3, model="trees")


def test_reasons_rest_and_start_add_up_to_the_score(database: foretell.Database, model: Model) -> None:
    scored = {r["id"]: r["probability"] for r in model.predict(database, as_of=AS_OF).rows()}
    for entity in (1, 7, 20):
        told = model.explain(entity, database, as_of=AS_OF, top=4)
        assert told.prediction == pytest.approx(scored[entity])
        effects = sum(t.reason.effect for t in told)
        assert told.start + effects + told.rest + told.nets == pytest.approx(told.total)
        assert 1 / (1 + np.exp(-told.total)) == pytest.approx(told.prediction)
        assert 1 / (1 + np.exp(-told.start)) == pytest.approx(told.average)
        assert len(told) == 4 == len(list(told))
        assert all((t.change > 0) == (t.reason.effect > 0) for t in told)
        scale = told.reasons[0].change / told.reasons[0].reason.effect
        assert told.average + scale * (effects + told.rest) == pytest.approx(told.prediction)


def test_the_whole_model_is_explained_without_a_database(model: Model, tmp_path: Path) -> None:
    found = foretell.load(model.save(tmp_path / "m.foretell")).explain()
    assert isinstance(found, Explanation) and found == model.explanation
    assert found.stories and found.metric == "auroc" and found.rows > 0
    assert [d.text for d in model.drivers] == [s.text for s in found.stories[:8]]


def test_the_test_rows_were_not_trained_on(database: foretell.Database) -> None:
    """The model that is explained is the backtest's: its metric on all test rows is the backtest's own."""
    question = database.query(QUERY)
    backtest = question.backtest(time_limit=3, model="trees")
    told = question.fit(time_limit=3, model="trees").explain()
    assert told.rows <= backtest.rows
    if told.rows == backtest.rows:
        assert told.measured == pytest.approx(backtest.model.value)


def test_a_file_of_an_earlier_release_says_how_to_get_one(model: Model, tmp_path: Path) -> None:
    bare = replace(model, explanation=None).save(tmp_path / "old.foretell")
    old = tmp_path / "older.foretell"
    with zipfile.ZipFile(bare) as source:
        told = json.loads(source.read("model.json"))
        del told["explanation"]  # as files were before there was one
        rewritten = json.dumps(told, indent=1).encode()
        manifest = json.loads(source.read("manifest.json"))
        manifest["sha256"]["model.json"] = hashlib.sha256(rewritten).hexdigest()
        with zipfile.ZipFile(old, "w") as target:
            for name in source.namelist():
                part = {"model.json": rewritten, "manifest.json": json.dumps(manifest).encode()}
                target.writestr(name, part.get(name, source.read(name)))
    loaded = foretell.load(old)
    with pytest.raises(UsageError, match="earlier release") as error:
        loaded.explain()
    assert "foretell fit" in str(error.value)


def test_an_entity_of_an_old_model_is_explained_all_the_same(
    database: foretell.Database, model: Model
) -> None:
    told = replace(model, explanation=None).explain(7, database, as_of=AS_OF)
    assert told.reasons and told.nets == 0.0


def test_who_is_not_scored_is_an_error(database: foretell.Database, model: Model) -> None:
    with pytest.raises(UsageError, match="not found in 'customers'"):
        model.explain(10_000, database)
    recent = f"{QUERY} WHERE COUNT(orders.*, -10, 0, days) > 0"
    asked = database.query(recent).fit(time_limit=2, model="trees")
    idle = {*range(1, 61)} - {r["id"] for r in asked.predict(database, as_of=AS_OF).rows()}
    with pytest.raises(DataError, match="not among those that are scored at 2024-10-20"):
        asked.explain(min(idle), database, as_of=AS_OF)


def test_it_is_read_back_from_json_and_fits_a_terminal(database: foretell.Database, model: Model) -> None:
    told = model.explain(7, database, as_of=AS_OF)
    assert EntityExplanation.from_dict(json.loads(json.dumps(told.to_dict()))) == told
    text = to_text(entity_view(model.description, told), width=80)
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "id 7, as of 2024-10-20" in text and "without knowing anything of it" in text


def test_values_have_their_units_and_interval(database: foretell.Database) -> None:
    query = "PREDICT SUM(orders.amount, 0, 20, days) FOR EACH customers.id"
    model = database.query(query).fit(time_limit=3, model="trees")
    told = model.explain(7, database, as_of=AS_OF, top=50, hints=False)
    assert told.start + sum(t.reason.effect for t in told) + told.rest == pytest.approx(told.total)
    assert told.low is not None and told.high is not None and told.low <= told.prediction <= told.high
    assert "in the value's own units" in to_text(entity_view("…", told), width=80)
