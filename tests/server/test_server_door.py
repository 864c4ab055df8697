"""Nobody comes in without the token, from another site, under another name, or with too much in hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from server_world import HOSTS, PORT, SECRET, Served, client_of
from starlette.routing import Route

from foretell.core.errors import ConfigError, UsageError
from foretell.server.app import make_api
from foretell.server.guard import MOST_BODY, Guard
from foretell.server.serve import Place, listen
from foretell.server.token import token_of

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def addresses(app: Any) -> set[str]:
    """Every address that the application answers, as the application itself lists them."""

    def below(routes: Any, before: str = "") -> set[str]:
        found = set()
        for route in routes:
            inner = getattr(route, "routes", None) or getattr(
                getattr(route, "original_router", None), "routes", None
            )
            if inner:
                prefix = getattr(getattr(route, "include_context", None), "prefix", "") or ""
                found |= below(inner, before + prefix)
            elif isinstance(route, Route) or hasattr(route, "path"):
                found.add(before + route.path)
        return found

    return below(app.routes)


def filled(path: str) -> str:
    for name, value in (("{number}", "1"), ("{name}", "churn"), ("{plot}", "roc"), ("{id}", "abc")):
        path = path.replace(name, value)
    return path


def let_in(app: Any, paths: set[str], **headers: str) -> list[str]:
    """The addresses and methods that answer a stranger with anything but 401."""
    stranger = client_of(app, token=None)
    return [
        f"{method} {path}"
        for path in sorted(paths)
        for method in METHODS
        if stranger.request(method, filled(path), headers=headers).status_code != 401
    ]


def test_every_route_denies_without_the_token(world: Served) -> None:
    paths = addresses(world.app.app) | {"/nothing", "/api/nothing", "/api", "//", "/page/../app.js"}
    told = set(world.get("/api/openapi.json")["paths"])
    assert told <= paths and len(told) >= 25 and {"/", "/app.js", "/index.html", "/api/openapi.json"} <= paths
    assert let_in(world.app, paths) == []
    assert let_in(world.app, {"/", "/api/schema"}, authorization=f"Bearer {SECRET}x") == []
    assert let_in(world.app, {"/", "/api/schema"}, authorization=f"Basic {SECRET}") == []
    assert let_in(world.app, {"/", "/api/schema"}, cookie=f"foretell_{PORT}={SECRET}") == []


def test_an_open_door_would_be_seen(world: Served) -> None:
    def lax(scope: Any, receive: Any, send: Any) -> Any:
        door = make_api(world.service) if scope["path"] == "/api/about" else world.app
        return door(scope, receive, send)

    assert "GET /api/about" in let_in(lax, {"/api/about", "/api/schema"})


def test_the_page_is_opened_by_its_address_and_then_by_its_cookie(world: Served) -> None:
    stranger = client_of(world.app, token=None)
    assert stranger.get(f"/?token={SECRET}x").status_code == 401
    opened = stranger.get(f"/?token={SECRET}")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and SECRET not in cookie
    assert stranger.get("/").status_code == 200 and stranger.get("/api/about").status_code == 200
    same = {"sec-fetch-site": "same-origin"}
    assert stranger.post("/api/query/check", json={"query": ""}, headers=same).status_code == 422
    assert stranger.post("/api/query/check", json={"query": ""}).status_code == 403  # says not where from


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""]
)
def test_another_host_is_not_answered(world: Served, host: str) -> None:
    assert world.client.get("/api/about", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": f"http://127.0.0.1:{PORT}", "sec-fetch-site": "cross-site"},
    ],
)
def test_another_site_changes_nothing(world: Served, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", "/api/models/churn/rollback"),
        ("PUT", "/api/schema"),
        ("DELETE", "/api/jobs/x"),
    ):
        assert world.client.request(method, path, headers=headers).status_code == 403
    own = {"origin": f"http://127.0.0.1:{PORT}", "sec-fetch-site": "same-origin"}
    assert world.client.post("/api/query/check", json={"query": ""}, headers=own).status_code == 422


def test_bodies_are_small_and_json(world: Served) -> None:
    post = world.client.post
    json = {"content-type": "application/json"}
    assert post("/api/query/check", content=b"x" * (MOST_BODY + 1), headers=json).status_code == 413
    chunks = (b"x" * 100_000 for _ in range(20))
    assert post("/api/query/check", content=chunks, headers=json).status_code == 413
    assert post("/api/query/check", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    for body in (
        b"",
        b"{",
        b"[" * 100_000,
        b'{"query": NaN}',
        b'{"query": "x", "sql": "SELECT 1"}',
        b'{"query": 1}',
    ):
        answer = post("/api/query/check", content=body, headers=json)
        assert answer.status_code in (400, 422), body[:20]
        assert set(answer.json()) >= {"error", "message", "mend", "examples"}
    assert world.client.get("/api/about?" + "a" * 9000).status_code == 414


def test_answers_carry_the_headers_that_protect_a_browser(world: Served) -> None:
    for answer in (world.client.get("/"), world.client.get("/api/about"), world.stranger.get("/nothing")):
        policy = answer.headers["content-security-policy"]
        assert (
            policy.startswith("default-src 'self'")
            and "unsafe" not in policy
            and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_the_token_is_made_once_and_only_its_owner_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "deep" / "token"
    first = token_of(place)
    assert place.stat().st_mode & 0o777 == 0o600
    assert (
        len(first.secret) >= 43 and token_of(place).secret == first.secret and first.secret not in repr(first)
    )
    place.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        token_of(place)
    link = tmp_path / "link"
    link.symlink_to(place)
    with pytest.raises(ConfigError, match="cannot be used"):
        token_of(link)
    monkeypatch.setenv("FORETELL_TOKEN", "short")
    with pytest.raises(ConfigError, match="32 to 256"):
        token_of()
    monkeypatch.setenv("FORETELL_TOKEN", SECRET)
    assert token_of().secret == SECRET
    monkeypatch.delenv("FORETELL_TOKEN")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    token_of()
    assert (tmp_path / "home" / "foretell" / "token").exists()


def test_other_machines_are_let_in_only_if_that_is_said() -> None:
    with pytest.raises(UsageError, match="reached from other machines"):
        listen(Place("0.0.0.0"), allow_remote=False)
    bound, place = listen(Place(), allow_remote=False)
    bound.close()
    assert place.hosts() == {f"127.0.0.1:{place.port}", f"localhost:{place.port}", f"[::1]:{place.port}"}
    away = Place("0.0.0.0", 8017, ("shop.example",))
    assert away.hosts() == {"shop.example:8017", "shop.example"}


def test_the_guard_lets_nothing_else_through(world: Served) -> None:
    assert isinstance(world.app, Guard) and world.app.hosts == HOSTS
    assert os.environ.get("FORETELL_TOKEN") is None
