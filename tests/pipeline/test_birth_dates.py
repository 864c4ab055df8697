"""Tables without a time: what came before a row's first event is read, what is written anew is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.time import parse_instant, to_datetime
from foretell.prediction.model import Model

QUERY = "PREDICT COUNT(logins.*, 0, 30, days) > 0 FOR EACH users.user_id"
CUTOFF = parse_instant("2024-09-15")
USERS = 120


def frames() -> dict[str, pa.Table]:
    """Users who join over the year, three hours before their first login; `updated_at` is of their last."""
    rng = np.random.default_rng(3)
    joined = [datetime(2024, 1, 1) + timedelta(days=float(d)) for d in np.sort(rng.uniform(0, 300, USERS))]
    often = rng.uniform(3, 60, USERS)
    logins = []
    for user, start in enumerate(joined):
        at = start + timedelta(hours=3)
        while at < datetime(2024, 12, 27):
            logins.append((user, at))
            at += timedelta(days=float(rng.exponential(often[user])), seconds=1)
    last = dict(logins)
    return {
        "users": pa.table(
            {
                "user_id": list(range(USERS)),
                "joined": joined,
                "updated_at": [last[u] for u in range(USERS)],
            }
        ),
        "logins": pa.table(
            {
                "login_id": list(range(len(logins))),
                "user_id": [u for u, _ in logins],
                "at": [m for _, m in logins],
            }
        ),
    }


@pytest.fixture(scope="module")
def untimed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tmp_path_factory.mktemp("config") / "foretell.toml"
    config.write_text('[tables.users]\ntime = ""\n')
    return config


@pytest.fixture(scope="module")
def model(untimed: Path) -> Model:
    with foretell.connect(frames(), config=untimed, now="2024-12-28") as database:
        return database.query(QUERY).fit(time_limit=1, model="trees")


def test_the_age_is_read_and_what_was_updated_is_not(model: Model) -> None:
    assert "users.joined.age" in model.features.names
    assert "users.updated_at.age" not in model.features.names
    assert any("users.updated_at" in note for note in model.features.remarks)


def test_what_comes_after_the_cutoff_moves_no_prediction(model: Model, untimed: Path) -> None:
    """Those who join later join later still; the control: an age of those who had joined counts."""
    told, moment = frames(), to_datetime(CUTOFF)
    users, logins = told["users"], told["logins"]
    joined = users["joined"].to_pylist()
    later = pa.array([j + timedelta(days=10) if j > moment else j for j in joined])
    known = logins.filter(pa.array([at <= moment for at in logins["at"].to_pylist()]))
    earlier = pa.array([j - timedelta(days=200) for j in joined])

    def said(joined: pa.Array, seen: pa.Table) -> list[float]:
        tables = {"users": users.set_column(1, "joined", joined), "logins": seen}
        with foretell.connect(tables, config=untimed, now="2024-12-28") as database:
            found = model.predict(database, as_of=CUTOFF).to_arrow().sort_by("user_id")
        return list(found["probability"].to_pylist())

    before = said(users["joined"].combine_chunks(), logins)
    assert len(before) == USERS and sum(j > moment for j in joined) > 10
    assert said(later, known) == before
    assert said(earlier, known) != before
