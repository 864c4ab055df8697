"""The page's own files, read once when the server starts: a request names one of them, never a path."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, FastAPI
from starlette.responses import Response

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "json": "application/json",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
}


def page_files() -> dict[str, bytes]:
    """The page's files by their names."""
    folder = resources.files("foretell.server") / "page"
    found = sorted(folder.iterdir(), key=lambda f: f.name)
    return {f.name: f.read_bytes() for f in found if f.is_file() and f.name.rpartition(".")[2] in KINDS}


def add_page(app: FastAPI) -> None:
    """One route for each file; `/` is the page itself."""
    router = APIRouter(include_in_schema=False)
    for name, data in page_files().items():
        for address in (f"/{name}", *(("/",) if name == "index.html" else ())):
            router.add_api_route(
                address, _giver(data, KINDS[name.rpartition(".")[2]]), methods=["GET", "HEAD"]
            )
    app.include_router(router)


def _giver(data: bytes, kind: str):  # type: ignore[no-untyped-def]
    async def give() -> Response:
        return Response(data, media_type=kind)

    return give
