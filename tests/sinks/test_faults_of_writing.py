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
    found = writeback.battery(kind, fault, faults=6, seed=1, size=500)
    assert found.faults == 6
    assert found.bad == 0, found


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.server if k in SERVERS else ()) for k in PLACES]
)
def test_a_writer_without_transactions_is_caught(kind: str) -> None:
    answers(kind)
    found = writeback.battery(kind, "kill", faults=12, seed=2, size=2_000, careless=True)
    assert found.bad > 0


@pytest.mark.server
@pytest.mark.parametrize("kind", SERVERS)
def test_an_answer_to_commit_that_is_lost_is_looked_up(kind: str) -> None:
    answers(kind)
    found = writeback.battery(kind, "cut", faults=9, seed=3, size=500)
    assert found.bad == 0 and found.looked_up > 0 and found.interrupted == 0, found
