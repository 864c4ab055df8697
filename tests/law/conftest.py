"""The law holds for every engine: each test here runs on each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from foretell import kernel
from foretell.engines.choose import KINDS, SETTING


@pytest.fixture(params=KINDS, autouse=True)
def engine_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `make_engine` makes."""
    kind: str = request.param
    if kind == "native" and not kernel.AVAILABLE:
        pytest.skip(kernel.REASON)
    monkeypatch.setenv(SETTING, kind)
    return kind


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and engines run plans that the proof refuses."""

    def switch_off() -> None:
        monkeypatch.setattr("foretell.engines.duckdb.prove", lambda *_: None)
        if kernel.AVAILABLE:
            monkeypatch.setattr("foretell.engines.native.engine.prove", lambda *_: None)

    return switch_off
