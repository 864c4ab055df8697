"""`foretell monitor`: is the model still good, and is its data as it usually is?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result, save
from foretell.cli.run import registry, running
from foretell.core.lazy import require


def monitor(
    name: o.Version,
    target: o.Target,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a page for people as well.")
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
    """Look at a model's data, predictions and performance. Exit code 1 if harm is being done."""
    from foretell.lifecycle.monitor.watch import monitor as watched
    from foretell.report.monitor import monitor_view
    from foretell.report.monitor_page import monitor_page

    if report is not None:
        require("vl_convert", extra="report")
        require("jinja2", extra="report")
    with running(format, output, quiet, verbose) as run, registry(models, now) as held:
        seen = watched(
            held, name, target, config=config, memory=memory, cache=not no_cache, progress=run.progress
        )
        if report is not None:
            save(report, monitor_page(seen).encode())
            run.say(f"wrote {report}")
        run.show(Result(lambda: monitor_view(seen), seen.to_dict))
    if seen.harm:
        raise typer.Exit(1)
