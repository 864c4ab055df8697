"""What is served, and the schema of the database."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

import foretell
from foretell.schema.model import Column, Evidence, Link, Table
from foretell.server.answers import AboutTold, SchemaTold, told
from foretell.server.correction import can_correct, correct
from foretell.server.payloads import Correction
from foretell.server.service import Here, Service

router = APIRouter(tags=["schema"])


@router.get("/about", responses=told(AboutTold))
def about(here: Here) -> dict[str, Any]:
    """The version, how far the database is, and how many models there are."""
    held = here.holding
    return {
        "version": foretell.__version__,
        "database": {
            "name": held.name,
            "state": held.state.value,
            "stage": here.veil.text(held.progress.name),
            "error": None if held.error is None else here.veil.error(held.error),
        },
        "models": len(here.registry.names()),
    }


@router.get("/schema", responses=told(SchemaTold))
async def schema(here: Here) -> dict[str, Any]:
    """Tables, columns and links, each with why it is believed."""
    return shown_schema(here)


@router.put("/schema", responses=told(SchemaTold))
async def correct_schema(here: Here, asked: Correction) -> dict[str, Any]:
    """Correct keys, times and links: written to foretell.toml, and the schema as it is then."""
    await here.asking.run(lambda: correct(here.holding, asked, here.holding.progress))
    return shown_schema(here)


def shown_schema(here: Service) -> dict[str, Any]:
    found = here.holding.schema
    return {
        "name": here.holding.name,
        "timezone": found.timezone,
        "tables": [_table(t) for t in found.tables],
        "links": [_link(k) for k in found.links],
        "notes": [here.veil.text(n) for n in here.holding.opened.notes],
        "can_correct": can_correct(here.holding),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "rows": table.rows,
        "columns": [_column(c) for c in table.columns],
        "primary_key": list(table.primary_key),
        "key_evidence": _evidence(table.key_evidence),
        "time_column": table.time_column,
        "time_evidence": _evidence(table.time_evidence),
        "end_time": table.end_time,
        "available_after": None if table.available_after is None else str(table.available_after),
        "ignored": table.ignored,
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "dtype": column.dtype.value,
        "semantic": column.semantic.value,
        "native": column.native,
        "nullable": column.nullable,
        "known_at": column.known_at,
        "distinct": column.distinct,
        "null_fraction": column.null_fraction,
        "ignored": column.ignored,
        "evidence": _evidence(column.evidence),
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "name": link.name,
        "child": link.child,
        "child_columns": list(link.child_columns),
        "parent": link.parent,
        "parent_columns": list(link.parent_columns),
        "coverage": link.coverage,
        "null_fraction": link.null_fraction,
        "evidence": _evidence(link.evidence),
    }


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {
        "origin": evidence.origin.value,
        "confidence": evidence.confidence,
        "reasons": list(evidence.reasons),
        "text": str(evidence),
    }
