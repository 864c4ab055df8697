"""foretell.toml: what is written is read back, what is wrong is named, and a person's word wins."""

from __future__ import annotations

import pytest

from foretell.core.errors import ConfigError
from foretell.core.time import Offset, Unit
from foretell.schema.breadth import Breadth, FeatureSettings, windows_of
from foretell.schema.model import Column, DType, Evidence, Link, Origin, Schema, Semantic, Table
from foretell.schema.toml import Config, apply, read, write

GUESS = Evidence(Origin.INFERRED, 0.9, ("unique, never NULL", 'named "like" the table'))


def column(name: str, semantic: Semantic = Semantic.NUMERIC, **fields: object) -> Column:
    return Column(name, DType.INTEGER, semantic, evidence=GUESS, **fields)  # type: ignore[arg-type]


SCHEMA = Schema(
    (
        Table(
            "customers",
            (column("id", Semantic.IDENTIFIER), column("joined at", Semantic.TIME, time_format="s")),
            ("id",),
            "joined at",
            key_evidence=GUESS,
            time_evidence=GUESS,
        ),
        Table(
            'sales."odd".orders 🍺',
            (
                column("id"),
                column("customer.id"),
                column("done_at", Semantic.TIME),
                column("note", known_at="done_at"),
            ),
            ("id", "customer.id"),
            available_after=Offset(2, Unit.DAY),
            end_time="done_at",
        ),
        Table("junk", (column("x", ignored=True),), ignored=True),
    ),
    (Link('sales."odd".orders 🍺', ("customer.id",), "customers", ("id",), GUESS),),
    timezone="Europe/Berlin",
)


def test_what_is_written_is_read_back() -> None:
    bare = Schema(
        tuple(
            Table(t.name, tuple(Column(c.name, c.dtype, Semantic.TEXT) for c in t.columns))
            for t in SCHEMA.tables
        )
    )
    again = apply(bare, read(write(SCHEMA)))
    assert again.timezone == "Europe/Berlin"
    assert [str(k) for k in again.links] == [str(k) for k in SCHEMA.links]
    for table, was in zip(again.tables, SCHEMA.tables):
        assert (table.primary_key, table.time_column, table.end_time) == (
            was.primary_key,
            was.time_column,
            was.end_time,
        )
        assert (table.available_after, table.ignored) == (was.available_after, was.ignored)
        for c, w in zip(table.columns, was.columns):
            assert (c.semantic, c.known_at, c.time_format, c.ignored) == (
                w.semantic,
                w.known_at,
                w.time_format,
                w.ignored,
            )


def test_settings_of_features_are_written_and_read_back() -> None:
    asked = FeatureSettings(
        Breadth.MORE, 250, windows_of("12h, 7d, 1mo"), ("orders.*", "label.*"), ('*."odd" 🍺.*',)
    )
    assert read(write(SCHEMA, asked)).features == asked
    assert apply(SCHEMA, read(write(SCHEMA, asked))) == apply(SCHEMA, read(write(SCHEMA)))
    assert "features" not in write(SCHEMA) and read(write(SCHEMA)).features == FeatureSettings()


def test_guesses_are_written_with_their_evidence() -> None:
    text = write(SCHEMA)
    assert 'primary_key = ["id"] # guess 90%: unique, never NULL' in text
    assert text.startswith("# What foretell believes")


