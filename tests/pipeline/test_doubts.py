"""Columns that may hold values from after the cutoff: left out or measured without, and said."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import UsageError

QUERY = "PREDICT COUNT(logins.*, 0, 30, days) > 0 FOR EACH users.user_id"
START = datetime(2024, 1, 1)


def frames(seen: str) -> dict[str, pa.Table]:
    """Users and their logins. `seen` names a column with the user's last login ever: it tells the future."""
    rng = np.random.default_rng(7)
    users, logins = 150, []
    rate = rng.gamma(1.0, 1.0, users) / 40
    for user in range(users):
        at = 0.0
        while True:
            at += rng.exponential(1 / rate[user])
            if at > 360:
                break
            logins.append((user, START + timedelta(days=at, seconds=1)))
    last: dict[int, datetime] = {}
    for user, moment in logins:
        last[user] = max(moment, last.get(user, START))
    made = [START + timedelta(days=float(d)) for d in rng.uniform(0, 30, users)]
    return {
        "users": pa.table(
            {
                "user_id": list(range(users)),
                "created_at": made,
                seen: [max(last.get(u, made[u]), made[u]) for u in range(users)],
                "plan": [["free", "paid"][u % 2] for u in range(users)],
                "visits": [sum(1 for who, _ in logins if who == u) for u in range(users)],
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
def answer() -> Any:
    with foretell.connect(frames("last_seen_at"), now="2025-02-01") as database:
        yield database.query(QUERY).ask(time_limit=2)


def test_columns_of_rows_that_change_are_left_out(answer: Any) -> None:
    read = set(answer.model.features.names)
    assert not {n for n in read if n.startswith("users.") and n != "users.created_at.age"}
    assert any("later than the row's own time" in w and "users.last_seen_at" in w for w in answer.warnings)
    assert any("'users' are changed after they are made" in w for w in answer.warnings)


def test_a_column_declared_known_is_read(tmp_path: Path) -> None:
    config = tmp_path / "foretell.toml"
    config.write_text('[tables.users.columns.plan]\nknown_at = "created_at"\n')
    with foretell.connect(frames("last_seen_at"), config=config, now="2025-02-01") as database:
        names = database.query(QUERY).fit(time_limit=2).features.names
    assert "users.plan" in names
    assert "users.visits" not in names


def test_control_without_a_later_time_the_columns_are_read() -> None:
    tables = frames("last_seen_at")
    tables["users"] = tables["users"].drop_columns(["last_seen_at"])
    with foretell.connect(tables, now="2025-02-01") as database:
        model = database.query(QUERY).fit(time_limit=2)
        assert {"users.plan", "users.visits"} <= set(model.features.names)
        assert len(model.predict(ids=[1, 2])) == 2
    assert len(model.predict(tables, ids=[1])) == 1


def test_untimed_tables_are_measured_without() -> None:
    tables = frames("last_seen_at")
    tables["users"] = tables["users"].drop_columns(["last_seen_at", "created_at"])
    with foretell.connect(tables, now="2025-02-01") as database:
        told = database.query(QUERY).ask(time_limit=2).warnings
    found = [w for w in told if "'users' has no time" in w]
    assert found and "Without them the AUROC is" in found[0], told


def test_a_loaded_model_asks_for_a_database(answer: Any, tmp_path: Path) -> None:
    model = foretell.load(answer.model.save(tmp_path / "m.foretell"))
    with pytest.raises(UsageError, match="which database"):
        model.predict()
