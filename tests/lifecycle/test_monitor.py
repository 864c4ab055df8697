"""A model at work is watched: nothing after the clock is seen, harm is told, drift is only noted."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lifecycle_world import BUYS, START, Clock, Frames, day, fitted, frames, registry, seen, until

from foretell.cli.app import main
from foretell.core.time import DAY, Instant, format_instant, to_datetime
from foretell.lifecycle.batches import begin, run_id_of
from foretell.lifecycle.grading import grade
from foretell.lifecycle.monitor.finding import Finding, Severity
from foretell.lifecycle.monitor.record import Monitoring
from foretell.lifecycle.monitor.tell import of_drift
from foretell.lifecycle.monitor.watch import KIND, monitor
from foretell.lifecycle.registry import Registry
from foretell.pipeline import Database
from foretell.prediction.database import open_database
from foretell.prediction.model import Model
from foretell.report.layout import to_text
from foretell.report.monitor import monitor_view
from foretell.report.monitor_page import monitor_page
from foretell.testing.databases import write_duckdb


@pytest.fixture(scope="module")
def tables() -> Frames:
    return frames(3)


@pytest.fixture(scope="module")
def model(tables: Frames) -> Model:
    return fitted(tables, day(250), model="trees")


@pytest.fixture
def held(model: Model, tmp_path: Path) -> Registry:
    made = registry(tmp_path, Clock(day(399)))
    made.add("buys", model)
    return made


def watched(held: Registry, tables: Frames, number: float = 399.0) -> Monitoring:
    held.clock.at = day(number)  # type: ignore[attr-defined]
    return monitor(held, "buys", tables, threads=1)


@pytest.fixture(scope="module")
def quiet(model: Model, tables: Frames, tmp_path_factory: pytest.TempPathFactory) -> Monitoring:
    """A model that is as it should be."""
    made = registry(tmp_path_factory.mktemp("quiet"), Clock(day(399)))
    made.add("buys", model)
    return watched(made, tables)


def areas(found: Monitoring) -> list[tuple[str, str]]:
    return [(f.severity.value, f.area) for f in found.findings]


def test_a_model_at_work_is_fine_and_what_was_seen_is_kept(held: Registry, tables: Frames) -> None:
    found = watched(held, tables)
    assert not found.harm, found.verdict
    assert {f.table for f in found.feeds} == {"customers", "orders"}
    assert found.features is not None and found.features.known and found.features.rows == 150
    assert found.performance is not None and len(found.performance.batches) >= 4
    assert not found.performance.realised
    told = json.loads(json.dumps(found.to_dict()))
    assert told["severity"] in ("ok", "digest") and told["model"] == "buys@1"
    (entry,) = held.entries("buys", KIND)
    assert found.cutoff is not None and entry.key == format_instant(found.cutoff)
    assert entry.record["verdict"] == found.verdict
    assert entry.record["features"]["features"] == [f for f in told["features"]["features"] if f["drifts"]], (
        "of features only those that drift are kept"
    )


def test_rows_after_the_clock_change_nothing_and_rows_before_it_do(held: Registry, tables: Frames) -> None:
    clock = day(350.5)
    past = until(tables, clock)
    alone = watched(held, past, 350.5).to_dict()
    assert watched(held, tables, 350.5).to_dict() == alone
    orders = past["orders"]
    fewer = {**past, "orders": orders.filter(pc.less(orders["id"], pc.max(orders["id"]).as_py() - 5))}
    assert watched(held, fewer, 350.5).to_dict() != alone


def test_either_engine_sees_the_same(
    held: Registry, quiet: Monitoring, tables: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORETELL_ENGINE", "duckdb")
    found = watched(held, tables)
    assert repr(found.feeds) == repr(quiet.feeds)
    assert found.features is not None and quiet.features is not None
    assert found.features.windows == quiet.features.windows
    for ours, theirs in zip(found.features.features, quiet.features.features):
        assert ours.name == theirs.name and abs(ours.ks - theirs.ks) < 0.02


def test_a_broken_schema_is_harm_and_no_error(held: Registry, tables: Frames) -> None:
    broken = {**tables, "orders": tables["orders"].drop_columns(["amount"])}
    found = watched(held, broken)
    assert found.harm and areas(found) == [("page", "schema")]
    assert "orders.amount is missing" in found.verdict
    assert "orders.amount" in monitor_page(found) and to_text(monitor_view(found))


def test_a_new_column_and_rows_that_point_at_nothing_are_told_once(held: Registry, tables: Frames) -> None:
    orders = tables["orders"]
    more = {**tables, "orders": orders.append_column("note", pa.array(["x"] * len(orders)))}
    found = watched(held, more, 360)
    assert not found.harm and ("digest", "schema") in areas(found)
    assert ("digest", "schema") not in areas(watched(held, more, 370))
    fewer = {**more, "customers": tables["customers"].slice(0, 140)}
    told = [watched(held, fewer, at) for at in (380, 390)]
    assert [("digest", "schema") in areas(f) for f in told] == [True, False]
    assert "point at no row of customers" in next(f.text for f in told[0].findings if f.area == "schema")


def test_rows_that_point_at_nothing_are_no_news_at_the_first_look(held: Registry, tables: Frames) -> None:
    found = watched(held, {**tables, "customers": tables["customers"].slice(0, 140)})
    assert any("point at no row" in c for c in found.changes)
    assert ("digest", "schema") not in areas(found)


def test_a_feed_that_stopped_is_harm(held: Registry, tables: Frames) -> None:
    found = watched(held, until(tables, day(380)))
    assert found.harm and ("page", "feeds") in areas(found)
    assert found.findings[0].subject == "orders"


def test_a_column_that_moves_is_for_the_digest(held: Registry, tables: Frames) -> None:
    orders = tables["orders"]
    late = pc.greater(orders["at"], pa.scalar(to_datetime(day(378)), pa.timestamp("us")))
    amount = pc.if_else(late, pc.multiply(orders["amount"], 10.0), orders["amount"])
    moved = {**tables, "orders": orders.set_column(3, "amount", amount)}
    found = watched(held, moved)
    assert not found.harm
    assert found.features is not None and found.features.drifting
    assert all("amount" in f.name for f in found.features.drifting[:3])
    assert any(f.area == "features" and "drift" in f.text for f in found.findings)


def test_what_has_no_past_windows_is_watched_without_them(tables: Frames, tmp_path: Path) -> None:
    """Labels that were given at no distance, and a column of the customers themselves."""
    joined = START + np.arange(150) * 399 // 150 * DAY
    people = pa.table(
        {
            "id": np.arange(1, 151),
            "joined_at": joined.astype("datetime64[us]"),
            "segment": [None if i % 3 == 0 else "ab"[i % 2] for i in range(150)],
        }
    )
    shop = {"customers": people, "orders": tables["orders"]}
    static = fitted(shop, day(399), "PREDICT customers.segment FOR EACH customers.id")
    with open_database(shop, threads=1) as opened:
        asked = Database(opened, seed=0, progress=opened.progress)
        labels = asked.query(BUYS).labels()
        given = asked.given(labels, entity="customers.id").fit(time_limit=1, model="baseline")
    for name, made in {"static": static, "given": replace(given, home=None)}.items():
        held = registry(tmp_path / name, Clock(day(400)))
        held.add("buys", made)
        found = watched(held, shop, 400)
        assert not found.harm and found.features is not None and found.features.rows > 0
        assert any("drift is not judged" in n for n in found.notes)
        assert found.performance is not None and not found.performance.batches
        assert to_text(monitor_view(found)) and monitor_page(found)


def test_new_categories_are_for_the_digest(quiet: Monitoring) -> None:
    """Told from figures: the shop's own segments are the same at all times."""
    found = quiet
    assert found.features is not None and found.predictions is not None
    first = found.features.features[0]

    def told(unseen: float, before: float) -> list[str]:
        features = replace(found.features, features=(replace(first, unseen=unseen, unseen_before=before),))
        said = of_drift({first.name: "segment"}, features, found.predictions, None)
        return [f.text for f in said if "new category" in f.text]

    assert told(0.12, 0.0) == ["12% of entities have a new category of “segment”"]
    assert told(0.12, 0.1) == told(0.001, 0.0) == told(float("nan"), float("nan")) == []


