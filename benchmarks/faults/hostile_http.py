"""Hostile HTTP: what strangers and broken clients send to the server, while a normal client is served.

    python benchmarks/faults/hostile_http.py [--requests 20000] [--slow 200] [--threads 8] [--seed 0]

Starts a server of its own on the loopback interface, over a made-up shop whose names are hostile text, and
stops it again. Counts answers of 500 and above, requests without the token that got in, files that were
opened outside of what the server needs, and secrets in answers; the exit code is 1 if there is any, if a
normal client's 99th percentile is a second or more, or if a planted fault was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
QUERY = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>",
    '"; DROP TABLE customers; --',
    "{{7*7}}${7*7}",
    "../../etc/passwd",
)
TIMEOUT = 20.0


# ── the server, in a process of its own ──


def serve_here(folder: Path, port: int, planted: str) -> None:
    """Run the server with every file that is opened written down; `planted` puts a fault into it."""
    log = os.open(folder / "opened.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            os.write(log, os.fsencode(args[0]).replace(b"\n", b"?") + b"\n")
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            os.write(log, f"!{event}\n".encode())

    from foretell.lifecycle.registry import Registry
    from foretell.server import app, guard
    from foretell.server.serve import Place, listen, serve
    from foretell.server.start import make_service
    from foretell.server.token import token_of

    if planted:
        _plant(planted, folder, app, guard)
    service = make_service(str(folder / "shop.duckdb"), Registry(folder / "home" / "models"))
    token = token_of(folder / "token")
    bound, place = listen(Place(HOST, port), allow_remote=False)
    service.holding.start()
    service.holding.wait()
    sys.addaudithook(audit)
    service.holding.start = lambda: None  # type: ignore[method-assign]
    serve(service, token, place, [bound], ready=lambda: print(place.port, flush=True))


def _plant(planted: str, folder: Path, app: Any, guard: Any) -> None:
    """A fault that the battery must find: a route that reads any file, one that breaks, a door left open."""
    made = app.make_api

    def faulty(service: Any) -> Any:
        api = made(service)
        if planted == "leak":

            @api.get("/api/planted/{path:path}")
            def leak(path: str) -> dict[str, str]:
                with suppress(OSError, ValueError):
                    return {"text": (folder / "home" / path).read_text()}
                return {"text": ""}

        if planted == "fault":

            @api.get("/api/planted/{path:path}")
            def fault(path: str) -> dict[str, str]:
                raise RuntimeError(path)

        return api

    app.make_api = faulty
    if planted == "open":
        known = guard.Guard._known_client

        def lax(self: Any, said: Any) -> bool:
            return True if "x-planted" in said or "authorization" not in said else known(self, said)

        guard.Guard._known_client = lax


# ── what is sent ──


@dataclass
class Answer:
    """What came back: the status (0: the connection was closed without one), the body, how long it took."""

    status: int
    body: bytes
    seconds: float
    head: bytes = b""


def send(port: int, data: bytes, *, half_close: bool = False, timeout: float = TIMEOUT) -> Answer:
    """Send bytes as they are, and read one answer."""
    began = time.monotonic()
    try:
        with socket.create_connection((HOST, port), timeout=timeout) as link:
            link.settimeout(timeout)
            with suppress(BrokenPipeError, ConnectionResetError):
                link.sendall(data)
                if half_close:
                    link.shutdown(socket.SHUT_WR)
            status, head, body = _read(link)
    except (ConnectionError, TimeoutError, OSError) as error:
        status, head, body = (-1 if isinstance(error, TimeoutError) else 0), b"", b""
    return Answer(status, body, time.monotonic() - began, head)


def _read(link: socket.socket) -> tuple[int, bytes, bytes]:
    held = b""
    while b"\r\n\r\n" not in held:
        got = link.recv(65536)
        if not got:
            return _status(held), held, b""
        held += got
        if len(held) > 1_000_000:
            break
    head, _, body = held.partition(b"\r\n\r\n")
    length = next(
        (int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), None
    )
    if b"text/event-stream" in head.lower():
        return _status(head), head, body
    with suppress(TimeoutError, ConnectionError):
        while length is None or len(body) < length:
            if length is None and body.endswith(b"0\r\n\r\n"):
                break
            got = link.recv(65536)
            if not got or len(body) > 50_000_000:
                break
            body += got
    return _status(head), head, body


def _status(head: bytes) -> int:
    parts = head.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


@dataclass
class World:
    """Where the server is, and what is known of it."""

    port: int
    token: str
    routes: list[tuple[str, str]]
    pages: list[str]
    markers: list[bytes]
    model: str = "churn"
    jobs: list[str] = field(default_factory=list)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        token: str | None = "",
        host: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """A request with the right token and host, unless told otherwise (token None: without)."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'{HOST}:{self.port}'}", "Connection: close"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token or self.token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
            if not any(n.lower() == "content-type" for n, _ in headers):
                lines.append("Content-Type: application/json")
        lines += [f"{n}: {v}" for n, v in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + (body or b"")

    def filled(self, path: str, value: str) -> str:
        """A route's address with every parameter set to a value."""
        out = path.replace("{number}", "1" if value == self.model else value)
        while "{" in out:
            left, _, rest = out.partition("{")
            out = left + value + rest.partition("}")[2]
        return out


TRAVERSALS = (
    "../secret.txt",
    "..%2fsecret.txt",
    "..%252fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "....//secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "..\\secret.txt",
    "..%5csecret.txt",
    "secret.txt%00",
    "file:%2f%2f%2fetc%2fpasswd",
    "churn%2f..%2f..%2fsecret.txt",
    "..;/secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "registry.db",
    "..%2f..%2fsecret.txt",
)
ODD_IDS = (
    "%00",
    "a%00b",
    "%F0%9F%92%A5",
    "%E2%80%AEchurn",
    "CHURN",
    "churn%20",
    "a" * 65,
    "a" * 4000,
    "%ED%A0%80",
    "%FF%FE",
    "1e999",
    "-1",
    "99999999999999999999999999",
    "churn@2",
    "churn';DROP%20TABLE%20models;--",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "..",
    ".",
    "%0d%0aSet-Cookie:a=b",
)
SQL = (
    "'; DROP TABLE customers; --",
    "1 UNION SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('../secret.txt')",
    "COPY customers TO '/tmp/x'",
    "ATTACH '/etc/passwd' AS p",
    "INSTALL httpfs",
    "PREDICT COUNT(\"read_text('/etc/passwd')\".*, 0, 30, days) = 0 FOR EACH customers.customer_id",
    "PREDICT COUNT(orders.* WHERE orders.channel = ''' OR 1=1 --') > 0 FOR EACH customers.customer_id",
)
TEXTS = (
    *SQL,
    "",
    "\0",
    "a\0b",
    "\u202e",
    "💥" * 50,
    "<img src=x onerror=alert(1)>",
    "{{7*7}}",
    "%s%s%n",
    "A" * 5000,
    "\ufeff",
    "ﬀ" * 100,
    "9" * 400,
    "-- " * 1000,
    "'" * 999,
    '"' * 999,
)


def bombs() -> tuple[str, ...]:
    """Queries that are meant to cost much."""
    return (
        "PREDICT " + "(" * 30_000,
        "PREDICT " + "NOT " * 15_000,
        "PREDICT " + "-" * 60_000,
        "PREDICT " + " + ".join(["COUNT(orders.*, 0, 30, days)"] * 2000) + " FOR EACH customers.customer_id",
        QUERY.replace("= 0", "IN (" + ",".join(map(str, range(12_000))) + ")"),
        QUERY + " WHERE " + " OR ".join(f"customers.customer_id = {i}" for i in range(1200)),
        "PREDICT CASE " + "WHEN 1=1 THEN 1 " * 4000 + "END FOR EACH customers.customer_id",
        "x" * 65_536,
        "x" * 65_537,
        "/*" * 32_000,
        "'" + "''" * 32_000,
        "1" * 65_000,
        "1e" * 30_000,
        "a." * 32_000,
        "PREDICT COUNT(" * 4000,
    )


def json_bombs() -> tuple[bytes, ...]:
    """Bodies that no reader should choke on."""
    return (
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"NaN",
        b'{"query": NaN}',
        b'{"query": Infinity}',
        b"[" * 100_000,
        b'{"query":' * 50_000,
        b"[" * 450_000 + b"]" * 450_000,
        b'{"query": ' + b"9" * 100_000 + b"}",
        b'{"query": 1e999999999}',
        b'{"query": "\\ud800"}',
        b'{"query": "\\u0000"}',
        b'{"query": "\xff\xfe"}',
        b"\xff\xfe\x00\x00",
        b'{"query": "x", "query": "y"}',
        b'{"__proto__": {"a": 1}, "query": "x"}',
        b'{"query": "' + b"a" * 999_000 + b'"}',
        b'{"query": ["x"]}',
        b'{"query": {"$ne": null}}',
        b'{"position": -1, "query": ""}',
        b'{"position": 99999999999999999999, "query": ""}',
        b'{"' + b"k" * 100_000 + b'": 1}',
        b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}",
    )


