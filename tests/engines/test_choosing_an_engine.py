"""Which engine is made: as asked, as FORETELL_ENGINE says, or the fastest there is."""

from __future__ import annotations

import pyarrow as pa
import pytest

from foretell import kernel
from foretell.core.errors import ConfigError
from foretell.core.progress import Quiet
from foretell.engines.choose import SETTING, chosen_kind, make_engine
from foretell.schema.model import Schema
from foretell.sources.frames import FramesSource
from foretell.store.working import Store


class Notes(Quiet):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture(autouse=True)
def nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)


def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "AVAILABLE", False)
    monkeypatch.setattr(kernel, "REASON", "no module named _kernel")


def test_native_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "AVAILABLE", True)
    told = Notes()
    assert chosen_kind(progress=told) == "native"
    assert told.texts == []


def test_duckdb_where_it_is_not_which_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernel(monkeypatch)
    told = Notes()
    with Store.load(FramesSource({"t": pa.table({"id": [1]})}).snapshot()) as store:
        engine = make_engine(store, Schema(()), progress=told)
    assert not engine.sweeps
    (said,) = told.texts
    assert "no module named _kernel" in said and "DuckDB" in said


def test_the_setting_chooses_and_the_argument_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "AVAILABLE", True)
    monkeypatch.setenv(SETTING, "duckdb")
    assert chosen_kind() == "duckdb"
    assert chosen_kind("native") == "native"
    monkeypatch.setenv(SETTING, "")
    assert chosen_kind() == "native"


def test_an_unknown_engine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "nativ")
    with pytest.raises(ConfigError, match="'nativ' in FORETELL_ENGINE, expected native or duckdb") as caught:
        chosen_kind()
    assert caught.value.mend == "did you mean 'native'?"
    with pytest.raises(ConfigError, match="'spark', expected"):
        chosen_kind("spark")


def test_native_asked_for_and_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernel(monkeypatch)
    with pytest.raises(ConfigError, match="not installed: no module named _kernel"):
        chosen_kind("native")
