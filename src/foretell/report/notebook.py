"""How results look in a notebook: the same views as in a terminal, as HTML."""

from __future__ import annotations

import sys
from typing import Any

from foretell.evaluation.backtest import Backtest
from foretell.evaluation.labels import LabelReport
from foretell.report.backtest import backtest_view
from foretell.report.labels import labels_view
from foretell.report.layout import to_html
from foretell.report.schema import schema_view
from foretell.schema.model import Schema

VIEWS: dict[type, Any] = {Schema: schema_view, Backtest: backtest_view, LabelReport: labels_view}
"""What has no HTML of its own, because it knows nothing of displays."""


def register() -> bool:
    """Tell a running IPython how to show `VIEWS`; without one there is nothing to do."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return False
    html = shell.display_formatter.formatters["text/html"]
    for kind, view in VIEWS.items():
        html.for_type(kind, lambda value, view=view: to_html(view(value)))
    return True