def bodies(rng: random.Random) -> bytes:
    """A body that is JSON, with hostile text or numbers in the fields that the API knows."""
    text = rng.choice(TEXTS)
    number = rng.choice((0, -1, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308))
    any_value = rng.choice((text, number, None, True, [text] * 20, {"a": text}, [[[[text]]]]))
    shapes: tuple[dict[str, Any], ...] = (
        {"query": text},
        {"query": text, "position": number},
        {"query": QUERY, "position": rng.randrange(100)},
        {"query": QUERY + " " + text},
        {"kind": "ask", "query": text},
        {"kind": rng.choice(("predict", "grade", "monitor", "retrain", text)), "model": text},
        {"kind": "ask", "query": QUERY, "time_limit": number, "model": any_value},
        {"kind": text, "sql": text, "path": "/etc/passwd"},
        {"version": number, "epoch": number},
        {"version": any_value, "epoch": any_value},
        {"name": text},
        {"entity": any_value},
        {"entity": number, "as_of": text, "explain": any_value},
        {"entity": [1, 2, 3, text]},
        {"entity": 42, "as_of": rng.choice(("9999-12-31", "0001-01-01", "-1", "2024-02-30", "NaT", text))},
        {"tables": {text: {"time": text}}},
        {"tables": {"orders": {"time": text, "primary_key": [text]}}},
        {"tables": {"orders": {"ignore": any_value}}, "links": [{"child": [text], "parent": [text]}]},
        {"links": [{"child": ["orders.customer_id"], "parent": [text]}]},
        {"tables": any_value, "links": any_value},
        {text: text},
    )
    return json.dumps(rng.choice(shapes), allow_nan=True).encode("utf-8", "surrogatepass")