def wrong_batches(held: Registry, tables: Frames, days: Sequence[int], *, reverse: bool) -> None:
    """Batches of the model, or of the opposite of what it says, graded at the end."""
    version, made = held.version("buys"), held.load("buys")
    for number in days:
        held.clock.at = day(number)  # type: ignore[attr-defined]
        with seen(tables, held) as database:
            cutoff: Instant = day(number) - DAY
            said = made.predict(database, as_of=cutoff).table
            p = said["probability"].to_numpy()
            column = pa.array(1 - p if reverse else p)
            said = said.set_column(said.column_names.index("probability"), "probability", column)
            said = said.append_column("baseline", pa.array(np.full(len(p), 0.5)))
            run = run_id_of(version, cutoff, database.fingerprint)
            begin(held, version, run, cutoff, database.fingerprint, said, "here", {})
    held.clock.at = day(399)  # type: ignore[attr-defined]
    with seen(tables, held) as database:
        grade(held, "buys", database)


@pytest.mark.parametrize("reverse", [True, False])
def test_realised_predictions_that_are_wrong_are_harm(held: Registry, tables: Frames, reverse: bool) -> None:
    wrong_batches(held, tables, range(275, 376, 25), reverse=reverse)
    found = watched(held, tables)
    assert found.performance is not None and found.performance.realised
    assert len(found.performance.batches) == 5
    assert (("page", "performance") in areas(found)) is reverse
    assert ("simple rule would have done better" in found.verdict) is reverse


