"""Who may come in: every request passes here first, and is refused unless everything about it is right.

In this order: the Host is one of ours, the token or the cookie is there, nothing comes from another site, the
body is small and arrives in time. No route is reached otherwise, not even one that does not exist.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foretell.server.token import Token

MOST_BODY = 1_000_000  # bytes
BODY_SECONDS = 10.0
LONGEST_TARGET = 8_192  # bytes of path and query together
READING = ("GET", "HEAD")
CHANGING = ("POST", "PUT", "DELETE")

HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class RefusedError(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, kind: str, message: str, mend: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.told: dict[str, Any] = {"error": kind, "message": message, "mend": mend, "examples": []}

    def body(self) -> bytes:
        return json.dumps(self.told).encode()


@dataclass(frozen=True)
class Guard:
    """The outermost part of the application. `hosts` are the exact Host headers that are answered."""

    app: ASGIApp
    token: Token
    hosts: frozenset[str]
    cookie: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        told = _dressed(send)
        try:
            said = _said(scope)
            self._known_host(said)
            if (secret := _entrance(scope)) is not None and self.token.fits(secret):
                await _come_in(told, self.cookie, self.token.cookie)
                return
            by_cookie = self._known_client(said)
            self._same_site(scope, said, by_cookie=by_cookie)
            body = await _body(scope, said, receive)
        except RefusedError as no:
            await _refuse(told, no)
            return
        try:
            await self.app(scope, _again(body, receive), told)
        except Exception:  # it was answered with a 500 already; passed on, it would be logged in full
            return

    def _known_host(self, said: Mapping[str, list[str]]) -> None:
        found = said.get("host", [])
        if len(found) != 1 or found[0].lower() not in self.hosts:
            raise RefusedError(421, "WrongHost", "this server does not answer to that Host")

    def _known_client(self, said: Mapping[str, list[str]]) -> bool:
        """Whether it was the cookie, not the token, that let the client in."""
        given = said.get("authorization", [])
        if given:
            scheme, _, secret = given[0].partition(" ")
            if len(given) == 1 and scheme.lower() == "bearer" and self.token.fits(secret.strip()):
                return False
            raise _unknown()
        for header in said.get("cookie", []):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.cookie and self.token.fits_cookie(value):
                    return True
        raise _unknown()

    def _same_site(self, scope: Scope, said: Mapping[str, list[str]], *, by_cookie: bool) -> None:
        """Refuse what another site's page sends in the user's name."""
        method = scope["method"]
        if method not in (*READING, *CHANGING, "OPTIONS", "PATCH"):
            raise RefusedError(405, "WrongMethod", "there is no such method here")
        site, origin = said.get("sec-fetch-site", []), said.get("origin", [])
        ours = {f"{scheme}://{host}" for host in self.hosts for scheme in ("http", "https")}
        foreign = any(o.lower() not in ours for o in origin) or any(
            s.lower() not in ("same-origin", "none") for s in site
        )
        visit = method == "GET" and said.get("sec-fetch-mode") == ["navigate"] and not origin
        if foreign and not visit:
            raise RefusedError(403, "WrongOrigin", "this request comes from another site")
        if method in READING:
            return
        if by_cookie and not site and not origin:
            raise RefusedError(403, "WrongOrigin", "this request does not say which site it comes from")


def _unknown() -> RefusedError:
    return RefusedError(
        401,
        "Unauthorized",
        "the token is missing or wrong",
        "open the address that `foretell serve` printed, or send Authorization: Bearer and the token",
    )


def _too_large() -> RefusedError:
    return RefusedError(413, "TooLarge", f"the body is larger than {MOST_BODY:,} bytes")


def _said(scope: Scope) -> Mapping[str, list[str]]:
    """The headers by name, each with all that was sent under it."""
    if len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"]) > LONGEST_TARGET:
        raise RefusedError(414, "TooLong", f"the address is longer than {LONGEST_TARGET:,} bytes")
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _entrance(scope: Scope) -> str | None:
    """The token in the address with which the page is opened."""
    if scope["method"] != "GET" or scope["path"] != "/" or not scope["query_string"]:
        return None
    found = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8).get("token", [])
    return found[0] if len(found) == 1 else None


async def _come_in(send: Send, name: str, value: str) -> None:
    """Hand out the cookie, and go on to the page without the token in its address."""
    cookie = f"{name}={value}; Path=/; HttpOnly; SameSite=Strict"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _body(scope: Scope, said: Mapping[str, list[str]], receive: Receive) -> bytes:
    """All of the body, counted as it comes whatever its length was said to be."""
    length = said.get("content-length", ["0"])[0]
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MOST_BODY:
        raise _too_large()
    try:
        body = await asyncio.wait_for(_whole(receive), BODY_SECONDS)
    except TimeoutError:
        raise RefusedError(408, "TooSlow", f"the body did not arrive in {BODY_SECONDS:.0f} seconds") from None
    if body and scope["method"] in CHANGING:
        kind = said.get("content-type", [""])[0].partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, "WrongType", "expected a body of application/json")
    return body


async def _whole(receive: Receive) -> bytes:
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "Gone", "the client left")
        found += message.get("body", b"")
        if len(found) > MOST_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(found)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body as if it came now; afterwards whatever the connection says."""
    told = False

    async def listen() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return listen


def _dressed(send: Send) -> Send:
    """Every answer with the headers that keep a browser from being used against its user."""

    async def speak(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return speak


async def _refuse(send: Send, no: RefusedError) -> None:
    """Say no, and close: what the client still sends is not read."""
    body = no.body()
    headers: list[Any] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if no.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": no.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
