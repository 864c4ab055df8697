"""Reports of models, to be downloaded: one HTML file that runs and loads nothing."""

from __future__ import annotations

import threading
from dataclasses import replace

from starlette.responses import Response

from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase
from foretell.report.html import kept, model_report, scored
from foretell.server.service import Service
from foretell.server.veil import called

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
_lock = threading.Lock()


def report_of(here: Service, version: Version, database: OpenDatabase | None = None) -> str:
    """All that is known of a version; with a database, its highest scores and their reasons too."""
    model = here.loaded(version)
    facts = {**model.facts, "database": called(str(model.facts.get("database") or ""))}
    model = replace(model, facts=facts)
    extras = kept(here.registry, version.reference)
    extras = replace(extras, meaning=here.veil.text(extras.meaning))
    if database is not None:
        extras = scored(extras, model, database)
    with _lock:  # the drawing tool is one
        return model_report(model, extras)


def download(page: str, name: str) -> Response:
    """The file as an answer that a browser keeps, and never shows within the server's own pages."""
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)
