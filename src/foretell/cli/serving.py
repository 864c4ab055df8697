"""The command that serves a database and its models: an HTTP API, and a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foretell.cli import options as o
from foretell.cli.run import registry, running


def serve(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[DATABASE]", help="As elsewhere; without it only the models are served."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")
    ] = 8017,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Where it listens; by default this machine alone."),
    ] = "127.0.0.1",
    host_name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="A name by which it is reached; may be repeated."),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines reach it, at a --host that they can.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="Where the token is kept; made if it is not there."
        ),
    ] = None,
    models: o.Models = Path("models"),
    config: o.Config = None,
    now: o.Now = None,
    seed: o.Seed = 0,
    memory: o.Memory = None,
    no_cache: o.NoCache = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    debug: o.Debug = False,
) -> None:
    """Serve a database and its models: an HTTP API and a page, for whoever has the token."""
    from foretell.core.lazy import require

    for module in ("fastapi", "uvicorn"):
        require(module, extra="serve")
    from foretell.server.serve import Place, listen
    from foretell.server.serve import serve as run_server
    from foretell.server.start import make_service
    from foretell.server.token import token_of

    with running(None, None, quiet, verbose) as run, registry(models, now) as held:
        token = token_of(token_file)
        service = make_service(target, held, config=config, seed=seed, memory=memory, cache=not no_cache)
        bound, place = listen(Place(host, port, tuple(host_name or ())), allow_remote=allow_remote)

        def tell() -> None:
            if token.is_known:
                run.say(f"serving at {place.url}?token=… (the token is that of FORETELL_TOKEN)")
            else:
                run.say(f"serving at {place.url}?token={token.secret}")
                run.say("open that address; the token is in it, so do not pass it on. Stop with Ctrl-C")

        run_server(service, token, place, [bound], ready=tell)
