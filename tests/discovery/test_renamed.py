"""A model goes on reading tables and columns that were renamed, once it is told what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

import foretell
from foretell.core.errors import ConfigError, SchemaError
from foretell.prediction.model import Model
from foretell.schema import toml
from foretell.store import cached
from foretell.testing.databases import shop

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
RENAMED = """
[renamed]
"our clients" = "customers"
"our clients.joined ]" = "signed_up_at"
"orders.total" = "amount"
"""
CHANGES = (
    'ALTER TABLE customers RENAME COLUMN signed_up_at TO "joined ]"',
    "ALTER TABLE orders RENAME COLUMN amount TO total",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    place = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    shop(place, customers=120, days=300)
    with foretell.connect(place) as database:
        return place, replace(database.query(CHURN).fit(time_limit=1, model="trees"), home=None)


def moved(place: Path, folder: Path) -> Path:
    """A copy of the shop in which a table and two columns have other names."""
    copy = folder / "shop.duckdb"
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"ATTACH '{place}' AS old (READ_ONLY)")
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'"
        ).fetchall():
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM old.{name}")
        for statement in CHANGES:
            connection.execute(statement)
        connection.execute('ALTER TABLE customers RENAME TO "our clients"')
    return copy


@pytest.mark.parametrize("kept", [False, True], ids=["read", "from the cache"])
def test_a_model_reads_them_by_their_old_names_once_told(
    trained: tuple[Path, Model], tmp_path: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        monkeypatch.setenv("FORETELL_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(cached, "WORTH_ROWS", 1)
        monkeypatch.setattr(cached, "SETTLED_NS", 0)
    place, model = trained
    copy = moved(place, tmp_path)
    (tmp_path / "foretell.toml").write_text(RENAMED)
    expected = model.predict(place)
    for _ in range(2):  # the second time, a cached copy is found
        found = model.predict(copy, cache=kept)
        assert found.to_arrow().equals(expected.to_arrow())
        assert "table 'our clients' is read as 'customers', which it was called at training" in found.notes
        assert "orders.total is read as 'amount', which it was called" in found.notes


def test_the_database_itself_keeps_its_new_names(trained: tuple[Path, Model], tmp_path: Path) -> None:
    copy = moved(trained[0], tmp_path)
    (tmp_path / "foretell.toml").write_text(RENAMED)
    with foretell.connect(copy) as database:
        assert database.schema.has("our clients") and not database.schema.has("customers")
        again = replace(
            database.query(CHURN.replace("customers.customer_id", '"our clients".customer_id')).fit(
                time_limit=1, model="baseline"
            ),
            home=None,
        )
    # A model that knows the new names is not given the old ones.
    assert not any("is read as" in note for note in again.predict(copy).notes)


def test_untold_the_error_proposes_the_line(trained: tuple[Path, Model], tmp_path: Path) -> None:
    place, model = trained
    copy = moved(place, tmp_path)
    with pytest.raises(SchemaError, match=r'\[renamed\] "our clients" = "customers"'):
        model.predict(copy)
    (tmp_path / "foretell.toml").write_text('[renamed]\n"our clients" = "customers"\n')
    with pytest.raises(SchemaError, match=r'\[renamed\] "customers.joined \]" = "signed_up_at"'):
        model.predict(copy)


def test_a_line_the_wrong_way_about_is_told(trained: tuple[Path, Model], tmp_path: Path) -> None:
    place, model = trained
    copy = tmp_path / "shop.duckdb"
    copy.write_bytes(place.read_bytes())
    (tmp_path / "foretell.toml").write_text('[renamed]\nclients = "customers"\n"orders.total" = "amount"\n')
    notes = model.predict(copy).notes
    for name in ("clients", "orders.total"):
        assert any(n.startswith(f"foretell.toml says what '{name}' was called, but") for n in notes)


def test_a_table_that_is_merely_gone_proposes_nothing(trained: tuple[Path, Model], tmp_path: Path) -> None:
    place, model = trained
    copy = tmp_path / "shop.duckdb"
    copy.write_bytes(place.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("DROP TABLE visits")
        connection.execute("CREATE TABLE unlike (x INTEGER)")
    with pytest.raises(SchemaError, match="'visits' is missing") as told:
        model.predict(copy)
    assert "[renamed]" not in str(told.value)


def test_an_empty_old_name_is_a_slip() -> None:
    assert toml.read('[renamed]\na = "b"').renamed == {"a": "b"}
    with pytest.raises(ConfigError, match=r"renamed\.a: found nothing"):
        toml.read('[renamed]\na = ""')


def test_settings_that_lie_elsewhere_are_named(trained: tuple[Path, Model], tmp_path: Path) -> None:
    """As for a server, beside which no file can lie."""
    place, model = trained
    (tmp_path / "a").mkdir()
    copy, settings = moved(place, tmp_path / "a"), tmp_path / "settings.toml"
    settings.write_text(RENAMED)
    with pytest.raises(SchemaError):
        model.predict(copy)
    assert model.predict(copy, config=settings).to_arrow().equals(model.predict(place).to_arrow())
