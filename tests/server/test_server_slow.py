"""Over a real connection: who keeps the server waiting is cut off, and others are served meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn
from server_world import SECRET, Served

from foretell.server import connections, guard
from foretell.server.app import guarded
from foretell.server.serve import Place, listen, make_server, run_server
from foretell.server.token import Token


@contextmanager
def running(world: Served) -> Iterator[int]:
    """The server on a port of its own, in a thread."""
    bound, place = listen(Place(), allow_remote=False)
    app = guarded(world.service, Token(SECRET), place.hosts(), place.port)
    server: uvicorn.Server = make_server(app)
    thread = threading.Thread(target=run_server, args=(server, [bound]))
    thread.start()
    try:
        yield place.port
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def port(world: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with little patience."""
    for name in ("HEAD_SECONDS", "READ_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(connections, name, 0.4)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.4)
    with running(world) as made:
        yield made


def head(port: int, path: str = "/api/about", *more: str, method: str = "GET") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {SECRET}", *more)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def talk(port: int, data: bytes, *, shut: bool = False) -> bytes:
    """What comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(data)
        if shut:
            link.shutdown(socket.SHUT_WR)
        return everything(link)


def everything(link: socket.socket) -> bytes:
    held = b""
    while True:
        try:
            got = link.recv(65536)
        except ConnectionResetError:
            return held
        if not got:
            return held
        held += got


def test_a_right_request_is_answered(port: int) -> None:
    assert talk(port, head(port, "/api/about", "Connection: close")).startswith(b"HTTP/1.1 200")


def test_heads_that_never_end_are_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert talk(port, head(port, "/api/about", "Connection: close")).startswith(b"HTTP/1.1 200")
        assert everything(slow) == b""


def test_a_second_head_that_never_ends_is_cut_off_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        slow.sendall(head(port) + b"GET / HTTP/1.1\r\nHost:")
        assert everything(slow).startswith(b"HTTP/1.1 200")


def test_bodies_that_never_end_are_refused(port: int) -> None:
    told = head(
        port, "/api/query/check", "Content-Length: 500", "Content-Type: application/json", method="POST"
    )
    assert talk(port, told + b'{"query"').startswith(b"HTTP/1.1 408")


def test_answers_that_nobody_reads_are_let_go(port: int, world: Served) -> None:
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.settimeout(10)
        slow.connect(("127.0.0.1", port))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(3000):
                slow.sendall(head(port, "/api/openapi.json"))
                time.sleep(0.005)
    assert talk(port, head(port, "/api/about", "Connection: close")).startswith(b"HTTP/1.1 200")


def test_of_too_many_connections_the_one_that_waits_longest_gives_way(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 4)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60.0)
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(4)]
    assert talk(port, head(port, "/api/about", "Connection: close")).startswith(b"HTTP/1.1 200")
    with suppress(ConnectionResetError):
        assert held[0].recv(1) == b""
    for link in held:
        link.close()


def test_what_is_no_http_is_refused(port: int) -> None:
    for data in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"X" * 100_000):
        answer = talk(port, data, shut=True)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")), answer[:40]
    assert b" 401 " in talk(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
    upgrade = head(port, "/api/about", "Upgrade: websocket", "Connection: upgrade, close")
    assert talk(port, upgrade).startswith(b"HTTP/1.1 200")


def test_the_command_serves_until_it_is_told_to_stop(shop: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "foretell.cli.app", "serve", str(shop), "--port", "0"]
    command += ["--token-file", str(tmp_path / "token"), "--models", str(tmp_path / "models")]
    (tmp_path / "drafts").mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "drafts")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as run:
        assert run.stderr is not None
        line = next(text for text in run.stderr if "serving at" in text)
        secret = (tmp_path / "token").read_text().strip()
        port = int(line.split("127.0.0.1:")[1].split("/")[0])
        assert f"?token={secret}" in line
        asked = head(port, "/api/about", "Connection: close").replace(SECRET.encode(), secret.encode())
        assert talk(port, asked).startswith(b"HTTP/1.1 200")
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 0
        assert list((tmp_path / "drafts").iterdir()) == []  # its working copy is gone
        assert "Traceback" not in run.stderr.read()


def test_a_view_reads_no_other_file_while_a_server_runs(tmp_path: Path) -> None:
    code = f"""
import duckdb
from pathlib import Path
from foretell.sources.duckdb import DuckDBSource, confine
place = Path({str(tmp_path)!r}) / "views.duckdb"
(place.parent / "secret.csv").write_text("a\\n1\\n")
with duckdb.connect(str(place)) as c:
    c.execute("CREATE TABLE t AS SELECT 1 AS x")
    c.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{{place.parent / 'secret.csv'}}')")
before = DuckDBSource(place).snapshot()
names = [t.name for t in before.tables]; before.close()
confine()
after = DuckDBSource(place).snapshot()
print(names, [t.name for t in after.tables])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "['t', 'v'] ['t']"
