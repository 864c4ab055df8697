"""A served shop, small and with hostile names: made once, and called in this process or over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("httpx")

from server_world import Served, make_database, served


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file that no test changes."""
    return make_database(tmp_path_factory.mktemp("shop") / "shop.duckdb")


@pytest.fixture(scope="session")
def world(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over it with two versions of a model; tests may add to it, and take nothing away."""
    with served(shop, tmp_path_factory.mktemp("models"), versions=2) as made:
        yield made
