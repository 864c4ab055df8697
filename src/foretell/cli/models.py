"""The commands of the registry: list, show, diff, promote, rollback, prune, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.output import Result, save
from foretell.cli.run import registry, running
from foretell.core.errors import UsageError

models_app = typer.Typer(help="Versions of models: list, compare, promote, let go.", no_args_is_help=True)
MODELS = Path("models")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit log.")]


@models_app.command("list")
def list_models(
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """List the models: champion, challenger, score, audit."""
    from foretell.report.models import models_view

    with running(format, output, quiet, False) as run, registry(models) as held:
        found = [(held.standing(n), held.versions(n)) for n in held.names()]
        data = [
            {**standing.to_dict(), "versions": [v.summary() for v in versions]}
            for standing, versions in found
        ]
        run.show(Result(lambda: models_view(found, str(models)), lambda: data))


@models_app.command()
def show(
    model: o.Version,
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Show everything that is known of a version, and what was done to its model."""
    from foretell.report.models import version_view

    with running(format, output, quiet, False) as run, registry(models) as held:
        version = held.version(model)
        standing, history = held.standing(version.name), held.history(version.name)
        data = {
            **version.to_dict(),
            "standing": standing.to_dict(),
            "history": [e.to_dict() for e in history],
        }
        run.show(Result(lambda: version_view(version, standing, history), lambda: data))


@models_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A version, such as churn@3.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another, such as churn@challenger.")],
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Show what differs between two versions: query, schema, features, scores, recipe, packages."""
    from foretell.report.models import difference_view

    with running(format, output, quiet, False) as run, registry(models) as held:
        found = held.diff(before, after)
        run.show(Result(lambda: difference_view(found), found.to_dict))


@models_app.command()
def promote(
    model: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Such as churn@4.")],
    force: Annotated[bool, typer.Option("--force", help="Even if its audit found a leak.")] = False,
    reason: Reason = "asked for",
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Make a version the champion: the one that answers to the model's name."""
    from rich.text import Text

    with running(format, output, quiet, False) as run, registry(models) as held:
        version = held.version(model)
        if "@" not in model:
            raise UsageError(
                f"found {model!r}, expected the version to promote", mend=f"such as {model}@challenger"
            )
        before = held.standing(version.name)
        held.promote(version.reference, epoch=before.epoch, reason=reason, force=force)
        if version.clean is None:
            run.say(f"{version} was not audited for leaks: see `foretell audit`")
        said = f"{version} is the champion"
        said += "." if before.champion == version.number else f"; before it, version {before.champion} was."
        if before.champion == version.number:
            said = f"{version} is the champion already; nothing was changed."
        data = {"champion": version.number, "before": before.champion}
        run.show(Result(lambda: Text(said), lambda: {"name": version.name, **data}))


@models_app.command()
def rollback(
    name: o.Name,
    reason: Reason = "asked for",
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Make the champion before this one the champion again."""
    from rich.text import Text

    with running(format, output, quiet, False) as run, registry(models) as held:
        before = held.standing(name)
        version = held.rollback(name, reason=reason)
        said = f"{version} is the champion again; version {before.champion} was."
        data = {"name": name, "champion": version.number, "before": before.champion}
        run.show(Result(lambda: Text(said), lambda: data))


@models_app.command()
def prune(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only of this model.")] = None,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=0, help="How many of the newest versions stay.")
    ] = 5,
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Let go of old versions, and of files that nothing names any more."""
    from foretell.report.models import pruned_view

    with running(format, output, quiet, False) as run, registry(models) as held:
        gone = held.prune(name, keep=keep)
        run.show(Result(lambda: pruned_view(gone), lambda: {"pruned": [str(v) for v in gone]}))


@models_app.command()
def export(
    model: o.Version,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default NAME.foretell.")
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", metavar="URI", help="Log it to this MLflow server instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Write a version to a model file, or hand it on to MLflow."""
    from rich.text import Text

    if output is not None and mlflow is not None:
        raise UsageError("found both -o and --mlflow, expected one of them")
    with running(format, None, quiet, False) as run, registry(models) as held:
        version = held.version(model)
        content = held.artifacts.read(version.sha256)
        if mlflow is not None:
            from foretell.lifecycle.tracking import track

            tracked = track(version, content, mlflow)
            said = f"{version} is run {tracked.run} of experiment {tracked.experiment!r} at {tracked.uri}"
            run.show(Result(lambda: Text(said), tracked.to_dict))
            return
        place = output or Path(f"{version.name}.foretell")
        if place.exists() and not force:
            raise UsageError(f"{str(place)!r} is there already", mend="add --force to replace it")
        save(place, content)
        data = {"version": str(version), "file": str(place), "sha256": version.sha256}
        run.show(Result(lambda: Text(f"Wrote {version} to {place}."), lambda: data))


@models_app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model file, such as churn.foretell.")],
    name: Annotated[str, typer.Option("--name", help="What the model is called here.")],
    models: o.Models = MODELS,
    format: o.FormatOption = None,
    output: o.Output = None,
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Keep a model file as the next version of a model."""
    from rich.text import Text

    import foretell

    with running(format, output, quiet, False) as run, registry(models) as held:
        version = held.add(name, foretell.load(file), reason=f"imported from {file.name}")
        champion = held.standing(name).champion
        role = "champion" if champion == version.number else "challenger"
        data = {"name": name, "version": version.number, "champion": champion}
        run.show(
            Result(lambda: Text(f"Kept as {version}, the {role}; it was not audited here."), lambda: data)
        )
