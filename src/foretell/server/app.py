"""The application: the routes, what an error looks like, and the guard around it all."""

from __future__ import annotations

from fastapi import FastAPI

import foretell
from foretell.server import faults
from foretell.server.guard import Guard
from foretell.server.page import add_page
from foretell.server.payloads import Fault
from foretell.server.plain import Plain
from foretell.server.routes import jobs, models, query, schema
from foretell.server.service import Service
from foretell.server.token import Token

ROUTERS = (schema.router, query.router, jobs.router, models.router)
_FAULTS = {
    401: "the token is missing or wrong",
    403: "the request comes from another site",
    404: "there is no such thing",
    409: "something else was done meanwhile, or is being done",
    413: "the body is too large",
    415: "the body is not JSON",
    421: "the Host is not one of ours",
    422: "it cannot be read, or does not fit the database",
    424: "the database cannot be read",
    429: "too much at once",
}


def make_api(service: Service) -> FastAPI:
    """The routes alone, with nobody at the door: `guarded` is what is served."""
    api = FastAPI(
        title="foretell",
        version=foretell.__version__,
        description="Ask a database what will happen.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        default_response_class=Plain,
        redirect_slashes=False,
        responses={code: {"model": Fault, "description": text} for code, text in _FAULTS.items()},
    )
    api.state.service = service
    for router in ROUTERS:
        api.include_router(router, prefix="/api")
    add_page(api)
    faults.install(api, service.veil)
    return api


def guarded(service: Service, token: Token, hosts: frozenset[str], port: int) -> Guard:
    """The application as it is served."""
    return Guard(make_api(service), token, hosts, cookie=f"foretell_{port}")