# ── the attacks: each makes one request, and says what may come of it ──

Expected = Callable[[Answer], str | None]
Attack = Callable[[World, random.Random], tuple[bytes, bool, Expected]]


def refused(*statuses: int) -> Expected:
    """Only these statuses are right (0: the connection was closed)."""
    return lambda a: None if a.status in statuses else f"got {a.status}, expected {statuses}"


def sound(answer: Answer) -> str | None:
    """Any answer but a broken one."""
    if answer.status >= 500:
        return f"got {answer.status}"
    return "no answer in time" if answer.status == -1 else None


def no_token(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice(world.routes)
    method = rng.choice((method, "HEAD", "OPTIONS", "GET", "POST", "PUT", "DELETE", "PATCH"))
    target = world.filled(rng.choice((path, *world.pages, "/nothing", "/api/nothing", "/api")), "churn")
    wrong = rng.choice(
        (None, "x", "0" * 43, world.token[:-1], world.token + "x", world.token.swapcase(), " ")
    )
    more: tuple[tuple[str, str], ...] = ()
    if wrong is None:
        more = rng.choice(
            (
                (),
                (("Cookie", f"foretell_{world.port}={world.token}"),),
                (("Cookie", f"foretell_{world.port}="),),
                (("X-Token", world.token),),
                (("Authorization", "Basic " + world.token),),
                (("Authorization", "Bearer"),),
                (("Proxy-Authorization", "Bearer " + world.token),),
            )
        )
        target += rng.choice(("", "?token=x", f"?access_token={world.token}"))
    data = world.request(method, target, b"{}" if method == "POST" else None, token=wrong, headers=more)
    return data, False, refused(401)


def wrong_host(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice(world.routes)
    host = rng.choice(
        (
            "evil.example",
            f"evil.example:{world.port}",
            HOST,
            f"{HOST}:{world.port + 1}",
            f"{HOST}:{world.port}.evil.example",
            f"localhost:{world.port}@evil.example",
            "169.254.169.254",
            "[::1]",
            f"127.1:{world.port}",
            "0.0.0.0",
        )
    )
    return world.request(method, world.filled(path, "churn"), host=host), False, refused(421, 400)


def foreign_origin(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice([r for r in world.routes if r[0] != "GET"])
    headers = rng.choice(
        (
            (("Origin", "https://evil.example"),),
            (("Origin", "null"),),
            (("Origin", f"http://{HOST}:{world.port + 1}"),),
            (("Origin", f"http://{HOST}:{world.port}.evil.example"),),
            (("Sec-Fetch-Site", "cross-site"),),
            (("Sec-Fetch-Site", "same-site"),),
            (("Origin", f"http://{HOST}:{world.port}"), ("Sec-Fetch-Site", "cross-site")),
        )
    )
    return world.request(method, world.filled(path, "churn"), b"{}", headers=headers), False, refused(403)


def traversal(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    way = rng.choice(TRAVERSALS)
    method, path = rng.choice(world.routes)
    kind = rng.randrange(4)
    if kind == 0:
        target = world.filled(path, way)
    elif kind == 1:
        target = "/" + way
    elif kind == 2:
        target = f"{world.filled(path, 'churn')}?path={way}&theme={way}&limit={way}&offset={way}"
    else:
        target = rng.choice(("/api/planted/", "/page/", "/static/", "/api/models/")) + way
    data = world.request(rng.choice((method, "GET")), target.replace(" ", "%20"))
    return data, False, sound


def odd_ids(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice([r for r in world.routes if "{" in r[1]])
    odd = rng.choice(ODD_IDS)
    query = rng.choice(("", f"?limit={odd}", f"?theme={odd}", f"?offset={odd}&offset=1", "?" + "a=b&" * 1500))
    body = None if method == "GET" else bodies(rng)
    return world.request(method, world.filled(path, odd) + query, body), False, sound


def fields(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice([r for r in world.routes if r[0] in ("POST", "PUT")])
    body = bodies(rng) if rng.random() < 0.8 else rng.choice(json_bombs())
    return world.request(method, world.filled(path, world.model), body), False, sound


def bodies_too_large(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    method, path = rng.choice([r for r in world.routes if r[0] in ("POST", "PUT")])
    target = world.filled(path, world.model)
    if rng.random() < 0.5:
        length = rng.choice(("1000001", "99999999999", "999999999999999999999", "-1", "1e6", "0x10", "١"))
        data = world.request(method, target, headers=(("Content-Length", length),))
        return data + b"x" * 2000, False, refused(400, 413, 0)
    data = world.request(
        method, target, headers=(("Transfer-Encoding", "chunked"), ("Content-Type", "application/json"))
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return data + chunk * 17 + b"0\r\n\r\n", False, refused(413, 0)


def broken(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    """No HTTP, or nearly."""
    right = world.request("POST", "/api/query/check", json.dumps({"query": QUERY}).encode())
    chunked = world.request(
        "POST",
        "/api/query/check",
        headers=(("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")),
    )
    kinds = (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        bytes(rng.randrange(256) for _ in range(200)) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        right.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", 1),
        right.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nUpgrade: websocket\r\n", 1),
        right.replace(b"Content-Length", b"Content-Length: 5\r\nContent-Length"),
        chunked + b"zz\r\nabc\r\n",
        chunked + b"-5\r\nabc\r\n0\r\n\r\n",
        chunked + b"ffffffffffffffffffff\r\nabc",
        chunked + b"5;" + b"e" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n",
        right[: rng.randrange(1, len(right))],
        right + right[: len(right) // 2],
    )
    return rng.choice(kinds), True, sound


def methods(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    _, path = rng.choice(world.routes)
    method = rng.choice(
        ("HEAD", "OPTIONS", "PATCH", "TRACE", "DELETE", "PUT", "POST", "get", "PROPFIND", "X" * 300, "DEBUG")
    )
    more = rng.choice(((), (("X-HTTP-Method-Override", "DELETE"),), (("X-Original-URL", "/api/models"),)))
    return world.request(method, world.filled(path, "nobody"), headers=more), False, sound


def query_bombs(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    text = rng.choice(bombs())
    path = rng.choice(("/api/query/check", "/api/query/complete", "/api/query/preview"))
    body: dict[str, Any] = {"query": text}
    if path.endswith("complete"):
        body["position"] = min(len(text), 65_536)
    return world.request("POST", path, json.dumps(body).encode()), False, sound


def job_flood(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    if rng.random() < 0.3 and world.jobs:
        job = rng.choice(world.jobs)
        end = rng.choice(("", "/events", "/result", "/plots", "/plots/roc.svg"))
        method = "DELETE" if not end and rng.random() < 0.7 else "GET"
        return world.request(method, f"/api/jobs/{job}{end}"), False, sound
    asked: dict[str, Any] = rng.choice(
        (
            {"kind": "ask", "query": QUERY, "time_limit": 1.0, "model": "baseline"},
            {"kind": "predict", "model": world.model},
            {"kind": "grade", "model": world.model},
        )
    )

    def expected(answer: Answer) -> str | None:
        if answer.status == 202:
            with suppress(ValueError, KeyError):
                world.jobs.append(json.loads(answer.body)["id"])
                del world.jobs[:-40]
        return sound(answer)

    return world.request("POST", "/api/jobs", json.dumps(asked).encode()), False, expected


def promotes(world: World, rng: random.Random) -> tuple[bytes, bool, Expected]:
    body = {"version": rng.choice((1, 2, 3)), "epoch": rng.randrange(200)}
    target = f"/api/models/{world.model}/promote"
    if rng.random() < 0.2:
        target, body = f"/api/models/{world.model}/rollback", {}
    return world.request("POST", target, json.dumps(body).encode()), False, sound


ATTACKS: tuple[tuple[int, Attack], ...] = (
    (20, no_token),
    (8, wrong_host),
    (6, foreign_origin),
    (16, traversal),
    (12, odd_ids),
    (16, fields),
    (1, bodies_too_large),
    (8, broken),
    (6, methods),
    (3, query_bombs),
    (2, job_flood),
    (2, promotes),
)


# ── the battery ──


@dataclass
class Tally:
    """What came of the requests; the first few faults of each kind in words."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    normal: list[float] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, text: str) -> None:
        with self.lock:
            self.faults.append(text)


def attack(world: World, tally: Tally, count: int, seed: int) -> None:
    """Send so many hostile requests, one after the other."""
    rng = random.Random(seed)
    weights, kinds = zip(*ATTACKS)
    for _ in range(count):
        kind = rng.choices(kinds, weights)[0]
        data, half_close, expected = kind(world, rng)
        answer = send(world.port, data, half_close=half_close)
        wrong = expected(answer) or sound(answer)
        held = next((m for m in world.markers if m in answer.body or m in answer.head), None)
        with tally.lock:
            tally.requests += 1
            tally.statuses[answer.status] += 1
        if wrong:
            tally.fault(f"{kind.__name__}: {wrong}: {data[:120]!r} → {answer.body[:120]!r}")
        if held is not None:
            tally.fault(f"{kind.__name__}: a secret in the answer: {data[:120]!r}")


def race(world: World, tally: Tally, rounds: int, racers: int = 8) -> None:
    """Promotions at once from the same epoch: exactly one wins each round."""
    for i in range(rounds):
        epoch = json.loads(send(world.port, world.request("GET", f"/api/models/{world.model}")).body)
        wanted = 2 if epoch["champion"] != 2 else 1
        body = json.dumps({"version": wanted, "epoch": epoch["epoch"]}).encode()
        data = world.request("POST", f"/api/models/{world.model}/promote", body)
        with ThreadPoolExecutor(racers) as pool:
            found = [a.status for a in pool.map(lambda _, d=data: send(world.port, d), range(racers))]  # type: ignore[misc]
        if found.count(200) != 1 or set(found) - {200, 409}:
            tally.fault(f"race {i}: {sorted(found)}")
        with tally.lock:
            tally.requests += racers


def normal(world: World) -> dict[str, Any]:
    """A client as it should be, in a process of its own: what the page asks for, at a page's pace."""
    paths: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/api/about", None),
        ("GET", "/api/schema", None),
        ("POST", "/api/query/check", {"query": QUERY}),
        ("POST", "/api/query/complete", {"query": QUERY[:20], "position": 20}),
        ("GET", "/api/models", None),
        ("GET", "/", None),
        ("GET", "/api/jobs", None),
    )
    seconds, faults = [], []
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        for method, path, body in paths:
            data = None if body is None else json.dumps(body).encode()
            answer = send(world.port, world.request(method, path, data))
            seconds.append(answer.seconds)
            if answer.status != 200:
                faults.append(
                    f"the normal client: {method} {path} got {answer.status}: {answer.body[:100]!r}"
                )
            time.sleep(0.02)
    return {"seconds": seconds, "faults": faults}


def slow(world: World, tally: Tally, kind: str, until: threading.Event) -> None:
    """A client that keeps the server waiting, and comes again once it is cut off."""
    while not until.is_set():
        began = time.monotonic()
        with suppress(OSError), socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)  # before it is agreed upon
            link.settimeout(60)
            link.connect((HOST, world.port))
            if kind == "headers":
                link.sendall(b"GET /api/about HTTP/1.1\r\n")
                _drip(link, b"X-Slow: y\r\n", until)
            elif kind == "no token body":
                link.sendall(
                    world.request(
                        "POST", "/api/query/check", headers=(("Content-Length", "900000"),), token=None
                    )
                )
                _drip(link, b"x", until)
            elif kind == "body":
                link.sendall(
                    world.request("POST", "/api/query/check", headers=(("Content-Length", "900000"),))
                )
                _drip(link, b"x", until)
            elif kind == "silent":
                while link.recv(1024) and not until.is_set():
                    pass
            elif kind == "never reads":
                request = world.request("GET", "/api/schema").replace(b"Connection: close\r\n", b"")
                for _ in range(400):
                    link.sendall(request)
                _drip(link, request, until)
            else:
                job = world.jobs[-1] if world.jobs else "none"
                link.sendall(world.request("GET", f"/api/jobs/{job}/events"))
                _drip(link, b"", until)
        lasted = time.monotonic() - began
        with tally.lock:
            if not until.is_set():
                tally.cut[kind] += 1
                tally.longest[kind] = max(lasted, tally.longest.get(kind, 0.0))
        until.wait(1.0)


def _drip(link: socket.socket, data: bytes, until: threading.Event) -> None:
    """Send a little now and then, until the other side has had enough."""
    link.settimeout(30)
    gone = select.poll()
    gone.register(link, select.POLLRDHUP)
    for _ in range(240):
        if until.is_set() or gone.poll(0):
            return
        time.sleep(0.5)
        if data:
            link.sendall(data)


SLOW = ("headers", "body", "no token body", "silent", "never reads", "events")


# ── a world to attack ──


def build(folder: Path, customers: int) -> list[bytes]:
    """A shop with hostile names, two models, and canaries beside the registry; what no answer may hold."""
    import duckdb

    import foretell
    from foretell.lifecycle.registry import Registry
    from foretell.sources.naming import quote
    from foretell.testing.shop import shop_frames

    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for table, frame in shop_frames(customers=customers).items():
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {quote(table)} AS SELECT * FROM frame")
            connection.unregister("frame")
        for i, name in enumerate(HOSTILE_NAMES):
            connection.execute(
                f"CREATE TABLE {quote(name)} AS SELECT range AS {quote(name + str(i))} FROM range(20)"
            )
    with foretell.connect(folder / "shop.duckdb") as database:
        fitted = database.query(QUERY).fit(time_limit=2, model="baseline")
    home = folder / "home"
    registry = Registry(home / "models")
    for _ in range(3):
        registry.add("churn", fitted)
    registry.close()
    markers = []
    for place in (home / "secret.txt", home / "models" / "secret.txt", folder / "secret.txt"):
        marker = secrets.token_hex(16)
        place.write_text(marker)
        markers.append(marker.encode())
    return [*markers, b"root:x:0:0", str(folder).encode(), b"Traceback (most"]


@contextmanager
def server(folder: Path, planted: str = "") -> Iterator[int]:
    """The server's port; it is told to stop at the end, and must do so by itself."""
    command = [sys.executable, __file__, "--serve", str(folder), "--planted", planted]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "FORETELL_CACHE": "off"}
    errors = (folder / "stderr.txt").open("ab")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=env)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        errors.close()


def explore(port: int, token: str, markers: list[bytes]) -> World:
    """The routes, as the server itself lists them."""
    world = World(port, token, [], ["/", "/index.html", "/app.js", "/style.css"], [*markers, token.encode()])
    told = json.loads(send(port, world.request("GET", "/api/openapi.json")).body)
    world.routes = [(m.upper(), p) for p, ways in told["paths"].items() for m in ways]
    world.routes.append(("GET", "/api/openapi.json"))
    return world


def opened_outside(folder: Path) -> list[str]:
    """Files that the server opened while it was attacked, and had no business with."""
    own = (folder / "home" / "models", folder / "shop.duckdb")
    python = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, *sys.path) if p}
    system = tuple(Path(p) for p in ("/proc", "/sys", "/dev", "/usr/share", "/usr/lib", "/lib", "/etc/fonts"))
    needed = {p.resolve() for p in (*own, *python, *system)}
    found = []
    for line in sorted(set((folder / "opened.txt").read_text(errors="replace").splitlines())):
        place = Path(line).resolve()
        working = any(part.startswith("foretell-") for part in place.parts)  # a working copy's own folder
        expected = working or any(place.is_relative_to(p) for p in needed) or ".foretell.toml." in place.name
        if line.startswith("!") or place.name == "secret.txt" or not expected:
            found.append(line)
    return found


def battery(
    args: argparse.Namespace, planted: str = "", *, requests: int, slow_clients: int
) -> tuple[Tally, list[str]]:
    """One run against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        folder = Path(place)
        markers = build(folder, args.customers)
        tally = Tally()
        with server(folder, planted) as port:
            world = explore(port, (folder / "token").read_text().strip(), markers)
            until = threading.Event()
            crowd = [
                threading.Thread(target=slow, args=(world, tally, SLOW[i % len(SLOW)], until), daemon=True)
                for i in range(slow_clients)
            ]
            child = [sys.executable, __file__, "--normal", str(folder), "--port", str(port)]
            usual = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            share = -(-requests // args.threads)
            attackers = [
                threading.Thread(target=attack, args=(world, tally, share, args.seed * 1000 + i))
                for i in range(args.threads)
            ]
            for thread in (*crowd, *attackers):
                thread.start()
            for thread in attackers:
                thread.join()
            for job in list(world.jobs):
                send(port, world.request("DELETE", f"/api/jobs/{job}"))
            if not planted:
                until.wait(args.at_least if slow_clients else 0.0)
                race(world, tally, args.races)
            told = json.loads(usual.communicate(b"\n", timeout=60)[0])
            tally.normal, tally.faults = told["seconds"], [*tally.faults, *told["faults"]]
            until.set()
            for thread in crowd:
                thread.join(45)
            alive = send(port, world.request("GET", "/api/about")).status
            if alive != 200:
                tally.fault(f"afterwards the server answers {alive}")
        outside = opened_outside(folder)
        log = (folder / "stderr.txt").read_text(errors="replace")
        for marker in (m for m in world.markers if m.decode() in log and m != str(folder).encode()):
            tally.fault(f"a secret or a traceback in the log: {marker.decode()[:40]}: {log[-300:]}")
        from foretell.lifecycle.registry import Registry

        with Registry(folder / "home" / "models") as registry:
            sound_now = registry.ledger.rows("PRAGMA integrity_check")[0][0]
            registry.load("churn")
        if sound_now != "ok":
            tally.fault(f"the registry: {sound_now}")
    return tally, outside


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--customers", type=int, default=2000, help="how large the shop is")
    parser.add_argument("--races", type=int, default=25)
    parser.add_argument("--at-least", type=float, default=20.0, help="seconds that slow clients go on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--normal", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--planted", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve_here(args.serve, 0, args.planted)
        return 0
    if args.normal is not None:
        token = (args.normal / "token").read_text().strip()
        print(json.dumps(normal(World(args.port, token, [], [], []))))
        return 0

    tally, outside = battery(args, requests=args.requests, slow_clients=args.slow)
    p99 = percentile(tally.normal, 0.99)
    fives = sum(n for s, n in tally.statuses.items() if s >= 500)
    print(f"{tally.requests:,} hostile requests: {dict(sorted(tally.statuses.items()))}")
    print(f"5xx: {fives}; files opened outside: {len(outside)}; faults: {len(tally.faults)}")
    print(
        f"the normal client: {len(tally.normal):,} requests, "
        f"median {percentile(tally.normal, 0.5) * 1000:.0f} ms, "
        f"p99 {p99 * 1000:.0f} ms, longest {max(tally.normal, default=0) * 1000:.0f} ms"
    )
    for kind, count in sorted(tally.cut.items()):
        print(
            f"slow clients ({kind}): cut off or ended {count} times, "
            f"the longest held on {tally.longest[kind]:.1f} s"
        )
    for line in (*tally.faults[:10], *outside[:10]):
        print("  " + line)
    bad = bool(tally.faults or outside or p99 >= 1.0)

    for planted, told in (("leak", "a secret"), ("fault", "got 500"), ("open", "expected (401,)")):
        small, outside = battery(args, planted, requests=600, slow_clients=0)
        caught = any(told in f for f in small.faults)
        print(
            f"planted {planted}: {'caught' if caught else 'MISSED'} "
            f"({len(small.faults)} faults, {len(outside)} files)"
        )
        bad = bad or not caught or (planted == "leak" and not outside)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
