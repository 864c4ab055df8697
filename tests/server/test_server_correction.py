"""A person corrects the schema: what fits is kept in foretell.toml, what does not changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_world import Served, served

from foretell.pipeline import connect
from foretell.schema.toml import read


@pytest.fixture
def own(shop: Path, tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    """A copy of the shop that may be corrected, and the folder it is in."""
    shutil.copy(shop, tmp_path / "shop.duckdb")
    with served(tmp_path / "shop.duckdb", tmp_path / "models") as made:
        yield made, tmp_path


def put(served_: Served, body: object, status: int = 200) -> dict[str, object]:
    answer = served_.client.put("/api/schema", json=body)
    assert answer.status_code == status, answer.text
    told: dict[str, object] = answer.json()
    return told


def links(told: dict[str, object]) -> list[str]:
    return [k["name"] for k in told["links"]]  # type: ignore[attr-defined]


def test_a_correction_is_written_merged_and_taken_back(own: tuple[Served, Path]) -> None:
    served_, folder = own
    place = folder / "foretell.toml"
    place.write_text('# mine\n[tables.orders.columns.amount]\ntype = "numeric"  # money\n')
    assert served_.get("/api/schema")["can_correct"]
    told = put(served_, {"links": [{"child": ["orders.customer_id"], "ignore": True}]})
    assert links(told) == []
    assert "# mine" in place.read_text() and "# money" in place.read_text()
    told = put(served_, {"links": [{"child": ["orders.customer_id"], "parent": ["customers.id"]}]})
    assert links(told) == ["orders.customer_id"] and told["links"][0]["evidence"]["origin"] == "configured"  # type: ignore[index]
    assert len(read(place.read_text()).links) == 1
    put(
        served_,
        {
            "tables": {"orders": {"time": ""}, "customers": {"ignore": True}},
            "links": [{"child": ["orders.customer_id"], "forget": True}],
        },
    )
    with connect(folder / "shop.duckdb") as database:
        assert (
            database.schema.table("customers").ignored and database.schema.table("orders").time_column is None
        )
        assert database.schema == served_.service.holding.schema
    put(served_, {"tables": {"orders": {"time": None}, "customers": {"ignore": None}}})
    assert read(place.read_text()).tables["orders"].time is None
    assert list(folder.glob("*.part")) + list(folder.glob(".*.part")) == []


def test_the_corrected_schema_answers_at_once(own: tuple[Served, Path]) -> None:
    served_, _ = own
    query = {"query": "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id"}
    served_.post("/api/query/preview", query)
    put(served_, {"tables": {"orders": {"ignore": True}}})
    assert "ignored" in served_.post("/api/query/check", query, 422)["message"]
    put(served_, {"tables": {"orders": {"ignore": None}}})
    assert served_.post("/api/query/preview", query)["labels"]["rows"] > 0


@pytest.mark.parametrize(
    "body",
    [
        {"tables": {"nobody": {"ignore": True}}},
        {"tables": {"orders": {"time": "nope"}}},
        {"tables": {"orders": {"primary_key": ["nope"]}}},
        {"tables": {"orders": {"primary_key": ["customer_id"]}}},
        {"links": [{"child": ["orders.nope"], "parent": ["customers.id"]}]},
        {"links": [{"child": ["orders.amount"], "parent": ["customers.id"]}]},
        {"links": [{"child": ["orders.customer_id"]}]},
        {"links": [{"child": ["../../etc/passwd"], "parent": ["x"]}]},
        {"tables": {"orders": {"time_format": "iso"}}},
    ],
)
def test_what_does_not_fit_changes_nothing(own: tuple[Served, Path], body: object) -> None:
    served_, folder = own
    before = served_.get("/api/schema")
    told = put(served_, body, 422)
    assert told["message"]
    assert not (folder / "foretell.toml").exists()
    assert served_.get("/api/schema") == before


def test_a_file_that_is_no_toml_stays_as_it_is(own: tuple[Served, Path]) -> None:
    served_, folder = own
    (folder / "foretell.toml").write_text("[tables\n")
    assert put(served_, {"tables": {"orders": {"ignore": True}}}, 422)["error"] == "ConfigError"
    assert (folder / "foretell.toml").read_text() == "[tables\n"
