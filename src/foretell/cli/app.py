"""The commands. Each one reads its arguments, calls the library, and hands what it gets to `output`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foretell.cli import options as o
from foretell.cli import upkeep
from foretell.cli.doctor import doctor
from foretell.cli.explaining import explain
from foretell.cli.faults import report
from foretell.cli.grading import grade
from foretell.cli.models import models_app
from foretell.cli.monitoring import monitor
from foretell.cli.output import Result, emit, save
from foretell.cli.patterns import patterns
from foretell.cli.plotting import PlotFile, draw_backtest, ready
from foretell.cli.reporting import report_file
from foretell.cli.retraining import retrain
from foretell.cli.run import Run, connect, load, registry, running
from foretell.cli.serving import serve
from foretell.cli.writing import write
from foretell.core.errors import UsageError
from foretell.models.choice import Choice
from foretell.schema.breadth import DEFAULT
from foretell.task.regime import Regime

AUDITED = 1  # learning cutoffs that `fit` looks for leaks at; `audit` looks at more
QUESTION = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"

app = typer.Typer(
    name="foretell",
    help="Ask a database what will happen.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.command()
def demo(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where the demo is written.")] = Path(
        "shop.duckdb"
    ),
    query: Annotated[str, typer.Option("--query", help="What it is asked.")] = QUESTION,
    seed: o.Seed = 0,
    time_limit: o.TimeLimit = 30,
    top: o.Top = 5,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Write a made-up shop to shop.duckdb and ask it a question."""
    import foretell

    with running(format, output, quiet, verbose) as run:
        run.progress.stage(f"writing {path}")
        foretell.demo(path, seed=seed)
        run.progress.note(f'wrote {path}; ask it more with: foretell ask {path} "{query}"')
        _ask(run, str(path), query, None, seed, time_limit, None, top)


