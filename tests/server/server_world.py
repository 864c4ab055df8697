"""A small shop to be served, and the server over it without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from starlette.testclient import TestClient

from foretell.lifecycle.registry import Registry
from foretell.pipeline import connect
from foretell.server.app import guarded
from foretell.server.guard import Guard
from foretell.server.holding import State
from foretell.server.service import Service
from foretell.server.start import make_service
from foretell.server.token import Token

PORT = 8017
HOSTS = frozenset({f"127.0.0.1:{PORT}"})
SECRET = "t" * 43
HOSTILE = "<img src=x onerror=alert(1)>"
BUYS = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id"
DAY = np.timedelta64(1, "D")


def make_database(path: Path, *, customers: int = 120, days: int = 300) -> Path:
    """Customers who buy at rates of their own, and a table whose names are markup."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-01-01T00:00:00", "us")
    rates = rng.gamma(0.6, 0.06, customers)
    who = np.concatenate([np.flatnonzero(rng.random(customers) < rates) + 1 for _ in range(days)])
    counts = rng.integers(0, days, len(who))
    when = start + np.sort(counts) * DAY + rng.integers(0, 86_400_000_000, len(who)).astype("timedelta64[us]")
    orders = pa.table(
        {
            "id": np.arange(len(who)) + 1,
            "customer_id": who,
            "at": when,
            "amount": rng.gamma(2.0, 20.0, len(who)).round(2),
            "channel": rng.choice(["web", "shop", "it's"], len(who)),
        }
    )
    known = pa.table({"id": np.arange(1, customers + 1), "joined_at": np.full(customers, start - 30 * DAY)})
    with duckdb.connect(str(path)) as connection:
        connection.register("o", orders)
        connection.register("c", known)
        connection.execute("CREATE TABLE customers AS SELECT * FROM c")
        connection.execute("CREATE TABLE orders AS SELECT * FROM o")
        connection.execute("ALTER TABLE customers ADD PRIMARY KEY (id)")
        connection.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
        connection.execute(
            f'CREATE TABLE "{HOSTILE}" AS SELECT range AS id, range % 7 AS "{HOSTILE}" FROM range(40)'
        )
    return path


@dataclass
class Served:
    """A server without a network: `client` is let in, `stranger` is not."""

    service: Service
    app: Guard
    client: TestClient
    stranger: TestClient

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.client.post(path, json={} if body is None else body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ended(self, job: str, most: float = 60.0) -> Mapping[str, Any]:
        """The job once it has ended."""
        until = time.monotonic() + most
        while time.monotonic() < until:
            told: Mapping[str, Any] = self.get(f"/api/jobs/{job}")
            if told["state"] in ("done", "failed", "cancelled"):
                return told
            time.sleep(0.02)
        raise AssertionError("the job does not end")


def client_of(app: Any, *, token: str | None = SECRET) -> TestClient:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return TestClient(
        app,
        base_url=f"http://127.0.0.1:{PORT}",
        headers=headers,
        raise_server_exceptions=False,
        follow_redirects=False,
    )


@contextmanager
def served(target: Path | None, models: Path, *, versions: int = 0, **how: Any) -> Iterator[Served]:
    """A server over a database, open and ready."""
    registry = Registry(models)
    if versions and target is not None:
        with connect(target) as database:
            fitted = database.query(BUYS).fit(time_limit=2, model="baseline")
        for _ in range(versions):
            registry.add("churn", fitted)
    service = make_service(None if target is None else str(target), registry, cache=False, **how)
    service.holding.start()
    assert service.holding.wait(60) in (State.READY, State.NONE)
    app = guarded(service, Token(SECRET), HOSTS, PORT)
    try:
        yield Served(service, app, client_of(app), client_of(app, token=None))
    finally:
        service.close()
