"""In a notebook a schema, a backtest and labels show themselves; elsewhere nothing is touched."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from foretell.report import notebook
from foretell.schema.model import Schema, Table


class Formatter:
    """Enough of IPython's HTML formatter."""

    def __init__(self) -> None:
        self.known: dict[type, Any] = {}

    def for_type(self, kind: type, show: Any) -> None:
        self.known[kind] = show


def test_without_ipython_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook.register() is False


def test_imported_but_not_running_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert notebook.register() is False


def test_in_a_notebook_a_schema_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    html = Formatter()
    shell = SimpleNamespace(display_formatter=SimpleNamespace(formatters={"text/html": html}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert notebook.register() is True
    assert set(html.known) == set(notebook.VIEWS)
    shown = html.known[Schema](Schema((Table("<orders>", (), rows=3),)))
    assert "&lt;orders&gt;" in shown and "<orders>" not in shown
