"""Tables as arrays hold what the tables that DuckDB prepares hold, row by row."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from sqlglot import exp

from foretell import kernel
from foretell.core.errors import DataError, SchemaError
from foretell.core.time import Offset, Unit
from foretell.engines.duckdb import DuckDBEngine
from foretell.plan.build import ROW, TIME, col, joined_on, table
from foretell.query import ast
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store import order, scan, words
from foretell.store.columns import FIRST_RANK, Tables
from foretell.store.working import Store
from foretell.testing.random_databases import make_database

LONG = bool(os.environ.get("FORETELL_LONG"))
NUMBERS = (DType.INTEGER, DType.FLOAT, DType.BOOLEAN)


class Prepared:
    """The tables as the DuckDB engine prepares them."""

    def __init__(self, store: Store, schema: Schema) -> None:
        self.engine = DuckDBEngine(store, schema)

    def query(self, query: exp.Select) -> pa.Table:
        return self.engine._bench.arrow(query)

    def table(self, name: str) -> pa.Table:
        self.engine._prepare(name)
        values = exp.select(exp.Star()).from_(table(name, "e"))
        return self.query(values.order_by(col("e", ROW)))

    def spelt(self, name: str, column: str) -> list[str | None]:
        query = exp.select(exp.cast(col("e", column), "VARCHAR").as_("v")).from_(table(name, "e"))
        found: list[str | None] = self.query(query.order_by(col("e", ROW)))["v"].to_pylist()
        return found

    def parents(self, link: Link, schema: Schema) -> list[int]:
        for name in (link.child, link.parent):
            self.engine._prepare(name)
        query = (
            exp.select(exp.func("COALESCE", col("p", ROW), exp.Literal.number(0)).as_("v"))
            .from_(table(link.child, "c"))
            .join(table(link.parent, "p"), on=joined_on(link, "c", "p", schema), join_type="left")
            .order_by(col("c", ROW))
        )
        return [v - FIRST_RANK for v in self.query(query)["v"].to_pylist()]


def shown(values: npt.NDArray[Any]) -> list[Any]:
    """Missing values as None."""
    missing = np.isnan(values) if values.dtype.kind == "f" else values == kernel.MISSING
    return [None if gone else v for gone, v in zip(missing.tolist(), values.tolist(), strict=True)]


def as_numbers(values: list[Any]) -> list[float | None]:
    return [None if v is None else float(v) for v in values]


def compare(frames: dict[str, pa.Table], schema: Schema, threads: int = 2) -> None:
    """Assert that every array holds what DuckDB's prepared tables hold."""
    with Store.load(FramesSource(frames).snapshot()) as store:
        compare_store(store, schema, threads)


def compare_store(store: Store, schema: Schema, threads: int = 2) -> None:
    tables, prepared = Tables(store, schema, threads=threads), Prepared(store, schema)
    for source in schema.tables:
        compare_table(tables, prepared, source)
    for link in schema.active_links:
        wanted = prepared.parents(link, schema)
        assert tables.parents(link).tolist() == wanted, link
        offsets, rows = tables.children(link)
        found = [rows[a:b].tolist() for a, b in itertools.pairwise(offsets)]
        of = [[i for i, p in enumerate(wanted) if p == j] for j in range(tables.rows(link.parent))]
        assert found == of, link


def compare_table(tables: Tables, prepared: Prepared, source: Table) -> None:
    name = source.name
    wanted = prepared.table(name)
    assert tables.rows(name) == wanted.num_rows
    times = tables.times(name)
    if times is None:
        assert TIME not in wanted.column_names
    else:
        assert times.tolist() == wanted[TIME].cast(pa.int64()).to_pylist()
    assert wanted[ROW].to_pylist() == list(range(FIRST_RANK, FIRST_RANK + wanted.num_rows))
    for column in source.columns:
        if column.name not in wanted.column_names:
            continue
        here, told = wanted[column.name], f"{name}.{column.name}"
        assert tables.arrow(name, column.name).to_pylist() == here.to_pylist(), told
        text = tables.words(name, column.name)
        spelt = [None if c < 0 else text.words[c] for c in text.codes.tolist()]
        assert spelt == prepared.spelt(name, column.name), told
        assert list(text.words) == sorted({w for w in spelt if w is not None}), told
        if pa.types.is_timestamp(here.type):
            assert shown(tables.instants(name, column.name)) == here.cast(pa.int64()).to_pylist(), told
        elif not pa.types.is_string(here.type):
            assert shown(tables.numbers(name, column.name)) == as_numbers(here.to_pylist()), told


