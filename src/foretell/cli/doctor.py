"""The command that looks at everything a model's upkeep rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.run import registry, running


def doctor(
    target: o.Target,
    name: Annotated[
        str | None, typer.Option("--name", help="A model to look at too, such as churn or churn@3.")
    ] = None,
    now: o.Now = None,
    models: o.Models = Path("models"),
    config: o.Config = None,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Look at the database, the registry, this machine and a model. Exit code 1 if something is broken."""
    from foretell.lifecycle.doctor import examine
    from foretell.report.doctor import examination_view

    with running(format, output, quiet, verbose) as run, registry(models, now) as held:
        found = examine(held, target, name, config=config, progress=run.progress)
        run.show(Result(lambda: examination_view(found), found.to_dict))
    if not found.healthy:
        raise typer.Exit(1)
