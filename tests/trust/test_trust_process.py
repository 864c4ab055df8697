"""Crashes, damaged files and changed databases, with models that were saved."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from trust_world import CHURN, NOW, changed, shop

import foretell
from foretell import DataError, ModelFileError, SchemaError, SourceError, UsageError

SECONDS = 0.3


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model of the shop's churn, saved."""
    with foretell.connect(shop(people=10), now=NOW) as database:
        model = database.query(CHURN).fit(time_limit=SECONDS)
    yield model.save(tmp_path_factory.mktemp("models") / "churn.foretell")


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, parts: dict[str, bytes], **manifest: Any) -> Path:
    """A model file of these parts, with a manifest that fits them but for what is given."""
    told = json.loads(parts["manifest.json"])
    rest = {name: data for name, data in parts.items() if name != "manifest.json"}
    told["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in rest.items()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({**told, **manifest}))
        for name, data in rest.items():
            archive.writestr(name, data)
    return path


# ── model files ──


def test_a_sound_file_is_read_and_predicts(saved: Path, tmp_path: Path) -> None:
    """The positive control of the tests that follow."""
    again = packed(tmp_path / "again.foretell", unpacked(saved))
    for path in (saved, again):
        assert len(foretell.load(path).predict(shop(people=10))) == 10


def test_a_file_with_a_byte_changed_is_refused_or_the_same(saved: Path, tmp_path: Path) -> None:
    """A byte that no part depends on (a date in a zip header) may change; nothing else may."""
    data, refused = saved.read_bytes(), 0
    sound = unpacked(saved)
    for place in range(0, len(data), len(data) // 150):
        (tmp_path / "x.foretell").write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            model = foretell.load(tmp_path / "x.foretell")
        except ModelFileError:
            refused += 1
        else:
            assert unpacked(model.save(tmp_path / "y.foretell")) == sound
    assert refused > 100


def test_a_part_that_does_not_match_its_sha256_is_named(saved: Path, tmp_path: Path) -> None:
    parts = unpacked(saved)
    digests = json.loads(parts["manifest.json"])["sha256"]
    parts["model.json"] = parts["model.json"].replace(b"orders", b"ordres", 1)
    with pytest.raises(ModelFileError, match=r"is damaged: model.json does not match its sha256"):
        foretell.load(packed(tmp_path / "x.foretell", parts, sha256=digests))


def test_half_a_file_is_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "x.foretell").write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(ModelFileError, match="is not a foretell model, or is damaged"):
        foretell.load(tmp_path / "x.foretell")


def test_a_newer_format_is_refused_and_an_older_one_is_read(saved: Path, tmp_path: Path) -> None:
    parts = unpacked(saved)
    with pytest.raises(ModelFileError, match="has format 99, newer than this release's") as error:
        foretell.load(packed(tmp_path / "new.foretell", parts, format=99))
    assert error.value.mend == "pip install --upgrade foretell"
    assert foretell.load(packed(tmp_path / "old.foretell", parts, format=0)).query


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/../../evil", "a\\evil", "a//b", ".", "ü\n"])
def test_a_part_with_an_unsafe_name_is_refused_and_nothing_is_written(
    name: str, saved: Path, tmp_path: Path
) -> None:
    place = tmp_path / "inner"
    place.mkdir()
    path = packed(place / "x.foretell", {**unpacked(saved), name: b"evil"})
    with pytest.raises(ModelFileError, match="has an unsafe name"):
        foretell.load(path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["x.foretell"]


def test_a_symbolic_link_inside_is_refused(saved: Path, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.foretell", unpacked(saved))
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ModelFileError, match="'link' is a symbolic link"):
        foretell.load(path)


@pytest.mark.parametrize(
    "manifest", [{"format": "1"}, {"format": None}, {"kind": "other"}, {"sha256": []}, {"sha256": {"a": "b"}}]
)
def test_a_foreign_manifest_is_refused(manifest: dict[str, Any], saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        foretell.load(packed(tmp_path / "x.foretell", unpacked(saved), **manifest))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"1", b"\xff", b"[" * 100_000])
def test_parts_that_are_not_what_they_should_be_are_refused(
    content: bytes, saved: Path, tmp_path: Path
) -> None:
    parts = unpacked(saved)
    for name in ("model.json", "fitted/model.json"):
        with pytest.raises(ModelFileError):
            foretell.load(packed(tmp_path / "x.foretell", {**parts, name: content}))


class _Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path(os.environ["FORETELL_TEST_BOMB"]),)


