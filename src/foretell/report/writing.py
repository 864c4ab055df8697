"""What was written where, laid out for a reader."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import format_instant
from foretell.lifecycle.writing import Written
from foretell.report.answer import stack
from foretell.report.layout import bullets, grid
from foretell.report.numbers import moment


def written_view(written: Written) -> RenderableType:
    """The verdict, the run, and the tables that hold it."""
    batch = written.batch
    view = grid("", "")
    view.show_header = False
    for what, said in (
        ("destination", written.destination),
        ("table", written.to),
        ("latest run", written.latest),
        ("run", f"{batch.run_id}, {plural(batch.rows, 'row')}"),
        ("cutoff", moment(format_instant(batch.cutoff))),
    ):
        view.add_row(Text(what, style="dim"), Text(said))
    notes = [bullets(written.notes)] if written.notes else []
    return stack([Text(moment(written.verdict), style="bold"), view, *notes])
