"""The short fault battery: processes killed, disks that fail, promoters at once; and its planted faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BATTERY = Path(__file__).parents[2] / "benchmarks" / "faults" / "registry.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the battery forks, mounts and limits")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    sizes = {"kills": 12, "fits": 1, "writes": 14, "full": 3, "rounds": 6, "controls": 150}
    options = [f"--{name}={number}" for name, number in sizes.items()]
    done = subprocess.run(
        [sys.executable, str(BATTERY), *options, "--json"], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_nothing_is_corrupt_nothing_half_and_one_wins(found: dict[str, Any]) -> None:
    for tally in found["tallies"]:
        assert tally["faults"] == [], tally["harness"]
        assert tally["runs"] > 0 and tally["struck"] > 0 and tally["changes"] > 0, tally["harness"]
    names = [t["harness"] for t in found["tallies"]]
    assert len(names) >= 4 and "two to eight promote at once" in names


def test_each_planted_fault_is_caught(found: dict[str, Any]) -> None:
    assert len(found["controls"]) == 5
    assert [name for name, tally in found["controls"].items() if not tally["faults"]] == []