def test_pickle_is_never_opened(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_TEST_BOMB", str(tmp_path / "exploded"))
    bomb = pickle.dumps(_Bomb())
    monkeypatch.setattr(pickle, "load", _forbidden)
    monkeypatch.setattr(pickle, "loads", _forbidden)
    monkeypatch.setattr(pickle, "Unpickler", _forbidden)
    (tmp_path / "x.foretell").write_bytes(bomb)
    files = [tmp_path / "x.foretell"]
    parts = unpacked(saved)
    for name in parts:
        if name != "manifest.json":
            files.append(packed(tmp_path / f"{len(files)}.foretell", {**parts, name: bomb}))
    for path in files:
        try:
            foretell.load(path).predict(shop(people=10))
        except (ModelFileError, UnicodeDecodeError):
            continue
        raise AssertionError(f"{path.name} was read")
    assert not (tmp_path / "exploded").exists()


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("pickle was opened")


def test_no_module_reads_pickles() -> None:
    root = Path(foretell.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("import pickle", "import joblib", "import dill", "import shelve", "allow_pickle=True"):
            assert word not in text, f"{word} in {path.name}"


def test_killed_while_saving_leaves_the_old_model_whole(saved: Path, tmp_path: Path) -> None:
    place = tmp_path / "churn.foretell"
    place.write_bytes(saved.read_bytes())
    script = (
        "import os, sys, zipfile, foretell\n"
        "model = foretell.load(sys.argv[1])\n"
        "write, count = zipfile.ZipFile.writestr, [0]\n"
        "def dying(*a, **k):\n"
        "    count[0] += 1\n"
        "    if count[0] == 3: os._exit(9)\n"
        "    return write(*a, **k)\n"
        "zipfile.ZipFile.writestr = dying\n"
        "model.save(sys.argv[2])\n"
    )
    source = str(Path(foretell.__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", script, str(saved), str(place)],
        env={**os.environ, "PYTHONPATH": source},
        check=False,
        timeout=120,
    )
    assert run.returncode == 9  # it died midway, in truth
    assert place.read_bytes() == saved.read_bytes()
    foretell.load(place)


def test_a_full_disk_leaves_the_old_model_whole(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = foretell.load(saved)
    place = model.save(tmp_path / "churn.foretell")
    before = place.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(place)
    monkeypatch.undo()
    assert place.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["churn.foretell"]


# ── databases ──


def stored(path: Path, tables: dict[str, pa.Table]) -> Path:
    with duckdb.connect(str(path)) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    return path


def test_a_read_only_source_is_read_and_left_as_it_is(saved: Path, tmp_path: Path) -> None:
    path = stored(tmp_path / "shop.duckdb", shop(people=10))
    before = path.read_bytes()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with foretell.connect(path, now=NOW) as database:
            assert database.query(CHURN).check().labels.rows
        assert len(foretell.load(saved).predict(path)) == 10
    finally:
        tmp_path.chmod(0o755)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["shop.duckdb"]


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"


def test_a_locked_database_says_by_whom(tmp_path: Path) -> None:
    path = stored(tmp_path / "shop.duckdb", shop(people=5))
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(SourceError, match=rf"is locked by .*\(PID {holder.pid}\)") as error:
            foretell.connect(path)
        assert "read a copy of the file" in str(error.value)
    finally:
        holder.kill()
        holder.wait()


def test_a_memory_cap_is_an_error_and_not_the_end_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = shop(people=5)
    wide = ["x" * 10_000 + str(i) for i in range(3_000)]
    tables["notes"] = pa.table({"note_id": range(3_000), "text": wide})
    with pytest.raises(UsageError, match="expected at least"):
        foretell.connect(tables, memory="8MB")
    monkeypatch.setattr("foretell.store.memory.LEAST", 0)
    with pytest.raises((SourceError, DataError), match="memory limit"):
        foretell.connect(tables, memory="404MB")
    with pytest.raises(UsageError, match="write it as '4GB'"):
        foretell.connect(tables, memory="lots")


def test_a_password_never_appears(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg")
    from foretell.cli.app import main

    url = "postgresql://ann:s3cret-w0rd@127.0.0.1:9/shop"
    with pytest.raises(SourceError) as error:
        foretell.connect(url)
    assert "ann:***@127.0.0.1:9/shop" in str(error.value)
    told = f"{error.value!r} {error.value} {error.value.to_dict()} {error.value.__cause__}"
    with pytest.raises(SystemExit):
        main(["check", url, CHURN])
    assert "s3cret-w0rd" not in told + "".join(capsys.readouterr())


# ── a database that changed since training ──


def changes() -> dict[str, tuple[Callable[[dict[str, pa.Table]], None], str]]:
    def missing_column(tables: dict[str, pa.Table]) -> None:
        tables["orders"] = tables["orders"].drop_columns(["amount"])

    def missing_table(tables: dict[str, pa.Table]) -> None:
        del tables["orders"]

    def retyped(tables: dict[str, pa.Table]) -> None:
        texts = [f"{v} euro" for v in tables["orders"]["amount"].to_pylist()]
        tables["orders"] = changed(tables["orders"], "amount", texts)

    def repeated_key(tables: dict[str, pa.Table]) -> None:
        tables["customers"] = pa.concat_tables([tables["customers"], tables["customers"].slice(0, 2)])

    return {
        "missing column": (missing_column, r"column orders.amount is missing"),
        "missing table": (missing_table, r"table 'orders' is missing"),
        "changed type": (retyped, r"type of orders.amount changed: it was float when the model was trained"),
        "repeated key": (repeated_key, r"the key customers.customer_id.* is not unique: 2 values appear"),
    }


@pytest.mark.parametrize("what", list(changes()))
def test_a_change_that_breaks_the_model_is_refused(what: str, saved: Path) -> None:
    change, message = changes()[what]
    tables = shop(people=10)
    change(tables)
    with pytest.raises(SchemaError, match=message):
        foretell.load(saved).predict(tables)


def test_a_new_column_and_numbers_kept_as_text_are_told_and_predicted(saved: Path) -> None:
    model, tables = foretell.load(saved), shop(people=10)
    expected = model.predict(tables).table
    tables["orders"] = tables["orders"].append_column("colour", tables["orders"]["kind"])
    tables["orders"] = changed(
        tables["orders"], "amount", [str(v) for v in tables["orders"]["amount"].to_pylist()]
    )
    found = model.predict(tables)
    assert found.table.equals(expected)
    assert any("orders has new columns, which the model does not use: colour" in n for n in found.notes)


def test_a_model_is_the_same_bytes_when_saved_again(saved: Path) -> None:
    path = foretell.load(saved).save(saved.with_name("again.foretell"))
    assert path.read_bytes() == saved.read_bytes()
