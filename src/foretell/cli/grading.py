"""`foretell grade`: what became of the predictions that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result, save
from foretell.cli.run import registry, running


def grade(
    name: o.Name,
    target: o.Target,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.svg", help="Draw realised performance over time."),
    ] = None,
    now: o.Now = None,
    models: o.Models = Path("models"),
    config: o.Config = None,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Compare predictions that were written with what happened."""
    from foretell.lifecycle.grading import grade as graded
    from foretell.lifecycle.present import present
    from foretell.report.grading import grades_view
    from foretell.report.grading_plot import grades_svg

    with (
        running(format, output, quiet, verbose) as run,
        registry(models, now) as held,
        present(
            held, name, target, config=config, memory=memory, cache=not no_cache, progress=run.progress
        ) as database,
    ):
        found = graded(held, name, database, progress=run.progress)
        if plot is not None:
            save(plot, grades_svg(found).encode())
            run.say(f"drew {plot}")
        run.show(Result(lambda: grades_view(found), found.to_dict, found.to_arrow))
