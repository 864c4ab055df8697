"""A schema as JSON-ready records and back: what a saved model carries of its database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from foretell.core.errors import ModelFileError
from foretell.core.time import Offset, Unit
from foretell.schema.model import Column, DType, Evidence, Link, Origin, Schema, Semantic, Table

_COLUMN_EXTRAS = ("known_at", "time_format", "distinct", "null_fraction")


def to_record(schema: Schema) -> dict[str, Any]:
    """The schema's structure, without row counts, notes or evidence beyond where each link comes from."""
    return {
        "timezone": schema.timezone,
        "tables": [_table(t) for t in schema.tables],
        "links": [
            {
                "child": k.child,
                "child_columns": list(k.child_columns),
                "parent": k.parent,
                "parent_columns": list(k.parent_columns),
                "origin": k.evidence.origin.value,
            }
            for k in schema.links
        ],
    }


def from_record(record: dict[str, Any]) -> Schema:
    """Read back what `to_record` wrote."""
    try:
        tables = tuple(_read_table(t) for t in record["tables"])
        links = tuple(
            Link(
                k["child"],
                tuple(k["child_columns"]),
                k["parent"],
                tuple(k["parent_columns"]),
                Evidence(Origin(k["origin"])),
            )
            for k in record["links"]
        )
        return Schema(tables, links, record["timezone"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the model's schema cannot be read: {error!r}") from None


def to_whole(schema: Schema) -> dict[str, Any]:
    """Everything of a schema: what was measured, every reason, and the notes too."""
    return asdict(schema)


def from_whole(record: dict[str, Any]) -> Schema:
    """Read back what `to_whole` wrote, by way of JSON or not."""
    return Schema(
        tuple(_whole_table(t) for t in record["tables"]),
        tuple(
            Link(
                **{
                    **k,
                    "child_columns": tuple(k["child_columns"]),
                    "parent_columns": tuple(k["parent_columns"]),
                    "evidence": _evidence(k["evidence"]),
                }
            )
            for k in record["links"]
        ),
        record["timezone"],
        tuple(record["notes"]),
    )


def _whole_table(record: dict[str, Any]) -> Table:
    delay = record["available_after"]
    columns = tuple(
        Column(
            **{
                **c,
                "dtype": DType(c["dtype"]),
                "semantic": Semantic(c["semantic"]),
                "evidence": _evidence(c["evidence"]),
            }
        )
        for c in record["columns"]
    )
    return Table(
        **{
            **record,
            "columns": columns,
            "primary_key": tuple(record["primary_key"]),
            "available_after": None if delay is None else Offset(delay["amount"], Unit(delay["unit"])),
            "key_evidence": record["key_evidence"] and _evidence(record["key_evidence"]),
            "time_evidence": record["time_evidence"] and _evidence(record["time_evidence"]),
        }
    )


def _evidence(record: dict[str, Any]) -> Evidence:
    return Evidence(Origin(record["origin"]), record["confidence"], tuple(record["reasons"]))


def _table(table: Table) -> dict[str, Any]:
    delay = table.available_after
    return {
        "name": table.name,
        "primary_key": list(table.primary_key),
        "time_column": table.time_column,
        "end_time": table.end_time,
        "available_after": None if delay is None else [delay.amount, delay.unit.value],
        "ignored": table.ignored,
        "columns": [
            {
                "name": c.name,
                "dtype": c.dtype.value,
                "semantic": c.semantic.value,
                "native": c.native,
                "ignored": c.ignored,
                **{name: getattr(c, name) for name in _COLUMN_EXTRAS},
            }
            for c in table.columns
        ],
    }


def _read_table(record: dict[str, Any]) -> Table:
    delay = record["available_after"]
    return Table(
        record["name"],
        tuple(
            Column(
                c["name"],
                DType(c["dtype"]),
                Semantic(c["semantic"]),
                native=c["native"],
                ignored=c["ignored"],
                **{name: c[name] for name in _COLUMN_EXTRAS},
            )
            for c in record["columns"]
        ),
        primary_key=tuple(record["primary_key"]),
        time_column=record["time_column"],
        end_time=record["end_time"],
        available_after=None if delay is None else Offset(delay[0], Unit(delay[1])),
        ignored=record["ignored"],
    )


def shape(schema: Schema) -> dict[str, Any]:
    """What two schemas share where one's plans run on the other: the record without what was measured."""
    record = to_record(schema)
    for table in record["tables"]:
        for column in table["columns"]:
            column["distinct"] = column["null_fraction"] = None
    for link in record["links"]:
        link["origin"] = None
    return record
