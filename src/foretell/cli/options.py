"""The arguments and options that the commands share, each described once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from foretell.cli.output import Format
from foretell.core.errors import UsageError
from foretell.core.time import parse_instant, parse_span
from foretell.models.choice import Choice


def _read_by(read: Callable[[str], object]) -> Callable[[str | None], str | None]:
    """A callback that lets `read` refuse a slip before any database is read; the text goes on as it is."""

    def check(text: str | None) -> str | None:
        if text is not None:
            read(text)
        return text

    return check


def _promotion(text: str) -> object:
    from foretell.lifecycle.retrain import Promote

    return Promote.of(text)


Target = Annotated[
    str,
    typer.Argument(
        metavar="DATABASE",
        help="A DuckDB or SQLite file, a folder of Parquet or CSV files, or a URL such as "
        "postgresql://user@host/name or mysql://user@host/name.",
    ),
]
Query = Annotated[
    str,
    typer.Argument(metavar="QUERY", help="The question; @FILE reads it from a file, - from standard input."),
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The name given to `fit` (its champion answers), NAME@3, NAME@challenger, or a .foretell file.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name given to `fit`, such as churn.")]
Version = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@VERSION]", help="Such as churn (its champion), churn@3 or churn@challenger."
    ),
]

FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="How the result is written; by default as -o's name tells."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to standard output."),
]
Top = Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many predictions are shown.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The schema as corrected by you, see `foretell schema --write`."
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same answer.")]
Model = Annotated[
    Choice,
    typer.Option("--model", help="What is tried: all that time allows, simple rules, trees, or deep nets."),
]
TimeLimit = Annotated[
    float,
    typer.Option("--time-limit", metavar="SECONDS", min=1, help="Seconds for training: 30, 300 or more."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE", help="Learn from this Parquet or CSV table of (key, cutoff, label)."
    ),
]
Features = Annotated[
    str | None,
    typer.Option("--features", metavar="less|standard|more", help="How many features are tried."),
]
Windows = Annotated[
    str | None,
    typer.Option("--window", metavar="7d,30d,…", help="Look back over these windows instead of the usual."),
]
Models = Annotated[
    Path,
    typer.Option(
        "--models", metavar="FOLDER", envvar="FORETELL_MODELS", help="The registry: a folder of models."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        callback=_read_by(parse_instant),
        help="Predict as of this time; by default the data's end.",
    ),
]
FrozenAt = Annotated[
    str | None,
    typer.Option(
        "--frozen-at", metavar="TIME|fold", help="Learn to predict from a snapshot that ends there."
    ),
]
FrozenFor = Annotated[
    str | None,
    typer.Option("--frozen-for", metavar="90d", help="How long the snapshot will be served."),
]
SnapshotAt = Annotated[
    str | None,
    typer.Option(
        "--frozen-at",
        metavar="TIME",
        callback=_read_by(parse_instant),
        help="See nothing after this time, whatever the cutoff.",
    ),
]
Ids = Annotated[str | None, typer.Option("--ids", metavar="1,2,…", help="Only these entities.")]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="Use no more memory than this, such as 2GB."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Read all of the database, and keep no copy of it.")
]
To = Annotated[str, typer.Option("--to", metavar="TABLE", help="The table that predictions are written to.")]
Into = Annotated[
    str | None,
    typer.Option("--into", metavar="DATABASE", help="Write to this database, not to the one read."),
]
Reasons = Annotated[
    bool, typer.Option("--explain/--no-explain", help="Give the reasons of the highest predictions.")
]
Every = Annotated[
    str | None,
    typer.Option(
        "--every",
        metavar="7d",
        callback=_read_by(parse_span),
        help="Retrain so often; by default every four windows or 28 days.",
    ),
]
Promote = Annotated[
    str,
    typer.Option(
        "--promote",
        metavar="if-better|never|always",
        callback=_read_by(_promotion),
        help="When the new version becomes the champion.",
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        callback=_read_by(parse_instant),
        help="Look as of this time; by default the present.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on standard error.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what each step did and took.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error arose.")]


def query_text(argument: str) -> str:
    """The query itself: as given, from a file (@FILE) or from standard input (-)."""
    if argument == "-":
        return sys.stdin.read()
    if argument.startswith("@"):
        path = Path(argument[1:])
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"cannot read the query from {str(path)!r}: {reason}") from None
    return argument


def id_list(text: str | None) -> list[str] | None:
    """The ids of `--ids`.

    >>> id_list("1, 2"), id_list(None)
    (['1', '2'], None)
    """
    if text is None:
        return None
    ids = [part.strip() for part in text.split(",") if part.strip()]
    if not ids:
        raise UsageError("--ids names no entity", mend="write them as --ids 1,2")
    return ids
