"""What discovery refuses, warns of and handles, item by item; each guard has a case where it stays silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from foretell.core.errors import ConfigError, DataError, SchemaError
from foretell.core.time import parse_instant
from foretell.discovery import conform, discover, findings
from foretell.schema.model import DType, Origin, Schema, Semantic
from foretell.schema.toml import read
from foretell.sources.frames import FramesSource
from foretell.sources.open import open_source
from foretell.store import Store, load

N = 60
DAYS = [datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)]
USERS: dict[str, Any] = {"user_id": list(range(N)), "age": [20 + i % 40 for i in range(N)]}


def found(config: str = "", now: str | None = None, **tables: dict[str, Any]) -> Schema:
    frames = {name: pa.table(columns) for name, columns in tables.items()}
    with load(FramesSource(frames)) as store:
        return discover(store, config=read(config), now=parse_instant(now) if now else None)


def declared(folder: Path, sql: str) -> Store:
    connection = duckdb.connect(str(folder / "x.duckdb"))
    connection.execute(sql)
    connection.close()
    return load(open_source(folder / "x.duckdb"))


def says(schema: Schema, part: str) -> bool:
    return any(part in n for n in schema.notes)


# Keys


def test_duplicate_key_is_refused_with_examples() -> None:
    tables = {"users": {"user_id": [1, 1, 2, 2, 3], "v": [1, 2, 3, 4, 5]}}
    with pytest.raises(SchemaError, match=r"key users\.user_id, .* is not unique: 2 values appear") as caught:
        found('[tables.users]\nprimary_key = "user_id"', **tables)
    assert caught.value.examples == (1, 2)
    assert "remove the duplicates" in str(caught.value)
    found('[tables.users]\nprimary_key = "v"', **tables)


def test_null_key_is_refused() -> None:
    with pytest.raises(SchemaError, match="is NULL in 1 row"):
        found('[tables.users]\nprimary_key = "user_id"', users={"user_id": [1, None, 2], "v": [1, 2, 3]})


def test_a_declared_key_that_views_break_is_no_key_of_the_view(tmp_path: Path) -> None:
    sql = "CREATE TABLE users (id INT PRIMARY KEY); INSERT INTO users SELECT i FROM range(50) t(i);"
    with declared(
        tmp_path, sql + "CREATE VIEW v AS SELECT id FROM users UNION ALL SELECT id FROM users"
    ) as store:
        schema = discover(store)
    assert schema.table("users").primary_key == ("id",)
    assert schema.table("users").key_evidence is not None
    assert schema.table("users").key_evidence.origin is Origin.DECLARED
    assert schema.table("v").primary_key == ()


def test_no_declared_keys_is_said_and_why() -> None:
    schema = found(users=USERS)
    assert says(schema, "declares no keys")
    assert "unique, never NULL" in str(schema.table("users").key_evidence)


def test_declared_keys_are_not_called_guesses(tmp_path: Path) -> None:
    with declared(
        tmp_path, "CREATE TABLE users (id INT PRIMARY KEY); INSERT INTO users VALUES (1), (2)"
    ) as store:
        assert not says(discover(store), "declares no keys")


# Links


ORDERS: dict[str, Any] = {"order_id": list(range(100, 100 + N)), "user_id": [i % 50 for i in range(N)]}


def test_null_foreign_keys_are_handled() -> None:
    schema = found(users=USERS, orders=ORDERS | {"user_id": [None if i % 2 else i for i in range(N)]})
    assert schema.links[0].null_fraction == 0.5


def test_orphans_of_a_declared_link_are_noted(tmp_path: Path) -> None:
    schema = found(
        '[[links]]\nchild = "orders.user_id"\nparent = "users.user_id"',
        users=USERS,
        orders=ORDERS | {"user_id": [i if i < 50 else 999 for i in range(N)]},
    )
    assert says(schema, "orders.user_id: 10 rows of 60 point at no row of users")
    assert not says(found(users=USERS, orders=ORDERS), "point at no row")


def test_cycles_and_self_references_are_handled() -> None:
    people = {
        "id": list(range(N)),
        "manager_id": [None] + [i // 2 for i in range(1, N)],
        "team_id": [i % 7 for i in range(N)],
    }
    teams = {"id": list(range(7)), "leader_person_id": [i * 3 for i in range(7)]}
    schema = found(people=people, teams=teams)
    assert {str(k) for k in schema.links} >= {"people.manager_id → people.id", "people.team_id → teams.id"}


def test_two_links_to_one_parent() -> None:
    games = {
        "game_id": list(range(N)),
        "home_user_id": [i % 50 for i in range(N)],
        "away_user_id": [(i * 7) % 50 for i in range(N)],
    }
    schema = found(users=USERS, games=games)
    assert {str(k) for k in schema.links} == {
        "games.home_user_id → users.user_id",
        "games.away_user_id → users.user_id",
    }


def test_text_that_converts_without_loss_is_linked_and_converted() -> None:
    frames = {
        "users": pa.table(USERS),
        "orders": pa.table(ORDERS | {"user_id": [str(i % 50) for i in range(N)]}),
    }
    with load(FramesSource(frames)) as store:
        schema = discover(store)
        assert [str(k) for k in schema.links] == ["orders.user_id → users.user_id"]
        assert schema.table("orders").column("user_id").dtype is DType.INTEGER
        assert store.connection.execute(
            "SELECT count(*) FROM orders JOIN users USING (user_id)"
        ).fetchall() == [(N,)]
    assert says(schema, "converts without loss")


def test_text_written_differently_is_not_linked_but_said() -> None:
    schema = found(users=USERS, orders=ORDERS | {"user_id": [f"{i % 50}.0" for i in range(N)]})
    assert schema.links == ()
    assert says(schema, "orders.user_id")


def test_a_declared_link_between_types_that_lose_is_refused() -> None:
    config = '[[links]]\nchild = "orders.user_id"\nparent = "users.user_id"'
    with pytest.raises(SchemaError, match="compares text with integer"):
        found(config, users=USERS, orders=ORDERS | {"user_id": ["u" + str(i) for i in range(N)]})


def test_composite_links() -> None:
    lines = {
        "order_id": [i // 3 for i in range(N)],
        "line_id": [i % 3 for i in range(N)],
        "v": [i * 0.5 for i in range(N)],
    }
    returns = {
        "return_id": list(range(20)),
        "order_id": list(range(20)),
        "line_id": [1] * 10 + [2] * 10,
    }
    schema = found(lines=lines, returns=returns)
    assert "returns.order_id+line_id → lines.order_id+line_id" in {str(k) for k in schema.links}


def test_views_are_handled_and_do_not_replace_tables_as_parents(tmp_path: Path) -> None:
    sql = (
        "CREATE TABLE users AS SELECT i AS user_id FROM range(60) t(i);"
        "CREATE TABLE orders AS SELECT i AS order_id, i % 60 AS user_id FROM range(300) t(i);"
        "CREATE VIEW busy_users AS SELECT * FROM users;"
    )
    with declared(tmp_path, sql) as store:
        schema = discover(store)
    assert [k.parent for k in schema.links if k.child == "orders"] == ["users"]


# Times


def test_no_time_column_is_noted() -> None:
    assert says(found(users=USERS), "users has no time column")
    assert not says(found(users=USERS | {"created_at": DAYS}), "users has no time column")


def test_several_times_say_which_was_chosen_and_why() -> None:
    schema = found(users=USERS | {"updated_at": [d + timedelta(days=9) for d in DAYS], "created_at": DAYS})
    assert schema.table("users").time_column == "created_at"
    assert says(
        schema, "created_at is taken as the row's time (named as a beginning; never NULL), not updated_at"
    )


def test_birth_dates_date_no_row() -> None:
    assert found(users=USERS | {"dob": DAYS}).table("users").time_column is None


def test_naive_and_zoned_times_mixed_are_refused() -> None:
    zoned = [f"{d:%Y-%m-%d %H:%M:%S}" + ("+02:00" if i % 2 else "") for i, d in enumerate(DAYS)]
    with pytest.raises(DataError, match="mixes times with a zone"):
        found(users=USERS | {"created_at": zoned})


def test_zoned_text_becomes_utc() -> None:
    zoned = [f"{d:%Y-%m-%d %H:%M:%S}+02:00" for d in DAYS]
    with load(FramesSource({"users": pa.table(USERS | {"created_at": zoned})})) as store:
        column = discover(store).table("users").column("created_at")
        assert (column.dtype, column.time_format) == (DType.TIMESTAMP, None)
        assert column.native == "string with time zone"
        assert store.connection.execute("SELECT min(created_at) FROM users").fetchall() == [
            (datetime(2023, 12, 31, 22),)
        ]


@pytest.mark.parametrize("scale, unit", [(1, "s"), (10**3, "ms"), (10**6, "us")])
def test_epochs_are_recognised(scale: int, unit: str) -> None:
    schema = found(users=USERS | {"created_at": [(1_700_000_000 + i) * scale for i in range(N)]})
    column = schema.table("users").column("created_at")
    assert (column.semantic, column.time_format) == (Semantic.TIME, unit)
    assert schema.table("users").time_column == "created_at"


def test_iso_text_is_recognised_and_other_text_is_said() -> None:
    iso = found(users=USERS | {"created_at": [f"{d:%Y-%m-%d}" for d in DAYS]})
    assert iso.table("users").column("created_at").time_format == "iso"
    other = found(users=USERS | {"created_at": [f"{d:%d/%m/%Y}" for d in DAYS]})
    assert other.table("users").time_column is None
    assert says(other, "users.created_at is text that looks like dates")


@pytest.mark.parametrize("unit", ["us", "ms"])
def test_epochs_read_in_the_wrong_unit_are_refused(unit: str) -> None:
    wrong = pa.array([1_700_000_000 + i for i in range(N)], pa.timestamp(unit))
    with pytest.raises(DataError, match="lies wholly in early 1970") as caught:
        found(users=USERS | {"created_at": wrong})
    assert len(caught.value.examples) == 3


def test_rows_in_the_future_are_noted_only_when_now_is_given() -> None:
    tables = {"users": USERS | {"created_at": DAYS}}
    assert says(found(now="2024-02-01", **tables), "28 rows lie in the future (up to 2024-02-29)")
    assert not says(found(now="2025-01-01", **tables), "future")
    assert not says(found(**tables), "future")


def test_times_that_mean_never_are_noted() -> None:
    ends = [datetime(9999, 12, 31)] * N
    assert says(found(users=USERS | {"created_at": DAYS, "valid_to": ends}), "'never' written as a date")


def test_an_epoch_zero_among_times_is_noted() -> None:
    schema = found(users=USERS | {"created_at": [datetime(1970, 1, 1), *DAYS[1:]]})
    assert says(schema, "1 row at 1970-01-01")


# Rows and columns


def test_duplicate_rows_are_counted() -> None:
    log = {"level": ["a", "b"] * 10, "size": [1.0, 2.0] * 10}
    schema = found(log=log)
    assert schema.table("log").primary_key == ()
    assert says(schema, "log: 18 rows of 20 repeat another row exactly")


def test_empty_constant_and_null_columns_are_said() -> None:
    schema = found(
        users=USERS | {"c": ["x"] * N, "n": pa.nulls(N, pa.string())}, none={"id": pa.array([], pa.int64())}
    )
    assert says(schema, "users: n holds only NULL")
    assert says(schema, "users: c holds one value only")
    assert says(schema, "none is empty")


def test_soft_deletes_are_noted() -> None:
    schema = found(users=USERS | {"created_at": DAYS, "deleted_at": [None, DAYS[-1]] * (N // 2)})
    assert says(schema, "users marks deleted rows in deleted_at")


def test_many_columns_and_big_cells_are_noted() -> None:
    wide = {f"c{i}": [i, i + 1] for i in range(1001)}
    schema = found(wide=wide, big={"id": [1, 2], "body": ["x" * 10_000_001, "y"]})
    assert says(schema, "wide has 1,001 columns")
    assert says(schema, "big.body holds a text of 10 MB")


def test_nul_in_text_is_noted() -> None:
    assert says(found(t={"id": [1, 2], "v": ["a\x00b", "c"]}), "t.v holds text with NUL")


def test_semantic_types() -> None:
    schema = found(
        t={
            "id": list(range(N)),
            "vote_type": [i % 5 for i in range(N)],
            "is_open": [i % 2 for i in range(N)],
            "flag": ["t" if i % 2 else "f" for i in range(N)],
            "colour": ["red", "green", "blue"] * (N // 3),
            "body": [f"a long story about {i} " * 5 for i in range(N)],
            "price": [i * 0.5 for i in range(N)],
            "quantity": [i % 9 for i in range(N)],
            "external_ref": [f"X-{i}" for i in range(N)],
        }
    )
    assert {c.name: c.semantic.value for c in schema.table("t").columns} == {
        "id": "identifier",
        "vote_type": "categorical",
        "is_open": "boolean",
        "flag": "boolean",
        "colour": "categorical",
        "body": "text",
        "price": "numeric",
        "quantity": "numeric",
        "external_ref": "identifier",
    }


def test_findings_list_every_guess_with_its_reasons() -> None:
    schema = found(users=USERS | {"created_at": DAYS}, orders=ORDERS)
    rows = findings(schema)
    assert [(f.table, f.kind, f.item) for f in rows] == [
        ("users", "key", "user_id"),
        ("users", "time", "created_at"),
        ("orders", "key", "order_id"),
        ("orders", "link", "user_id → users.user_id"),
    ]
    assert all(f.is_guess and f.reasons and 0 < f.confidence <= 1 for f in rows)


# Configuration reaches discovery


def test_configured_beats_inferred() -> None:
    users = USERS | {"created_at": DAYS, "seen_at": DAYS}
    config = """
    [tables.users]
    time = "seen_at"
    [tables.users.columns.age]
    ignore = true
    [[links]]
    child = "orders.user_id"
    ignore = true
    """
    schema = found(config, users=users, orders=ORDERS)
    assert schema.table("users").time_column == "seen_at"
    assert schema.table("users").column("age").ignored
    assert schema.links == ()
    with pytest.raises(ConfigError, match="no such table"):
        found("[tables.user]\nignore = true", users=users)


def test_a_configured_key_lets_links_find_it() -> None:
    users = {"nickname": [f"n{i}" for i in range(N)], "user_no": [i * 3 for i in range(N)]}
    orders = {"order_id": list(range(N)), "nickname": [f"n{i % 40}" for i in range(N)]}
    schema = found('[tables.users]\nprimary_key = "nickname"', users=users, orders=orders)
    assert [str(k) for k in schema.links] == ["orders.nickname → users.nickname"]


# A later snapshot


def trained() -> Schema:
    return found(users=USERS, orders=ORDERS | {"user_id": [str(i % 50) for i in range(N)]})


def later(**tables: dict[str, Any]) -> Store:
    return load(FramesSource({n: pa.table(c) for n, c in tables.items()}))


def test_the_same_shape_conforms_and_is_converted_again() -> None:
    with later(users=USERS, orders=ORDERS | {"user_id": ["7"] * N}) as store:
        assert conform(store, trained()) == ()
        assert store.tables["orders"].dtypes["user_id"] is DType.INTEGER


def test_a_missing_column_or_table_is_refused() -> None:
    with (
        later(users={"user_id": [1]}, orders=ORDERS) as store,
        pytest.raises(SchemaError, match=r"users\.age is missing"),
    ):
        conform(store, trained())
    with later(users=USERS) as store, pytest.raises(SchemaError, match="'orders' is missing"):
        conform(store, trained())


def test_a_changed_type_is_refused_with_examples() -> None:
    changed = USERS | {"age": ["old"] * N}
    with (
        later(users=changed, orders=ORDERS) as store,
        pytest.raises(SchemaError, match=r"type of users\.age") as caught,
    ):
        conform(store, trained())
    assert caught.value.examples == ("old",)


def test_a_new_column_is_noted() -> None:
    with later(users=USERS | {"new": [1] * N}, orders=ORDERS) as store:
        assert any("new columns" in n for n in conform(store, trained()))


def test_a_key_that_is_no_longer_unique_is_refused() -> None:
    twice = USERS | {"user_id": [1] * N}
    with later(users=twice, orders=ORDERS) as store, pytest.raises(SchemaError, match="is not unique"):
        conform(store, trained())
