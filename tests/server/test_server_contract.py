"""The OpenAPI document is what the server does: requests made from it, right and wrong, get what it says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from server_world import HOSTS, PORT, SECRET, Served, served

from foretell.server.app import make_api
from foretell.server.guard import Guard
from foretell.server.token import Token

schemathesis = pytest.importorskip("schemathesis")

HEADERS = {"Authorization": f"Bearer {SECRET}", "Host": f"127.0.0.1:{PORT}"}
EXAMPLES = 8  # for each operation
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


NOT_ASKED = [schemathesis.checks.positive_data_acceptance]
"""Most texts are no query, and most names no table: a 422 says so."""


def broken(app: Any) -> dict[str, str]:
    """What does not keep to the document, by operation."""
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)
    found = {}
    for result in schema.get_all_operations():
        operation = result.ok()

        @BOUNDED
        @given(case=operation.as_strategy())
        def keep(case: Any) -> None:
            case.call_and_validate(headers=HEADERS, excluded_checks=NOT_ASKED)

        try:
            keep()
        except BaseExceptionGroup as error:
            found[f"{operation.method.upper()} {operation.path}"] = "; ".join(map(str, error.exceptions))
    return found


@pytest.fixture(scope="module")
def own(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("contract")
    shutil.copy(shop, folder / "shop.duckdb")
    with served(folder / "shop.duckdb", folder / "models", versions=1) as made:
        yield made


def test_the_document_is_kept(own: Served) -> None:
    assert broken(own.app) == {}


def test_a_route_that_breaks_would_be_found(own: Served) -> None:
    api = make_api(own.service)

    @api.get("/api/planted")
    def planted(number: int = 0) -> dict[str, int]:
        return {"number": 1 // (number % 2)}

    door = Guard(api, Token(SECRET), HOSTS, "planted")
    api.router.routes[:] = [r for r in api.router.routes if getattr(r, "path", "").startswith("/api/")]
    assert list(broken(door)) == ["GET /api/planted"]
