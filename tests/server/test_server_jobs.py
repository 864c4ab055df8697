"""Jobs: one at a time, told as they go, stopped when asked to, forgotten in the end."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from server_world import BUYS, Served, client_of, served

from foretell.core.errors import DataError
from foretell.core.progress import Progress
from foretell.server.events import MOST_STREAMS
from foretell.server.faults import BusyError, ConflictError, NotFoundError
from foretell.server.jobs import MOST_KEPT, MOST_RESULTS, MOST_WAITING, Job, Jobs, Outcome, State


def wait_for(job: Job, *states: State) -> None:
    for _ in range(2000):
        if job.state in states:
            return
        threading.Event().wait(0.005)
    raise AssertionError(job.state)


class Held:
    """Work that waits to be let go, telling of its progress."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, progress: Progress) -> Outcome:
        progress.stage("holding", 10)
        while not self.go.wait(0.005):
            progress.advance(0.0)
        progress.advance(5)
        return Outcome({"held": True})


def test_an_answer_comes_as_a_job_and_is_kept_as_a_model(shop: Path, tmp_path: Path) -> None:
    with served(shop, tmp_path / "models") as own:
        asked = {"kind": "ask", "query": BUYS, "time_limit": 2, "model": "baseline"}
        job = own.post("/api/jobs", asked, 202)["id"]
        heard: list[dict[str, Any]] = []
        with own.client.stream("GET", f"/api/jobs/{job}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    heard.append(json.loads(line.removeprefix("data: ")))
        assert heard[-1]["state"] == "done" and len({h["stage"] for h in heard}) > 1
        found = own.get(f"/api/jobs/{job}/result?limit=3")
        assert (
            len(found["predictions"]["rows"]) == 3
            and found["audit"]["clean"]
            and found["backtest"]["verdict"]
        )
        assert own.get(f"/api/jobs/{job}/plots")["plots"]
        first = found["predictions"]["rows"][0]
        why = own.post(f"/api/jobs/{job}/explain", {"entity": first["id"], "as_of": first["cutoff"]})
        assert why["prediction"] == pytest.approx(first["probability"], abs=1e-9)
        kept = own.post(f"/api/jobs/{job}/keep", {"name": "buys"})
        assert (kept["name"], kept["version"], kept["champion"], kept["clean"]) == ("buys", 1, 1, True)
        assert own.post(f"/api/jobs/{job}/keep", {"name": "Buys!"}, 422)
        for kind in ("grade", "monitor", "report"):
            done = own.ended(own.post("/api/jobs", {"kind": kind, "model": "buys"}, 202)["id"])
            assert done["state"] == "done", done
        report = own.client.get(f"/api/jobs/{done['id']}/report")
        assert report.headers["content-disposition"] == 'attachment; filename="buys-1.html"'


def test_the_database_is_read_anew_when_asked(shop: Path, tmp_path: Path) -> None:
    shutil.copy(shop, tmp_path / "shop.duckdb")
    with served(tmp_path / "shop.duckdb", tmp_path / "models", versions=1) as own:
        before = {t["name"]: t["rows"] for t in own.get("/api/schema")["tables"]}
        row = "SELECT max(id) + 1, 7, max(\"at\"), 1.0, 'web' FROM orders"
        with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
            connection.execute(f"INSERT INTO orders {row}")
        job = own.post("/api/jobs", {"kind": "reopen"}, 202)["id"]
        assert own.ended(job)["state"] == "done"
        after = {t["name"]: t["rows"] for t in own.get("/api/schema")["tables"]}
        assert after == {**before, "orders": before["orders"] + 1}
        assert own.post("/api/models/churn/score", {"entity": 7})["probability"] > 0


def test_slips_are_told_before_anything_waits(world: Served) -> None:
    assert world.post("/api/jobs", {"kind": "ask", "query": "PREDICT"}, 422)["error"] == "QueryError"
    assert world.post("/api/jobs", {"kind": "predict", "model": "nobody"}, 404)
    assert world.post("/api/jobs", {"kind": "sql", "query": "SELECT 1"}, 422)["error"] == "PayloadError"
    assert world.post("/api/jobs", {"kind": "ask", "query": BUYS, "time_limit": 10**9}, 422)
    assert world.post("/api/jobs", {"kind": "ask", "query": BUYS, "path": "/etc/passwd"}, 422)


def test_watchers_are_counted_while_they_watch(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.service.jobs.submit("ask", {}, lambda p: Outcome({}))
    wait_for(job, State.DONE)
    for _ in range(3):
        assert "event: end" in world.client.get(f"/api/jobs/{job.id}/events").text
    assert world.service.streams.open == 0
    monkeypatch.setattr(world.service.streams, "open", MOST_STREAMS)
    assert world.get(f"/api/jobs/{job.id}/events", 429)["error"] == "BusyError"


def test_a_job_that_runs_is_cancelled_at_its_next_word(world: Served) -> None:
    held = Held()
    running = world.service.jobs.submit("ask", {}, held)
    waiting = world.service.jobs.submit("ask", {}, held)
    wait_for(running, State.RUNNING)
    assert world.get(f"/api/jobs/{running.id}")["stage"] == "holding"
    assert world.get(f"/api/jobs/{running.id}/result", 409)
    assert world.client.delete(f"/api/jobs/{waiting.id}").json()["state"] == "cancelled"
    world.client.delete(f"/api/jobs/{running.id}")
    wait_for(running, State.CANCELLED)
    assert not held.go.is_set()


def test_queue_and_history_end() -> None:
    jobs, held = Jobs(), Held()
    first = jobs.submit("ask", {}, held)
    wait_for(first, State.RUNNING)
    waiting = [jobs.submit("ask", {}, lambda p: Outcome({})) for _ in range(MOST_WAITING)]
    with pytest.raises(BusyError, match="jobs are waiting"):
        jobs.submit("ask", {}, held)
    held.go.set()
    wait_for(waiting[-1], State.DONE)
    for _ in range(MOST_KEPT + 5):
        wait_for(jobs.submit("ask", {}, lambda p: Outcome({})), State.DONE)
    assert len(jobs.list()) <= MOST_KEPT + 1
    assert sum(j.outcome is not None for j in jobs.list()) <= MOST_RESULTS
    with pytest.raises(NotFoundError):
        jobs.job(first.id)
    with pytest.raises(NotFoundError, match="forgotten"):
        jobs.outcome(jobs.list()[-1].id)
    jobs.stop()
    with pytest.raises(ConflictError, match="stopping"):
        jobs.submit("ask", {}, held)


def test_a_fault_ends_its_own_job_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def ours(progress: Progress) -> Outcome:
        raise DataError("no rows")

    def unforeseen(progress: Progress) -> Outcome:
        raise ValueError("secret in /a/path/of/mine")

    jobs = Jobs()
    one, two = jobs.submit("ask", {}, ours), jobs.submit("ask", {}, unforeseen)
    three = jobs.submit("ask", {}, lambda p: Outcome({"fine": 1}))
    wait_for(three, State.DONE)
    assert (one.state, two.state) == (State.FAILED, State.FAILED)
    assert two.error is not None and "secret" not in str(two.error) and "ValueError" in str(two.error)
    assert "secret" not in capsys.readouterr().err
    with pytest.raises(DataError):
        jobs.outcome(one.id)
    jobs.stop()


def test_stopping_tells_the_job_that_runs() -> None:
    jobs, held = Jobs(), Held()
    running, waiting = jobs.submit("ask", {}, held), jobs.submit("ask", {}, held)
    wait_for(running, State.RUNNING)
    jobs.stop()
    assert (running.state, waiting.state) == (State.CANCELLED, State.CANCELLED)


def test_while_a_job_has_the_database_the_editor_goes_on(world: Served) -> None:
    from foretell.core.progress import QUIET

    with world.service.holding.use(QUIET):
        assert world.post("/api/query/check", {"query": BUYS})
        assert world.post("/api/query/preview", {"query": BUYS}, 409)["error"] == "ConflictError"
        assert world.post("/api/query/complete", {"query": "PREDICT ", "position": 8})["suggestions"]
    assert client_of(world.app).get("/api/jobs").status_code == 200
