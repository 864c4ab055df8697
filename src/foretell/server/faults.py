"""What goes wrong, as an answer: the error's own fields, a status that fits, and no secret in it."""

from __future__ import annotations

import sys
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from foretell.core.errors import (
    ForetellError,
    GateError,
    RegistryError,
    SourceError,
    UsageError,
)
from foretell.server.plain import Plain
from foretell.server.veil import Veil


class NotFoundError(UsageError):
    """Something that was named is not there."""


class ConflictError(UsageError):
    """It cannot be done now: something else was done meanwhile, or is being done."""


class BusyError(UsageError):
    """Too much is asked for at once."""


STATUS: tuple[tuple[type[ForetellError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (BusyError, 429),
    (GateError, 409),
    (RegistryError, 409),
    (SourceError, 424),
    (ForetellError, 422),
)
"""The first that an error is an instance of; the server itself is sound in all of them."""
_WORDS = {404: "there is nothing here", 405: "this address takes other methods"}
_KINDS = {404: "NotFoundError", 405: "WrongMethod", 400: "BadRequest"}


def install(app: FastAPI, veil: Veil) -> None:
    """Turn every error into an answer of one shape."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, ForetellError)
        status = next(s for kind, s in STATUS if isinstance(error, kind))
        return Plain(veil.error(error), status)

    async def unread(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return Plain(_unread(error), 422)

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        return Plain(
            _told(_KINDS.get(status, "BadRequest"), _WORDS.get(status, "the request cannot be read")),
            status,
            dict(error.headers or {}),
        )

    async def unforeseen(_: Request, error: Exception) -> Response:
        print(f"foretell serve: a fault of its own: {type(error).__name__}", file=sys.stderr)
        return Plain(_told("InternalError", "this is a fault in foretell itself"), 500)

    app.add_exception_handler(ForetellError, ours)
    app.add_exception_handler(RequestValidationError, unread)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unforeseen)


def _unread(error: RequestValidationError) -> dict[str, Any]:
    """What does not fit a payload: where it stands, and what was expected; never the value itself."""
    found = [(".".join(str(p) for p in e["loc"][1:])[:200], str(e["msg"])[:200]) for e in error.errors()[:3]]
    where, why = found[0] if found else ("", "it cannot be read")
    return _told(
        "PayloadError",
        f"{where or 'the request'}: {why[:1].lower()}{why[1:]}",
        examples=[f"{a}: {b}" for a, b in found[1:]],
    )


def _told(kind: str, message: str, examples: list[str] | None = None) -> dict[str, Any]:
    return {"error": kind, "message": message, "mend": None, "examples": examples or []}
