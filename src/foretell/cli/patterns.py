"""`foretell patterns`: what the history of a database shows, mined early and confirmed later."""

from __future__ import annotations

from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result, emit, save
from foretell.cli.plotting import PlotFile, draw, ready
from foretell.cli.run import connect, running
from foretell.core.errors import UsageError


def patterns(
    target: o.Target,
    question: Annotated[
        str | None,
        typer.Option("--target", metavar="QUERY", help="What goes along with this question's answer."),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="TABLE", help="Look only at this table's rows.")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many headlines are shown.")] = 20,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL that gives the headlines' figures again.")
    ] = False,
    plot: PlotFile = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECONDS", min=1, help="Seconds to look for them.")
    ] = 60,
    config: o.Config = None,
    now: o.Now = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Look for patterns: mined in the early part of history, confirmed in the later one."""
    from foretell.report.pattern_plots import patterns_plots
    from foretell.report.patterns import headline_sql, patterns_view

    ready(plot)
    if question is not None and table is not None:
        raise UsageError("--target and --table are two different questions", mend="leave one of them out")
    with (
        running(format, output, quiet, verbose) as run,
        connect(run, target, config, seed, memory, no_cache, now) as db,
    ):
        if question is not None:
            found = db.query(o.query_text(question)).patterns(time_limit=time_limit)
        else:
            found = db.patterns(table, time_limit=time_limit)
        draw(run, plot, lambda: patterns_plots(found, most=top), found.title)
        if not sql:
            run.show(Result(lambda: patterns_view(found, top=top), found.to_dict))
            return
        run.progress.close()
        text = headline_sql(found, top=top).encode()
        if output is None:
            emit(text)
        else:
            save(output, text)
