"""`foretell explain`: what a model rests on, and why one entity's score is what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from foretell.cli import options as o
from foretell.cli.output import Result
from foretell.cli.plotting import PlotFile, draw, ready
from foretell.cli.run import load, running
from foretell.core.errors import UsageError


def explain(
    model: o.ModelName,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[DATABASE]", help="Needed for --entity: where its rows are read."),
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(
            "--entity",
            metavar="KEY",
            help="Explain this one's score. A key of several columns: --entity once for each, in order.",
        ),
    ] = None,
    as_of: o.AsOf = None,
    frozen_at: o.SnapshotAt = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many reasons are told.")] = 10,
    plot: PlotFile = None,
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
    """Say what a model rests on, or why one entity scores as it does."""
    from foretell.report.explained_plots import entity_plot, explanation_plots
    from foretell.report.explaining import entity_view, explanation_view

    ready(plot)
    with running(format, output, quiet, verbose) as run:
        if not entity and (as_of or frozen_at):
            raise UsageError(
                "a time is asked for, and no entity: the model was explained when it was made",
                mend="add --entity KEY, or leave the time out",
            )
        held = load(models, model)
        if not entity:
            whole = held.explain()
            draw(run, plot, lambda: explanation_plots(whole), held.description)
            run.show(Result(lambda: explanation_view(held.description, whole, shown=top), whole.to_dict))
            return
        if target is None:
            raise UsageError(
                "which database is the entity in?",
                mend=f"foretell explain {model} shop.duckdb --entity {entity[0]}",
            )
        told = held.explain(
            entity_key(entity, held.task.entity_key),
            target,
            as_of=as_of,
            frozen_at=frozen_at,
            top=top,
            config=config,
            memory=memory,
            cache=not no_cache,
            progress=run.progress,
        )
        draw(run, plot, lambda: [entity_plot(told)], held.description)
        run.show(Result(lambda: entity_view(held.description, told), told.to_dict))


def entity_key(said: Sequence[str], columns: Sequence[str]) -> Any:
    """The key of --entity: a value, or a tuple for a key of several columns.

    >>> entity_key(["42"], ["id"]), entity_key(["Spain", "1982"], ["team", "year"])
    ('42', ('Spain', '1982'))
    """
    if len(said) != len(columns):
        options = " ".join(f"--entity {c.upper()}" for c in columns)
        raise UsageError(
            f"found {len(said)} of the {len(columns)} values of the key ({', '.join(columns)})",
            mend=f"name them in this order: {options}",
        )
    return said[0] if len(columns) == 1 else tuple(said)
