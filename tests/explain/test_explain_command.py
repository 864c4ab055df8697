"""`foretell explain`: a whole model without its database, one entity by any key, and slips told plainly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.cli.app import main
from foretell.testing.databases import events, write_duckdb


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(str(left.value.code))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose customers have a key of two columns, texts with commas and markup in them; and a model."""
    folder = tmp_path_factory.mktemp("explain")
    made = events(1, entities=40, rows=700, days=300)
    names = [f"[bold]{i}, <i>" for i in range(40)]
    lands = ["ab"[i % 2] for i in range(40)]
    who = np.array(made["orders"]["customer_id"].to_pylist()) - 1
    tables = {
        "customers": pa.table({"land": lands, "name": names}),
        "orders": pa.table(
            {
                "order_id": list(range(len(who))),
                "land": [lands[i] for i in who],
                "name": [names[i] for i in who],
                "at": made["orders"]["at"],
            }
        ),
    }
    keys = {
        "customers": ("PRIMARY KEY (land, name)",),
        "orders": ("PRIMARY KEY (order_id)", "FOREIGN KEY (land, name) REFERENCES customers (land, name)"),
    }
    write_duckdb(folder / "shop.duckdb", tables, keys)
    with foretell.connect(folder / "shop.duckdb", now="2026-01-01", threads=1) as db:
        query = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.name"
        db.query(query).fit(time_limit=2, model="trees").save(folder / "m.foretell")
    return folder


def test_a_whole_model_needs_no_database(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", str(place / "m.foretell"), "-q") == 0
    shown = capsys.readouterr().out
    assert "What the model rests on" in shown and "By table" in shown


def test_json_has_everything(place: Path, tmp_path: Path) -> None:
    assert run("explain", str(place / "m.foretell"), "-q", "-o", str(tmp_path / "told.json")) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["stories"] and told["tables"] and {"share", "lost", "direction"} <= set(told["stories"][0])


def test_a_key_of_several_columns_and_of_text(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, shop = str(place / "m.foretell"), str(place / "shop.duckdb")
    key = ["--entity", "b", "--entity", "[bold]3, <i>"]
    assert run("explain", model, shop, *key, "-q", "--no-cache") == 0
    shown = capsys.readouterr().out
    assert "land b, name [bold]3, <i>, as of" in shown and "Why, in points of probability" in shown
    assert run("explain", model, shop, *key, "-q", "--no-cache", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["entity"] == {"land": "b", "name": "[bold]3, <i>"} and told["reasons"]


def test_slips_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, shop = str(place / "m.foretell"), str(place / "shop.duckdb")
    for arguments, said in (
        ((model, shop, "--entity", "b"), "found 1 of the 2 values of the key (land, name)"),
        ((model, "--entity", "b", "--entity", "x"), "which database is the entity in?"),
        ((model, "--as-of", "2024-05-01"), "a time is asked for, and no entity"),
        ((model, shop, "--entity", "b", "--entity", "nobody"), "1 id not found in 'customers'"),
    ):
        assert run("explain", *arguments, "-q", "--no-cache") == 2
        assert said in capsys.readouterr().err