@pytest.mark.parametrize(
    "text, message",
    [
        ("tables = 3", "tables: found 3"),
        ("[tabels.x]", "tabels: no such setting"),
        ("[tables.customers]\ntiem = 'x'", "tables.customers.tiem: no such setting"),
        ("[tables.customers]\ntime = 3", "tables.customers.time: found 3, expected text"),
        ("[tables.customers]\nprimary_key = 3", "tables.customers.primary_key"),
        ("[tables.customers]\nignore = 'x'", "tables.customers.ignore: found 'x'"),
        ("[tables.customers]\navailable_after = 'soon'", "tables.customers.available_after: found 'soon'"),
        ("[tables.customers]\navailable_after = '-2 days'", "not negative"),
        ("[tables.customers.columns.id]\ntype = 'numbr'", "tables.customers.columns.id.type: found 'numbr'"),
        ("[tables.customers.columns.id]\ntime_format = 'x'", "time_format: found 'x'"),
        ("[tables.customers.columns.id]\nignore = 1", "columns.id.ignore: found 1"),
        ("timezone = 'Europe/Berln'", "timezone: found 'Europe/Berln'"),
        ("links = 3", "links: found no list"),
        ("[[links]]\nchild = 'a.b'", "links[0]: expected a child and a parent"),
        ("[[links]]\nchilds = 'a.b'", "links[0].childs: no such setting"),
        ("a = [", "not valid TOML"),
        ("features = 3", "features: found 3"),
        ("[features]\nbudgt = 3", "features.budgt: no such setting\ndid you mean 'budget'?"),
        ("[features]\nbudget = 0", "features.budget: found 0, expected a whole number of at least 1"),
        ("[features]\nbudget = true", "features.budget: found True"),
        ("[features]\nbreadth = 'mor'", "features.breadth: found 'mor'\ndid you mean 'more'?"),
        ("[features]\nwindows = ['7 dayz']", "features.windows: found '7 dayz', expected a span of time"),
        ("[features]\nwindows = []", "features.windows: found no window"),
        ("[features]\ninclude = 3", "features.include: found 3"),
    ],
)
def test_wrong_settings_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text, message, mend",
    [
        ("[tables.customer]\nignore = true", "tables.customer: no such table", "'customers'"),
        ("[tables.customers]\ntime = 'joined'", "tables.customers.time: no column 'joined'", "'joined at'"),
        ("[tables.customers]\nignore = ['idd']", "tables.customers.ignore: no column 'idd'", "'id'"),
        ("[tables.customers.columns.idd]\nignore = true", "no column 'idd'", "'id'"),
        ("[tables.customers.columns.id]\nknown_at = 'at'", "columns.id.known_at: no column 'at'", ""),
        (
            "[[links]]\nchild = 'customer.id'\nignore = true",
            "links[0].child: no table 'customer'",
            "'customers'",
        ),
        ("[[links]]\nchild = 'customers.idd'\nparent = 'junk.x'", "has no column 'idd'", "'id'"),
        ("[[links]]\nchild = 'customers.id'\nignore = true", "no link 'customers.id' to ignore", ""),
        (
            "[[links]]\nchild = 'junk.x'\nparent = ['customers.id', 'customers.joined at']",
            "names 1 columns",
            "",
        ),
        ("[[links]]\nchild = ['junk.x', 'customers.id']\nparent = 'junk.x'", "names two tables", ""),
    ],
)
def test_names_that_do_not_exist_are_mended(text: str, message: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(SCHEMA, read(text))
    assert message in str(caught.value) and mend in str(caught.value)


def test_a_persons_word_wins() -> None:
    changed = apply(
        SCHEMA,
        read(
            """
            [tables.customers]
            primary_key = []
            time = ""
            ignore = ["joined at"]
            [tables.customers.columns.id]
            type = "categorical"
            [[links]]
            child = 'junk.x'
            parent = 'customers.id'
            """
        ),
    )
    customers = changed.table("customers")
    assert (customers.primary_key, customers.time_column) == ((), None)
    assert customers.column("id").semantic is Semantic.CATEGORICAL
    assert customers.column("joined at").ignored
    assert customers.key_evidence is not None and customers.key_evidence.origin is Origin.CONFIGURED
    assert changed.link("junk.x").evidence.origin is Origin.CONFIGURED
    assert len(changed.links) == 2


def test_links_can_be_taken_away() -> None:
    name = 'sales."odd".orders 🍺.customer.id'
    changed = apply(SCHEMA, read(f"[[links]]\nchild = '{name}'\nignore = true"))
    assert changed.links == ()


def test_nothing_set_changes_nothing() -> None:
    assert apply(SCHEMA, Config()) == SCHEMA
    assert read("") == Config()
