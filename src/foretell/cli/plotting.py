"""`--plot`: a result as a picture, .svg or .png as the file's name says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretell.cli.output import save
from foretell.cli.run import Run
from foretell.core.errors import UsageError
from foretell.core.lazy import require

if TYPE_CHECKING:
    from foretell.prediction.model import Model
    from foretell.report.chart import Plot

ENDINGS = (".svg", ".png")
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw it as well, into an .svg or a .png file."),
]


def ready(path: Path | None) -> None:
    """Tell a slip in the name, or a missing package, before anything is computed."""
    if path is None:
        return
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"cannot draw into {path.name!r}, expected a name that ends in .svg or .png",
            mend=f"--plot {path.stem or 'plot'}.svg",
        )
    require("vl_convert", extra="report")


def draw(run: Run, path: Path | None, plots: Callable[[], Sequence[Plot]], title: str) -> None:
    """Draw the plots into the file, several of them side by side; nothing without a file."""
    if path is None:
        return
    from foretell.report import draw as drawing

    made = plots()
    if not made:
        run.say("there is nothing to draw")
        return
    whole = made[0] if len(made) == 1 else drawing.panel("panel", title, made)
    save(path, drawing.image(whole, path))
    run.say(f"drew {path}")


def draw_backtest(run: Run, path: Path | None, model: Model) -> None:
    """Draw a model's backtest and what it rests on."""

    def plots() -> Sequence[Plot]:
        from foretell.report.explained_plots import drivers_plot
        from foretell.report.plots import backtest_plots

        return [*backtest_plots(model.backtest), drivers_plot(model.drivers)]

    draw(run, path, plots, model.description)