def test_hostile_names_do_nothing_in_the_page(quiet: Monitoring) -> None:
    evil = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>'
    found = quiet
    assert found.features is not None
    page = monitor_page(
        replace(
            found,
            question=evil,
            findings=(Finding(Severity.PAGE, evil, evil, evil),),
            feeds=tuple(replace(f, table=evil) for f in found.feeds),
            descriptions=dict.fromkeys((f.name for f in found.features.features), evil),
            notes=(evil,),
        )
    )
    tags = set(re.findall(r"<(/?[a-zA-Z!][\w]*)", page))
    assert tags == set(re.findall(r"<(/?[a-zA-Z!][\w]*)", monitor_page(found)))
    assert not tags & {"script", "img", "link", "iframe", "object"}
    assert page.count("&lt;script&gt;") > 10, "the text itself is shown"
    assert "alert" not in re.sub(r"&lt;.*?&gt;", "", re.sub(r"&lt;script&gt;.*?&lt;/script&gt;", "", page))
    for loads in ("src=", "url(", "@import"):
        assert loads not in monitor_page(found), loads


def test_the_page_tells_those_who_cannot_see_it(quiet: Monitoring) -> None:
    page = monitor_page(quiet)
    assert page.startswith("<!doctype html>") and '<html lang="en">' in page
    assert page.count("<svg") == page.count('role="img"')
    assert page.count('scope="row"') > 5 and 'name="viewport"' in page


def test_the_command_says_harm_by_its_exit_code(
    held: Registry, tables: Frames, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_duckdb(tmp_path / "shop.duckdb", tables)
    codes = []
    for clock in ("2025-02-02", "2025-04-01"):
        arguments = ["monitor", "buys", str(place), "--models", str(tmp_path / "models"), "--now", clock]
        report = tmp_path / f"{clock}.html"
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--report", str(report), "--format", "json", "--quiet"])
        codes.append(left.value.code)
        told = json.loads(capsys.readouterr().out)
        assert told["verdict"] in report.read_text().replace("&quot;", '"').replace("&#x27;", "'")
    assert codes == [0, 1]
    assert told["severity"] == "page" and "orders has stopped" in told["verdict"]
