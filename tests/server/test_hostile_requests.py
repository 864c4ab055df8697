"""A short run of the battery of hostile HTTP, and a planted fault that it must find."""

from __future__ import annotations

import importlib.util
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

BATTERY = Path(__file__).parents[2] / "benchmarks" / "faults" / "hostile_http.py"
ARGS = Namespace(threads=4, seed=7, races=3, at_least=0.0, customers=200)


@pytest.fixture(scope="module")
def hostile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hostile_http", BATTERY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile_http"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def test_five_hundred_hostile_requests(hostile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    costly = (hostile.job_flood, hostile.query_bombs)
    monkeypatch.setattr(hostile, "ATTACKS", [a for a in hostile.ATTACKS if a[1] not in costly])
    tally, outside = hostile.battery(ARGS, requests=500, slow_clients=12)
    assert tally.requests >= 500 and tally.normal
    assert (tally.faults, outside) == ([], [])
    assert max(tally.statuses) < 500


def test_a_door_left_open_is_found(hostile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "ATTACKS", [(1, hostile.no_token)])
    tally, _ = hostile.battery(ARGS, "open", requests=40, slow_clients=0)
    assert any("expected (401,)" in f for f in tally.faults)
