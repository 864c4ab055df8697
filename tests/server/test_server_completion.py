"""What may stand at the caret, and that whatever is taken leads on to a query that binds."""

from __future__ import annotations

import pytest
from server_world import BUYS, HOSTILE, Served

from foretell.query.parser import parse
from foretell.schema.model import Schema
from foretell.server.completion import complete
from foretell.task.bind import bind

CASES = {
    "": ["PREDICT"],
    "PRE": ["PREDICT"],
    "PREDICT COUNT": ["COUNT(", "COUNT_DISTINCT("],
    "PREDICT COUNT(ord": ["orders"],
    "PREDICT COUNT(orders.cust": ["customer_id"],
    "PREDICT SUM(orders.am": ["amount"],
    "PREDICT COUNT(orders.*, 0, 20, da": ["days"],
    "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR ": ["EACH"],
    "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.": ["id"],
    "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH cust": ["customers.id"],
    BUYS + " EVERY 7 da": ["days"],
    BUYS + " RETURN PROB": ["PROBABILITY"],
    BUYS + " AS ": ["OF"],
    "PREDICT COUNT(orders.* WHERE orders.channel = 'we": ["'web'"],
    "PREDICT COUNT(orders.* WHERE channel IN ('web', 'sh": ["'shop'"],
    "PREDICT COUNT(orders.* WHERE channel = 'i": ["'it''s'"],
    'PREDICT COUNT("<im': ['"' + HOSTILE + '"'],
}


@pytest.mark.parametrize("text", list(CASES), ids=range(len(CASES)))
def test_what_comes_first(world: Served, text: str) -> None:
    told = world.post("/api/query/complete", {"query": text, "position": len(text)})["suggestions"]
    assert [s["text"] for s in told][: len(CASES[text])] == CASES[text]
    assert all(s["end"] == len(text) and 0 <= s["start"] <= len(text) for s in told)


def test_values_are_offered_after_a_comparison(world: Served) -> None:
    text = "PREDICT COUNT(orders.* WHERE orders.channel = "
    told = world.post("/api/query/complete", {"query": text, "position": len(text)})["suggestions"]
    assert {s["text"] for s in told} == {"'web'", "'shop'", "'it''s'"} and {s["kind"] for s in told} == {
        "value"
    }


def test_a_query_can_be_written_by_suggestions_alone(world: Served) -> None:
    schema: Schema = world.service.holding.schema
    text = ""
    for wanted in (
        "PREDICT",
        " COUNT(",
        "orders",
        ".*",
        ", 0, 20, days",
        ") > 0 ",
        "FOR EACH",
        " customers.id",
    ):
        typed = wanted.strip()
        found = {
            s.text: s
            for s in complete(text + wanted[: len(wanted) - len(typed)], 99, schema, lambda t, c: ())
        }
        if typed in found:
            assert found[typed].start >= len(text)
        text += wanted
    assert bind(parse(text), schema).entity.name == "customers"


def test_every_place_of_a_query_is_answered(world: Served) -> None:
    schema = world.service.holding.schema
    whole = (
        BUYS.replace("orders.*", "orders.* WHERE channel IN ('web') AND amount > 3")
        + " WHERE customers.id > 3"
    )
    answered = sum(bool(complete(whole, i, schema, lambda t, c: ("web",))) for i in range(len(whole)))
    assert answered > 0.5 * len(whole)
    for odd in ("\ud800", "'", '"', "(((", "....", "\0", "FOR EACH EACH", "é" * 100, "PREDICT ²"):
        for position in (0, 1, len(odd), 10_000):
            complete(odd, position, schema, lambda t, c: ())