@app.command()
def schema(
    target: o.Target,
    write_to: Annotated[
        bool, typer.Option("--write", help="Write it to --config (foretell.toml) to be corrected.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Let --write replace a file.")] = False,
    config: o.Config = None,
    seed: o.Seed = 0,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Show tables, keys, links, times, and why each is believed."""
    from foretell.report.schema import schema_view
    from foretell.schema.record import to_record

    with running(format, output, quiet, verbose) as run:
        path = config or _beside(target)
        if write_to and path.exists() and not force:
            raise UsageError(f"{str(path)!r} is there already", mend="add --force to replace it")
        with connect(run, target, None if write_to else config, seed, None, no_cache) as db:
            if write_to:
                from foretell.schema import toml

                save(path, toml.write(db.schema, db.opened.features).encode())
                run.say(f"wrote {path}: correct it; it is read whenever it lies beside the database")
            run.show(Result(lambda: schema_view(db.schema, name=db.name), lambda: to_record(db.schema)))


@app.command()
def check(
    target: o.Target,
    query: o.Query,
    labels: o.Labels = None,
    config: o.Config = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Say what a question means, without training anything."""
    with (
        running(format, output, quiet, verbose) as run,
        connect(run, target, config, seed, memory, no_cache) as db,
    ):
        question = db.query(o.query_text(query), labels=labels)
        checked = question.check()
        run.show(Result(lambda: checked.view(), checked.to_dict, question.labels))


@app.command()
def ask(
    target: o.Target,
    query: o.Query,
    top: o.Top = 10,
    labels: o.Labels = None,
    features: o.Features = None,
    window: o.Windows = None,
    model: o.Model = Choice.AUTO,
    frozen_at: o.FrozenAt = None,
    frozen_for: o.FrozenFor = None,
    time_limit: o.TimeLimit = 30,
    plot: PlotFile = None,
    config: o.Config = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Answer a question: backtest, reasons and predictions."""
    with running(format, output, quiet, verbose) as run:
        _ask(
            run,
            target,
            query,
            config,
            seed,
            time_limit,
            labels,
            top,
            features=features,
            windows=window,
            memory=memory,
            no_cache=no_cache,
            frozen=(frozen_at, frozen_for),
            model=model,
            plot=plot,
        )


def _ask(
    run: Run,
    target: str,
    query: str,
    config: Path | None,
    seed: int,
    time_limit: float,
    labels: Path | None,
    top: int,
    *,
    features: str | None = None,
    windows: str | None = None,
    memory: str | None = None,
    no_cache: bool = False,
    frozen: tuple[str | None, str | None] = (None, None),
    model: Choice = Choice.AUTO,
    plot: Path | None = None,
) -> None:
    ready(plot)
    DEFAULT.said(features, windows)  # slips are told before the database is read
    Regime.of(*frozen)
    with connect(run, target, config, seed, memory, no_cache) as db:
        question = db.query(o.query_text(query), labels=labels, features=features, windows=windows)
        answer = question.ask(
            time_limit=time_limit, model=model, frozen_at=frozen[0], frozen_for=frozen[1], top=top
        )
        draw_backtest(run, plot, answer.model)
        run.show(
            Result(
                lambda: answer.view(name=db.name, top=top),
                answer.to_dict,
                answer.predictions.to_arrow,
            )
        )


@app.command()
def fit(
    target: o.Target,
    query: o.Query,
    name: Annotated[str, typer.Option("--name", help="What the model is called, such as churn.")],
    labels: o.Labels = None,
    features: o.Features = None,
    window: o.Windows = None,
    model: o.Model = Choice.AUTO,
    frozen_at: o.FrozenAt = None,
    frozen_for: o.FrozenFor = None,
    time_limit: o.TimeLimit = 30,
    audited: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Look for leaks on this database as well.")
    ] = True,
    plot: PlotFile = None,
    now: o.Now = None,
    models: o.Models = Path("models"),
    config: o.Config = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Train a model and keep it as a version under a name."""
    from foretell.lifecycle.version import Reference
    from foretell.report.answer import model_view

    with running(format, output, quiet, verbose) as run:
        ready(plot)
        DEFAULT.said(features, window)
        Regime.of(frozen_at, frozen_for)
        Reference.of(name)
        with (
            connect(run, target, config, seed, memory, no_cache, now) as db,
            registry(models, now) as held,
        ):
            question = db.query(o.query_text(query), labels=labels, features=features, windows=window)
            held.ready()
            backtest = question.backtest(
                time_limit=time_limit, model=model, frozen_at=frozen_at, frozen_for=frozen_for
            )
            fitted = question.fit(
                time_limit=time_limit, model=model, frozen_at=frozen_at, frozen_for=frozen_for
            )
            audit = question.audit(cutoffs=AUDITED).to_dict() if audited else None
            version = held.add(name, fitted, audit=audit)
            champion = held.standing(name).champion
        draw_backtest(run, plot, fitted)
        for remark in fitted.features.remarks:
            run.say(remark)
        data = {
            "name": name,
            "version": version.number,
            "champion": champion,
            "query": fitted.query,
            "backtest": backtest.to_dict(),
            "audit": audit,
        }
        run.show(
            Result(
                lambda: model_view(fitted.description, backtest, fitted.drivers, version, champion),
                lambda: data,
            )
        )
    if version.clean is False:
        raise typer.Exit(1)


@app.command()
def predict(
    model: o.ModelName,
    target: o.Target,
    as_of: o.AsOf = None,
    frozen_at: o.SnapshotAt = None,
    ids: o.Ids = None,
    explain: Annotated[bool, typer.Option("--explain", help="Give each prediction's reasons.")] = False,
    top: o.Top = 20,
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
    """Score a database with a saved model."""
    from foretell.report.answer import predictions_view

    with running(format, output, quiet, verbose) as run:
        named = o.id_list(ids)
        found = load(models, model).predict(
            target,
            as_of=as_of,
            frozen_at=frozen_at,
            ids=named,
            explain=explain,
            config=config,
            memory=memory,
            cache=not no_cache,
            progress=run.progress,
        )
        run.show(Result(lambda: predictions_view(found, top=top), lambda: list(found.rows()), found.to_arrow))


app.command()(explain)
app.command()(write)
app.command()(grade)
app.command("report")(report_file)
app.command()(monitor)
app.command()(retrain)
app.command()(upkeep.run)
app.command()(doctor)
app.command()(patterns)
app.command()(serve)


@app.command()
def audit(
    target: o.Target,
    query: o.Query,
    then: Annotated[
        str | None,
        typer.Option(
            "--then", metavar="EARLIER", help="An earlier copy of the database, or what --remember wrote."
        ),
    ] = None,
    remember: Annotated[
        Path | None,
        typer.Option("--remember", metavar="FILE", help="Write hashes of all rows, for --then next time."),
    ] = None,
    cutoffs: Annotated[
        int, typer.Option("--cutoffs", metavar="N", min=1, help="At how many learning cutoffs.")
    ] = 3,
    labels: o.Labels = None,
    features: o.Features = None,
    window: o.Windows = None,
    config: o.Config = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Look for leaks of the future into a question's features. Exit code 1 if there are any."""
    DEFAULT.said(features, window)
    with (
        running(format, output, quiet, verbose) as run,
        connect(run, target, config, seed, memory, no_cache) as db,
    ):
        question = db.query(o.query_text(query), labels=labels, features=features, windows=window)
        found = question.audit(cutoffs=cutoffs, then=then)
        run.show(Result(found.view, found.to_dict))
        if remember is not None:
            run.say(f"wrote hashes of {db.remember(remember):,} rows to {remember}")
    if not found.clean:
        raise typer.Exit(1)


@app.command()
def sql(
    model: o.ModelName,
    models: o.Models = Path("models"),
    output: o.Output = None,
    debug: o.Debug = False,
) -> None:
    """Print a model's labels and features as commented SQL."""
    text = load(models, model).sql().rstrip() + "\n"
    if output is None:
        emit(text.encode())
    else:
        save(output, text.encode())


@app.command()
def fmt(
    query: Annotated[
        str, typer.Argument(metavar="[QUERY]", help="The query; @FILE or - as elsewhere.")
    ] = "-",
    debug: o.Debug = False,
) -> None:
    """Print a query in its canonical form."""
    from foretell.query.format import format_query
    from foretell.query.parser import parse

    emit((format_query(parse(o.query_text(query))) + "\n").encode())


@app.command()
def cache(
    target: Annotated[
        str | None, typer.Argument(metavar="[DATABASE]", help="Only the copies of this one.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove them.")] = False,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """List the kept copies of large databases, or remove them."""
    from foretell.core.size import show_size
    from foretell.core.text import plural
    from foretell.report.cache import cache_view
    from foretell.store.cache import Cache

    with running(format, output, quiet, verbose) as run:
        kept = Cache.default()
        if kept is None:
            raise UsageError(
                "no copies are kept: FORETELL_CACHE is 'off'", mend="unset it to see those kept before"
            )
        place = None if target is None else str(Path(target).expanduser().resolve())
        found = kept.clear(place) if clear else kept.entries(place)
        if clear:
            run.say(
                f"removed {plural(len(found), 'copy', 'copies')}, {show_size(sum(e.size for e in found))}"
            )
            return
        run.show(Result(lambda: cache_view(found, kept), lambda: [e.to_dict() for e in found]))


app.add_typer(models_app, name="models")


def _beside(target: str) -> Path:
    """Where foretell.toml is looked for: beside a file or in a folder, else here."""
    place = Path(target)
    if "://" in target or not place.exists():
        return Path("foretell.toml")
    return (place if place.is_dir() else place.parent) / "foretell.toml"


def _version(wanted: bool) -> None:
    if wanted:
        import foretell

        print(f"foretell {foretell.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Ask a database what will happen."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, 1 data or a gate said no, 2 the call was wrong."""
    # Before any numeric library is loaded: threads that wait without spinning. On a busy machine spinning
    # ones make training several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = app(given, prog_name="foretell", standalone_mode=False) or 0
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        if "--debug" in given:
            raise
        code = report(error, Console(stderr=True, highlight=False), as_json=_wants_json(given))
    raise SystemExit(code)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether errors should be JSON: asked for with --format json, even where the call could not be read."""
    pairs = zip(arguments, [*arguments[1:], ""])
    return any(a == "--format=json" or (a == "--format" and b == "json") for a, b in pairs)


if __name__ == "__main__":
    main()
