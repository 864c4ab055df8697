"""What a client reads and asks: schema, queries as they are written, models, scores, hostile names."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from server_world import BUYS, HOSTILE, Served, served

from foretell.core.errors import ForetellError
from foretell.pipeline import connect
from foretell.server.plain import Plain
from foretell.server.veil import Veil


def test_what_is_served(world: Served, shop: Path) -> None:
    told = world.get("/api/about")
    assert told["database"] == {
        "name": "shop.duckdb",
        "state": "ready",
        "stage": told["database"]["stage"],
        "error": None,
    }
    assert told["models"] >= 1
    schema = world.get("/api/schema")
    assert {t["name"] for t in schema["tables"]} == {"customers", "orders", HOSTILE}
    assert [k["name"] for k in schema["links"]] == ["orders.customer_id"]
    column = next(
        c for t in schema["tables"] if t["name"] == "orders" for c in t["columns"] if c["name"] == "amount"
    )
    assert column["dtype"] == "float" and column["evidence"]["origin"]


def test_hostile_names_come_back_as_text_in_json(world: Served) -> None:
    answer = world.client.get("/api/schema")
    assert answer.headers["content-type"] == "application/json"
    assert HOSTILE in [t["name"] for t in answer.json()["tables"]]
    quoted = '"' + HOSTILE + '"'
    found = world.post(
        "/api/query/check", {"query": f"PREDICT COUNT({quoted}.*, 0, 9, days) FOR EACH {quoted}.nope"}, 422
    )
    assert HOSTILE in found["message"]
    names = world.post("/api/query/complete", {"query": "PREDICT COUNT(", "position": 14})["suggestions"]
    assert quoted in [s["text"] for s in names]


def test_a_query_is_checked_with_the_place_of_its_fault(world: Served) -> None:
    right = world.post("/api/query/check", {"query": BUYS})
    assert (
        right["kind"] == "binary" and right["entity"] == "customers.id" and "20 days" in right["description"]
    )
    text = BUYS.replace("days", "dayz")
    wrong = world.post("/api/query/check", {"query": text}, 422)
    assert world.post("/api/query/judge", {"query": text})["fault"] == wrong
    assert world.post("/api/query/judge", {"query": BUYS}) == {**right, "fault": None}
    assert text[wrong["start"] : wrong["end"]] == "dayz" and "'days'" in wrong["mend"]


def test_a_preview_counts_labels_of_the_latest_cutoffs(world: Served, shop: Path) -> None:
    told = world.post("/api/query/preview", {"query": BUYS})
    with connect(shop) as database:
        whole = database.query(BUYS).check().labels.to_dict()
    looked = told["cutoffs_looked_at"]
    assert told["labels"]["cutoffs"] == whole["cutoffs"][-looked:]
    assert set(told["sample"][0]) == {"keys", "cutoff", "label"} and told["sample"][0]["label"] in (
        True,
        False,
    )


def test_models_versions_and_promotions(shop: Path, tmp_path: Path) -> None:
    with served(shop, tmp_path / "models", versions=3) as own:
        told = own.get("/api/models/churn")
        assert (told["champion"], told["challenger"], len(told["versions"])) == (1, 3, 3)
        assert own.get("/api/models")["models"][0]["name"] == "churn"
        assert own.get("/api/models/churn/versions/2")["query"].startswith("PREDICT")
        body = {"version": 2, "epoch": told["epoch"]}
        with own.client as client, ThreadPoolExecutor(6) as pool:  # one loop for all of them, as in a server
            calls = [pool.submit(client.post, "/api/models/churn/promote", json=body) for _ in range(6)]
            statuses = sorted(c.result().status_code for c in calls)
        assert statuses == [200, *[409] * 5]
        assert own.post("/api/models/churn/rollback")["champion"] == 1
        assert own.get("/api/models/churn")["history"][0]["action"] == "rolled back"
        assert own.post("/api/models/churn/promote", {"version": 9, "epoch": told["epoch"]}, 422)
        for missing in ("/api/models/nobody", "/api/models/nobody/plots", "/api/jobs/nobody"):
            assert own.get(missing, 404)["error"] == "NotFoundError"
        assert own.get("/api/models/CHURN", 422)["error"] == "PayloadError"


def test_one_entity_is_scored_as_in_the_batch(world: Served) -> None:
    job = world.post("/api/jobs", {"kind": "predict", "model": "churn"}, 202)
    assert world.ended(job["id"])["state"] == "done"
    rows = world.get(f"/api/jobs/{job['id']}/result?limit=1000")["predictions"]["rows"]
    first = rows[0]
    one = world.post(
        "/api/models/churn/score", {"entity": first["id"], "as_of": first["cutoff"], "explain": True}
    )
    assert one["probability"] == pytest.approx(first["probability"], abs=1e-9)
    assert one["explanation"]["prediction"] == pytest.approx(first["probability"], abs=1e-9)
    why = world.post("/api/models/churn/explain", {"entity": first["id"], "as_of": first["cutoff"]})
    assert why["prediction"] == pytest.approx(first["probability"], abs=1e-9)
    assert world.post("/api/models/churn/score", {"entity": 10**9}, 422)["error"] == "UsageError"
    assert world.post("/api/models/churn/score", {"entity": 1, "as_of": "never"}, 422)
    page = world.get(f"/api/jobs/{job['id']}/result?limit=2&offset=1")["predictions"]
    assert page["rows"] == rows[1:3] and page["total"] == len(rows)


def test_plots_and_reports_load_nothing_and_tell_no_path(world: Served, shop: Path) -> None:
    listed = world.get("/api/models/churn/plots")["plots"]
    assert listed and all(p["alt"] for p in listed)
    drawn = world.client.get(f"/api/models/churn/plots/{listed[0]['name']}.svg?theme=dark")
    assert drawn.headers["content-type"] == "image/svg+xml" and drawn.text.startswith("<svg")
    assert "default-src 'none'" in drawn.headers["content-security-policy"]
    assert world.get("/api/models/churn/plots/nothing.svg", 404)
    report = world.client.get("/api/models/churn/report")
    assert str(shop.parent) not in report.text and "shop.duckdb" in report.text
    assert world.get("/api/models/churn/versions/1")["database"] == "shop.duckdb"
    assert report.headers["content-disposition"] == 'attachment; filename="churn-1.html"'
    assert (
        report.text.lower().startswith("<!doctype html")
        and "sandbox" in report.headers["content-security-policy"]
    )


def test_what_was_kept_of_a_model(world: Served) -> None:
    assert world.get("/api/models/churn/grades") == {"grades": []}
    assert world.get("/api/models/churn/monitoring") == {"checks": []}
    assert world.get("/api/models/churn/predictions")["total"] == 0
    assert world.get("/api/models/churn/explanation")["version"] == 1


def test_models_alone_are_served_too(tmp_path: Path) -> None:
    with served(None, tmp_path / "models") as bare:
        assert bare.get("/api/about")["database"]["state"] == "none"
        for path in ("/api/query/check", "/api/query/preview"):
            assert bare.post(path, {"query": BUYS}, 404)["error"] == "NotFoundError"
        assert bare.get("/api/schema", 404) and bare.get("/api/models") == {"models": []}


def test_a_database_that_cannot_be_read_is_told_without_its_path(tmp_path: Path) -> None:
    place = tmp_path / "private-folder" / "broken.duckdb"
    place.parent.mkdir()
    place.write_bytes(b"no database")
    from foretell.lifecycle.registry import Registry
    from foretell.server.start import make_service

    service = make_service(str(place), Registry(tmp_path / "models"), cache=False)
    service.holding.start()
    assert service.holding.wait(30).value == "failed"
    assert service.holding.error is not None
    told = json.dumps(service.veil.error(service.holding.error))
    assert "broken.duckdb" in told and "private-folder" not in told


def test_secrets_and_paths_are_veiled() -> None:
    veil = Veil({"/srv/data/shop.duckdb": "shop.duckdb", "'models'": "'the registry'"})
    error = ForetellError(
        "no model 'x' in 'models'; '/srv/data/shop.duckdb' and /etc/secret/key: postgresql://ann:s3cret@db/shop",
        examples=["/home/ann/x"],
    )
    told = json.dumps(veil.error(error))
    assert "s3cret" not in told and "/etc" not in told and "/home" not in told and "/srv" not in told
    assert "the registry" in told and "shop.duckdb" in told


def test_numbers_that_json_lacks_are_null() -> None:
    body = Plain({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)], "c": 2**60, "d": "\ud800"}).body
    assert json.loads(body) == {"a": None, "b": [None, 3], "c": str(2**60), "d": "?"}
