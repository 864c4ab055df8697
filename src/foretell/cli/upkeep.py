"""`foretell run`: a model's upkeep in one command for a scheduler."""

from __future__ import annotations

from pathlib import Path

import typer

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.run import registry, running


def run(
    name: o.Name,
    target: o.Target,
    to: o.To = "predictions",
    into: o.Into = None,
    every: o.Every = None,
    promote: o.Promote = "if-better",
    explain: o.Reasons = True,
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
    """Grade, monitor, retrain if due, and write predictions. Exit code 1 if something needs a look."""
    from foretell.core.time import parse_span
    from foretell.lifecycle.upkeep import keep_up
    from foretell.report.upkeep import upkeep_view

    span = None if every is None else parse_span(every)
    with running(format, output, quiet, verbose) as shown, registry(models, now) as held:
        found = keep_up(
            held,
            name,
            target,
            to=to,
            into=into,
            every=span,
            promote=promote,
            explain=explain,
            config=config,
            memory=memory,
            cache=not no_cache,
            progress=shown.progress,
        )
        shown.show(Result(lambda: upkeep_view(found), found.to_dict))
    if not found.sound:
        raise typer.Exit(1)
