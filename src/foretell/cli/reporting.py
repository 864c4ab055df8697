"""`foretell report`: everything about a model in one HTML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import save
from foretell.cli.run import ENDING, load, registry, running
from foretell.core.errors import UsageError
from foretell.core.lazy import require
from foretell.core.size import show_size
from foretell.core.time import parse_instant


def report_file(
    model: o.ModelName,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[DATABASE]", help="Score it, and give the reasons of the highest scores."),
    ] = None,
    patterns: Annotated[
        bool, typer.Option("--patterns", help="Look for patterns behind the target in DATABASE.")
    ] = False,
    top: o.Top = 10,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.html", help="Where it goes; by default MODEL.html."),
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECONDS", min=1, help="Seconds for patterns.")
    ] = 60,
    now: o.Now = None,
    models: o.Models = Path("models"),
    config: o.Config = None,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Write all that is known of a model into one HTML file."""
    if patterns and target is None:
        raise UsageError("--patterns needs a database", mend=f"foretell report {model} DATABASE --patterns")
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"found {output.name!r}, expected a name that ends in .html")
    require("vl_convert", extra="report")
    require("jinja2", extra="report")
    from foretell.pipeline import Database
    from foretell.prediction.database import open_database
    from foretell.report.html import Extras, kept, model_report, scored

    with running(None, None, quiet, verbose) as run:
        found = load(models, model)
        extras = Extras()
        if not model.endswith(ENDING):
            with registry(models, now) as held:
                extras = kept(held, model, top=top)
        if target is not None:
            with open_database(
                target,
                config=config,
                schema=found.task.schema,
                now=None if now is None else parse_instant(now),
                memory=memory,
                cache=not no_cache,
                progress=run.progress,
            ) as database:
                extras = scored(extras, found, database, top=top)
                if patterns and found.query is not None:
                    asked = Database(database, seed=0, progress=run.progress).query(found.query)
                    extras = replace(extras, patterns=asked.patterns(time_limit=time_limit))
        run.progress.stage("drawing")
        place = output or Path(f"{Path(model).name.removesuffix(ENDING)}.html")
        content = model_report(found, extras).encode()
        save(place, content)
        run.say(f"wrote {place} ({show_size(len(content))})")
