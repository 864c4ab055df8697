"""A run is there whole or not at all, whatever happens to its writer; the battery in short."""

from __future__ import annotations

import pytest
import writeback
from places import PLACES

SERVERS = ("postgres", "mysql")
CASES = [
    pytest.param(kind, fault, id=f"{kind}-{fault}", marks=pytest.mark.server if kind in SERVERS else ())
    for kind, faults in writeback.FOR.items()
    for fault in faults
]


def answers(kind: str) -> None:
    if kind in SERVERS:
        try:
            PLACES[kind]().close()
        except Exception as error:
            pytest.skip(f"no {kind} server answers on loopback: {error}")


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_a_run_is_whole_or_not_there(kind: str, fault: str) -> None:
    answers(kind)
    found = writeback.battery(kind, fault, faults=4, seed=1, size=300)
    if fault == "room" and not found.faults:
        pytest.skip("a disk to be filled cannot be mounted here")
    assert found.faults == 4
    assert found.bad == 0, found
    if fault == "cut":  # the answer to COMMIT was lost, and the run looked up
        assert found.looked_up > 0 and found.interrupted == 0, found


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.server if k in SERVERS else ()) for k in PLACES]
)
def test_a_writer_without_transactions_is_caught(kind: str) -> None:
    answers(kind)
    assert any(
        writeback.battery(kind, "kill", faults=2, seed=seed, size=1_500, careless=True).bad
        for seed in range(8)
    )
