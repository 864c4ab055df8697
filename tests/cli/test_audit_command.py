"""`foretell audit` as a user calls it: a clean shop, row hashes, and a shop that was rewritten since."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from foretell.cli.app import main
from foretell.testing.databases import shop

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("audited")
    shop(place / "shop.duckdb", customers=60, days=240)
    return place


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["audit", *arguments])
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_a_clean_shop_and_then_a_rewritten_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one test, since the second audit reads the hashes that the first one wrote."""
    database, hashes = str(folder / "shop.duckdb"), str(folder / "shop.hashes")
    code, out, err = call(capsys, database, CHURN, "--cutoffs", "1", "--remember", hashes)
    assert code == 0, out
    assert out.startswith("No leak found: ")
    assert "replay skipped" in out
    assert f"rows to {hashes}" in err
    with duckdb.connect(database) as connection:
        connection.execute("UPDATE orders SET amount = amount + 1 WHERE order_id % 3 = 0")
    code, out, err = call(capsys, database, CHURN, "--cutoffs", "1", "--then", hashes, "--format", "json")
    found = json.loads(out)
    assert (code, found["clean"]) == (1, False)
    assert found["verdict"].startswith("Leak found by replay: orders.amount was changed in place")
    (failed,) = (d for d in found["detectors"] if d["outcome"] == "failed")
    assert "[tables.orders.columns]" in failed["mend"]
    assert len(found["cutoffs"]) == 1


def test_an_earlier_copy_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, str(folder / "shop.duckdb"), CHURN, "--then", str(folder / "nowhere.duckdb"))
    assert code != 0 and "nowhere.duckdb" in err
