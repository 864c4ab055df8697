"""`foretell retrain`: a challenger against the champion, on rows that neither has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.run import registry, running


def retrain(
    name: o.Name,
    target: o.Target,
    promote: o.Promote = "if-better",
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only if time, new labels or bad grades call for it.")
    ] = False,
    every: o.Every = None,
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
    """Train a challenger; promote it if it is surely better. Exit code 1 if a leak is found."""
    from foretell.core.time import parse_span
    from foretell.lifecycle.present import present
    from foretell.lifecycle.retrain import Outcome
    from foretell.lifecycle.retrain import retrain as retrained
    from foretell.report.retraining import retrained_view

    span = None if every is None else parse_span(every)
    with (
        running(format, output, quiet, verbose) as run,
        registry(models, now) as held,
        present(
            held, name, target, config=config, memory=memory, cache=not no_cache, progress=run.progress
        ) as database,
    ):
        found = retrained(
            held,
            name,
            database,
            promote=promote,
            if_due=if_due,
            every=span,
            progress=run.progress,
        )
        run.show(Result(lambda: retrained_view(found), found.to_dict))
    if found.outcome is Outcome.LEAK:
        raise typer.Exit(1)
