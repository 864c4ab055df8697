"""`foretell write`: predictions into the user's own database."""

from __future__ import annotations

from pathlib import Path

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.run import registry, running


def write(
    model: o.ModelName,
    target: o.Target,
    to: o.To = "predictions",
    into: o.Into = None,
    as_of: o.AsOf = None,
    explain: o.Reasons = True,
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
    """Write a model's predictions into a table of a database, once."""
    from foretell.lifecycle.writing import write as written
    from foretell.report.writing import written_view

    with running(format, output, quiet, verbose) as run, registry(models) as held:
        found = written(
            held,
            model,
            target,
            to=to,
            into=into,
            as_of=as_of,
            explain=explain,
            config=config,
            memory=memory,
            cache=not no_cache,
            progress=run.progress,
        )
        run.show(Result(lambda: written_view(found), found.to_dict))
