"""How much is tried, over which windows and which names: from settings and call to the saved model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import ConfigError
from foretell.pipeline import Answer, Database

QUERY = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.customer_id"


def frames() -> dict[str, pa.Table]:
    """Customers and their orders; `twice` repeats `amount`, and `batch` is empty until the last month."""
    rng, customers, count = np.random.default_rng(3), 80, 1500
    days = np.sort(rng.uniform(0, 300, count))
    amount = rng.gamma(2.0, 10.0, count)
    start = datetime(2024, 1, 1)
    orders = {
        "order_id": list(range(count)),
        "customer_id": rng.integers(0, customers, count),
        "placed_at": [start + timedelta(days=float(d)) for d in days],
        "amount": amount,
        "twice": 2 * amount,
        "again": amount,
        "batch": [float(i) if d > 295 else None for i, d in enumerate(days)],
    }
    people = {"customer_id": list(range(customers)), "age": rng.integers(18, 80, customers)}
    return {"customers": pa.table(people), "orders": pa.table(orders)}


@pytest.fixture(scope="module")
def shop() -> Iterator[Database]:
    with foretell.connect(frames(), now="2025-01-01") as database:
        yield database


@pytest.fixture(scope="module")
def answer(shop: Database) -> Answer:
    return shop.query(QUERY).ask(time_limit=1)


def test_what_tells_nothing_new_is_left_out_and_said(answer: Answer) -> None:
    names = set(answer.model.features.names)
    assert "orders.amount.mean.all" in names and "orders.twice.mean.all" in names
    assert "orders.again.mean.all" not in names  # bit for bit the amount
    assert not any(n.startswith("orders.batch.mean") for n in names)  # nothing while it was trained
    assert set(answer.model.fitted.columns) == names
    (said,) = [w for w in answer.warnings if w.startswith("features: ")]
    assert "of one value" in said and "that repeat others" in said
    told = {x["why"]: x for x in answer.to_dict()["left_out"]}
    assert told["that repeat others"]["features"] >= 10 and len(told["of one value"]["examples"]) == 3


def test_the_script_lists_all_of_it_and_a_saved_model_remembers(answer: Answer, tmp_path: Path) -> None:
    again = foretell.load(answer.model.save(tmp_path / "m.foretell"))
    assert again.features.left_out == answer.model.features.left_out
    text = again.sql()
    assert "-- Left out: " in text and "\n--   orders.again.mean.all\n" in text


def test_less_and_more(shop: Database) -> None:
    less, standard, more = (
        set(shop.query(QUERY, features=f, windows="7d,20d").fit(time_limit=1).features.names)
        for f in ("less", None, "more")
    )
    assert less <= standard < more
    assert "orders.amount.max.7d" in more - standard
    assert "orders.count.20d" in less and "orders.count.60d" not in more


def test_slips_are_refused_before_anything_is_learned(shop: Database) -> None:
    with pytest.raises(ConfigError, match="expected less, standard or more"):
        shop.query(QUERY, features="most")
    with pytest.raises(ConfigError, match="expected a span of time"):
        shop.query(QUERY, windows=("7 dayz",))


def test_settings_of_foretell_toml(tmp_path: Path) -> None:
    config = tmp_path / "foretell.toml"
    config.write_text(
        '[features]\nbreadth = "less"\nbudget = 30\nwindows = ["14d"]\n'
        'include = ["orders.*", "label.*"]\nexclude = ["*.twice.*", "*.colour.*"]\n'
    )
    with foretell.connect(frames(), config=config, now="2025-01-01") as database:
        answer = database.query(QUERY).ask(time_limit=1)
        wider = database.query(QUERY, features="more", windows="7d").fit(time_limit=1).features
    names = answer.model.features.names
    assert len(names) <= 30 and all(n.startswith(("orders.", "label.")) for n in names)
    assert "orders.count.14d" in names and not any("twice" in n for n in names)
    assert any("'*.colour.*' fits no feature" in w for w in answer.warnings)
    # What a call says goes over the file; the patterns still hold.
    assert len(wider) > 30 and "orders.count.7d" in wider.names and "customers.age" not in wider.names
    # A saved model keeps its features, whatever the settings are where it scores.
    config.write_text('[features]\nexclude = ["orders.*"]\n')
    with foretell.connect(frames(), config=config, now="2025-01-01") as other:
        assert len(answer.model.predict(other)) == 80
