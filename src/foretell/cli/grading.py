"""`foretell grade`: what became of the predictions that were written."""

from __future__ import annotations

from pathlib import Path

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.plotting import PlotFile, draw, ready
from foretell.cli.run import registry, running


def grade(
    name: o.Name,
    target: o.Target,
    plot: PlotFile = None,
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
    from foretell.report.upkeep_plots import grades_plot

    ready(plot)
    with (
        running(format, output, quiet, verbose) as run,
        registry(models, now) as held,
        present(
            held, name, target, config=config, memory=memory, cache=not no_cache, progress=run.progress
        ) as database,
    ):
        found = graded(held, name, database, progress=run.progress)
        draw(run, plot, lambda: [grades_plot(found)], found.name)
        run.show(Result(lambda: grades_view(found), found.to_dict, found.to_arrow))