@pytest.fixture(autouse=True, params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are read in one go, or as large ones are: column by column, text in several slices."""
    if request.param == "large":
        monkeypatch.setattr(scan, "_SMALL", -1)
        monkeypatch.setattr(words, "_SLICE", 7)


def test_random_databases_agree() -> None:
    for seed in range(200 if LONG else 10):
        made = make_database(seed, tables=1 + seed % 5, rows=40)
        compare(made.frames, made.schema, threads=1 + seed % 3)


def test_a_working_copy_that_is_shared_agrees(tmp_path: Path) -> None:
    """There tables are views of compressed ones in an attached file."""
    made = make_database(7, tables=4, rows=60)
    loaded, shared = tmp_path / "loaded" / "copy.duckdb", tmp_path / "shared.duckdb"
    loaded.parent.mkdir()
    with Store.load(FramesSource(made.frames).snapshot(), file=loaded) as store:
        store.connection.execute("CHECKPOINT")
        shutil.copy(loaded, shared)
        tables, fingerprint = list(store.tables.values()), store.fingerprint
    with Store.attach(shared, tables, (), fingerprint=fingerprint) as store:
        compare_store(store, made.schema)


def test_an_order_that_is_broken_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: with ties left as they lie, or times unsorted, it does."""
    made = make_database(3, tables=4, rows=40)
    compare(made.frames, made.schema)
    monkeypatch.setattr("foretell.store.columns.settled", lambda rows, columns: True)
    with pytest.raises(AssertionError):
        compare(made.frames, made.schema)


def test_a_parent_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {"c": pa.table({"id": [1, 2], "p": [5, 6]}), "p": pa.table({"k": [5, 6]})}
    schema = Schema(
        (Table("c", (column("id", N), column("p", N)), ("id",)), Table("p", (column("k", N),), ("k",))),
        (Link("c", ("p",), "p", ("k",)),),
    )
    compare(frames, schema)
    true = kernel.lookup
    monkeypatch.setattr(kernel, "lookup", lambda keys, table, _: true(keys[::-1].copy(), table))
    with pytest.raises(AssertionError):
        compare(frames, schema)


def column(name: str, dtype: DType, semantic: Semantic | None = None, **more: Any) -> Column:
    usual = {
        DType.TEXT: Semantic.CATEGORICAL,
        DType.TIMESTAMP: Semantic.TIME,
        DType.BOOLEAN: Semantic.BOOLEAN,
    }
    return Column(name, dtype, semantic or usual.get(dtype, Semantic.NUMERIC), **more)


N, F, X, B, T = DType.INTEGER, DType.FLOAT, DType.TEXT, DType.BOOLEAN, DType.TIMESTAMP
DAY = 86_400


def at(*seconds: float | None) -> pa.Array:
    return pa.array([None if s is None else int(s * 1_000_000) for s in seconds], pa.timestamp("us"))


def test_ties_break_by_the_key_and_rows_without_a_time_are_left_out() -> None:
    frames = {
        "e": pa.table({"id": [5, 4, 3, 2, 1], "at": at(7, 7, None, 1, 7), "v": [1.5, None, 0.0, -0.0, 2.0]})
    }
    schema = Schema((Table("e", (column("id", N), column("at", T), column("v", F)), ("id",), "at"),))
    compare(frames, schema)
    with Store.load(FramesSource(frames).snapshot()) as store:
        assert Tables(store, schema).numbers("e", "id").tolist() == [2, 1, 4, 5]


def test_rows_without_a_key_are_ordered_by_all_columns() -> None:
    rng = np.random.default_rng(0)
    texts = ["", "a", "B", "é", "\uffee", "😀", "a\x00b", None]
    frames = {
        "e": pa.table(
            {
                "at": pa.array(rng.integers(0, 3, 200) * 1_000_000).cast(pa.timestamp("us")),
                "b": pa.array([None if v > 1 else bool(v) for v in rng.integers(0, 3, 200)]),
                "w": pa.array([texts[v] for v in rng.integers(0, len(texts), 200)]),
                "f": pa.array([None if v > 2 else v - 1.0 for v in rng.integers(0, 4, 200)]),
                "n": pa.array(rng.choice([-(2**63), 2**63 - 1, 0, -1], 200)),
            }
        )
    }
    kinds = {"at": T, "b": B, "w": X, "f": F, "n": N}
    columns = tuple(column(name, dtype) for name, dtype in kinds.items())
    compare(frames, Schema((Table("e", columns, (), "at"),)))
    compare(frames, Schema((Table("e", columns),)))
    late = tuple(replace(c, known_at="at") if c.name == "b" else c for c in columns)
    compare(frames, Schema((Table("e", late, (), "at"),)))


PARENTS = {"k": [3, 1, 2, None], "at": at(30 * DAY, None, 31 * DAY + 5, 6)}
KEYS: list[tuple[str, DType, list[Any], DType, list[Any]]] = [
    ("numbers", N, [1, 2, 3, None, 9, 2], N, [3, 1, 2, None]),
    ("words", X, ["ö", "😀", "x", None, "", "ö"], X, ["x", "😀", "ö", None]),
    ("numbers and words", N, [1, 2, 3, None, 9, 2], X, ["3", "1", "2", None]),
    ("words and numbers", X, ["1", "2", "03", None, "", "2"], N, [3, 1, 2, None]),
    ("reals", F, [1.5, -0.0, 2.5, None, 9.0, 0.0], F, [2.5, 0.0, 1.5, None]),
    ("instants", T, at(1, 2, 3, None, 9, 2), T, at(3, 1, 2, None)),
    ("yes and no", B, [True, False, None, None, True, True], B, [True, False, None, None]),
    ("the ends", N, [-(2**63), 2**63 - 1, 0, None, 1, -1], N, [2**63 - 1, 0, -(2**63), None]),
]


@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
@pytest.mark.parametrize("theirs", KEYS, ids=[k[0] for k in KEYS])
def test_keys_of_every_type_find_their_parents(theirs: Any, timed: bool) -> None:
    _, ours, child, its, parent = theirs
    moments = at(50, 20, None, 10, 10, 20)
    frames = {
        "c": pa.table({"id": [6, 5, 4, 3, 2, 1], "p": child, "at": moments}),
        "p": pa.table({"k": parent, "at": PARENTS["at"]}),
    }
    plain = Semantic.IDENTIFIER
    schema = Schema(
        (
            Table("c", (column("id", N), column("p", ours, plain), column("at", T)), ("id",), "at"),
            Table("p", (column("k", its, plain), column("at", T)), (), "at" if timed else None),
        ),
        (Link("c", ("p",), "p", ("k",)),),
    )
    compare(frames, schema)


@pytest.mark.parametrize("late", [None, Offset(3), Offset(1, Unit.MONTH), Offset(-2, Unit.HOUR)], ids=str)
def test_a_table_takes_the_time_of_its_parents_parent(late: Offset | None) -> None:
    """Rows whose parent has no time are left out, on the way down too; each step may add a delay."""
    frames = {
        "a": pa.table({"k": [1, 2, 3], "at": at(30 * DAY, None, 31 * DAY)}),
        "b": pa.table({"i": [1, 1, 2, 2, 3], "j": ["x", "y", "x", "y", "x"], "a": [3, 1, 2, None, 1]}),
        "c": pa.table({"i": [2, 3, 1, 1, None], "j": ["x", "x", "y", "x", "x"], "v": [1, 2, 3, 4, 5]}),
    }
    schema = Schema(
        (
            Table("a", (column("k", N), column("at", T)), ("k",), "at", available_after=late),
            Table("b", (column("i", N), column("j", X), column("a", N)), ("i", "j"), available_after=late),
            Table("c", (column("i", N), column("j", X), column("v", N))),
        ),
        (Link("c", ("i", "j"), "b", ("i", "j")), Link("b", ("a",), "a", ("k",))),
    )
    compare(frames, schema)


def test_times_are_read_as_the_schema_says() -> None:
    """Epochs, text, a declared time zone, also where a time is a key."""
    frames = {
        "s": pa.table({"at": [1_700_000_000, None, -5], "of": [1_700_000_000_000, 5, None]}),
        "ms": pa.table({"at": [1_700_000_000_000, 5, None]}),
        "us": pa.table({"at": [1_700_000_000_000_001, None]}),
        "text": pa.table({"at": ["2024-03-31 02:30:00", "never", None, "2024-03-31"], "v": [1, 2, 3, 4]}),
        "real": pa.table({"at": [1.5, None, 2.25]}),
    }
    tables = (
        Table("s", (column("at", N, Semantic.TIME, time_format="s"), column("of", N)), (), "at"),
        Table("ms", (column("at", N, Semantic.TIME, time_format="ms"),), (), "at"),
        Table("us", (column("at", N, Semantic.TIME, time_format="us"),), (), "at"),
        Table("text", (column("at", X, Semantic.TIME, time_format="iso"), column("v", N)), (), "at"),
        Table("real", (column("at", F, Semantic.TIME, time_format="s"),), (), "at"),
    )
    compare(frames, Schema(tables))
    compare(frames, Schema(tables, timezone="America/New_York"))


def test_a_time_that_is_a_key_is_read_alike_on_both_sides() -> None:
    """A child without a time finds its parent by an hour written as a number."""
    hour = column("hour", N, Semantic.TIME, time_format="s")
    frames = {"p": pa.table({"hour": [3600, 7200]}), "c": pa.table({"hour": [7200, 3600, 1], "v": [1, 2, 3]})}
    schema = Schema(
        (Table("p", (hour,), ("hour",), "hour"), Table("c", (hour, column("v", N)), ("v",))),
        (Link("c", ("hour",), "p", ("hour",)),),
    )
    compare(frames, schema)
    with Store.load(FramesSource(frames).snapshot()) as store:
        assert Tables(store, schema).numbers("c", "v").tolist() == [2, 1]


def test_empty_tables() -> None:
    none: dict[str, Any] = {"id": pa.array([], pa.int64()), "p": pa.array([], pa.string())}
    none |= {"at": pa.array([], pa.timestamp("us")), "v": pa.array([], pa.float64())}
    columns = (column("id", N), column("p", X), column("at", T), column("v", F))
    schema = Schema(
        (Table("c", columns, ("id",), "at"), Table("p", columns, ("p",))), (Link("c", ("p",), "p", ("p",)),)
    )
    compare({"c": pa.table(none), "p": pa.table(none)}, schema)


SHOP = {
    "o": pa.table(
        {
            "id": [1, 2, 3, 4],
            "at": at(4, 3, None, 1),
            "v": [2.0, None, 5.0, -1.0],
            "n": [7, 8, 2, None],
            "w": ["b", "a", None, "b"],
        }
    )
}
SHOP_SCHEMA = Schema(
    (
        Table(
            "o",
            (column("id", N), column("at", T), column("v", F), column("n", N), column("w", X)),
            ("id",),
            "at",
        ),
    )
)


def of(name: str) -> ast.Column:
    return ast.Column("o", name)


def test_expressions_over_a_tables_columns() -> None:
    with Store.load(FramesSource(SHOP).snapshot()) as store:
        tables = Tables(store, SHOP_SCHEMA)
        assert shown(tables.numbers("o", ast.Binary("/", of("v"), of("n")))) == [None, None, 2 / 7]
        assert tables.numbers("o", ast.Binary("=", of("w"), ast.Literal("b"))).tolist() == [1.0, 0.0, 1.0]
        lengths = tables.words("o", ast.Binary("||", of("w"), ast.Literal("!")))
        assert (lengths.codes.tolist(), lengths.words) == ([1, 0, 1], ("a!", "b!"))
        truth = tables.words("o", ast.Binary(">", of("v"), ast.Literal(0)))
        assert (truth.codes.tolist(), truth.words) == ([0, -1, 1], ("false", "true"))
        assert tables.words("o", ast.Binary("*", of("v"), ast.Literal(1.5))).words == ("-1.5", "3.0")
        assert tables.words("o", ast.Literal(None)).codes.tolist() == [-1, -1, -1]
        assert shown(tables.numbers("o", ast.Literal(None))) == [None, None, None]
        assert tables.arrow("o", ast.Call("UPPER", (of("w"),))).to_pylist() == ["B", "A", "B"]


def test_a_column_is_made_once_and_cannot_be_changed() -> None:
    with Store.load(FramesSource(SHOP).snapshot()) as store:
        tables = Tables(store, SHOP_SCHEMA)
        assert tables.numbers("o", "v") is tables.numbers("o", of("v"))
        held = tables.nbytes
        for array in (tables.numbers("o", "n"), tables.instants("o", "at"), tables.words("o", "w").codes):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        assert tables.nbytes > held > 0


def test_words_are_those_of_visible_rows_alone() -> None:
    frames = {"o": SHOP["o"].set_column(4, "w", pa.array(["b", "a", "unseen", "b"]))}
    with Store.load(FramesSource(frames).snapshot()) as store:
        assert Tables(store, SHOP_SCHEMA).words("o", "w").words == ("a", "b")


REPEATS = {
    "a number": {"k": [3, 1, 3, 1, 2]},
    "ascending": {"k": [1, 2, 2, 3, 3]},
    "text": {"k": ["😀", "b", None, "b", "😀"]},
    "real": {"k": [1.5, -0.5, 2.0, -0.5, 3.0]},
    "a pair": {"k": [1, 1, 2, 2, 1], "l": ["x", "y", "x", "x", "x"]},
    "a time": {"k": at(1, 2, 2, 3, 1)},
}


@pytest.mark.parametrize("frame", REPEATS.values(), ids=list(REPEATS))
def test_a_key_that_repeats_is_refused_as_the_engine_refuses_it(frame: dict[str, Any]) -> None:
    made = pa.table({**frame, "at": at(5, 4, 3, 2, 1)})
    dtypes = {pa.int64(): N, pa.float64(): F, pa.string(): X, pa.timestamp("us"): T}
    columns = tuple(column(f.name, dtypes[f.type]) for f in made.schema)
    schema = Schema((Table("t", columns, tuple(frame), "at"),))
    with Store.load(FramesSource({"t": made}).snapshot()) as store:
        with pytest.raises(SchemaError) as wanted:
            Prepared(store, schema).table("t")
        tables = Tables(store, schema)
        for _ in range(2):  # and again when asked again
            with pytest.raises(SchemaError) as found:
                tables.rows("t")
            assert str(found.value) == str(wanted.value)


def test_zero_and_minus_zero_are_one_key() -> None:
    frames = {"t": pa.table({"k": [0.0, 1.0, -0.0]})}
    with Store.load(FramesSource(frames).snapshot()) as store, pytest.raises(SchemaError, match="repeats"):
        Tables(store, Schema((Table("t", (column("k", F),), ("k",)),))).rows("t")


def test_keys_of_rows_that_are_left_out_may_repeat() -> None:
    frames = {"t": pa.table({"k": [2, 1, 2], "l": ["a", "b", "a"], "at": at(5, 4, None)})}
    columns = (column("k", N), column("l", X), column("at", T))
    for key in (("k",), ("l",), ("k", "l")):
        compare(frames, Schema((Table("t", columns, key, "at"),)))
    frames = {"t": pa.table({"k": [2, 2, 2], "l": ["a", "a", "a"], "at": at(5, 4, None)})}
    for key in (("k",), ("l",), ("k", "l")):
        with (
            Store.load(FramesSource(frames).snapshot()) as store,
            pytest.raises(SchemaError, match="repeats"),
        ):
            Tables(store, Schema((Table("t", columns, key, "at"),))).rows("t")


def test_a_value_that_cannot_be_computed_is_told() -> None:
    seconds = column("at", N, Semantic.TIME, time_format="s")
    with Store.load(FramesSource({"t": pa.table({"at": [2**60]})}).snapshot()) as store:
        tables = Tables(store, Schema((Table("t", (seconds,), (), "at"),)))
        with pytest.raises(DataError, match="a value cannot be computed from 't'"):
            tables.rows("t")


def test_sorts_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    wide = np.array([-(2**63), 2**63 - 1, 0, 1, 5])
    for _ in range(200):
        n = int(rng.integers(0, 50))
        columns = [
            rng.integers(0, 4, n),
            rng.choice(wide, n),
            rng.choice([0.0, -0.0, 1.5, -1e300, np.inf], n),
            rng.integers(-(2**62), 2**62, n),
        ][int(rng.integers(0, 4)) :]
        given = [lambda values=values: [values] for values in columns]
        rows = rng.permutation(n)
        wanted = rows[np.lexsort([values[rows] for values in reversed(columns)])]
        found = order.sorted_rows(rows, given)
        assert found.tolist() == wanted.tolist()
        assert order.settled(found, given)
        if order.settled(rows, given):
            assert rows.tolist() == wanted.tolist()


def test_a_time_of_the_year_9999_is_an_instant() -> None:
    frames = {
        "t": pa.table({"at": pa.array([datetime(9999, 12, 31), datetime(1, 1, 1)], pa.timestamp("us"))})
    }
    compare(frames, Schema((Table("t", (column("at", T),), (), "at"),)))


def test_several_threads_may_ask_at_once() -> None:
    """Each array is made once, and holds what it holds when one thread asks."""
    made = next(d for d in map(make_database, range(100)) if len(d.schema.active_links) > 3)
    with Store.load(FramesSource(made.frames).snapshot()) as store:
        alone, shared = Tables(store, made.schema), Tables(store, made.schema)
        asked: list[Callable[[Tables], Any]] = [
            methodcaller("words", t.name, c.name) for t in made.schema.tables for c in t.columns
        ]
        asked += [methodcaller("children", k) for k in made.schema.active_links]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda ask: ask(shared), asked * 4))
        for i, ask in enumerate(asked):
            wanted = ask(alone)
            assert all(f is found[i] for f in found[i :: len(asked)])
            if isinstance(wanted, tuple):
                assert all(a.tolist() == b.tolist() for a, b in zip(wanted, found[i], strict=True))
            else:
                assert (wanted.codes.tolist(), wanted.words) == (found[i].codes.tolist(), found[i].words)
