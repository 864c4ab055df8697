"""The registry's files: older and newer formats, damage, foreign files, folders that cannot be written."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import foretell
from foretell import ForetellError, ModelFileError, Registry, RegistryError, UsageError
from foretell.lifecycle import ledger
from foretell.testing.databases import events

OLDER = Path(__file__).parent / "older"
RECORD = {"audit": None, "query": "q"}
INDEX = "CREATE INDEX events_by_name ON events (name, at);\n"
COLUMN = "ALTER TABLE versions ADD COLUMN note TEXT NOT NULL DEFAULT '';\n"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A registry as an earlier release left it: format 1, with files of model formats 1 and 2."""
    folder = tmp_path / "models"
    with closing(sqlite3.connect(f"{(OLDER / 'registry-1.db').as_uri()}?immutable=1", uri=True)) as found:
        digests = [r[0] for r in found.execute("SELECT DISTINCT sha256 FROM versions ORDER BY rowid")]
    for digest, name in zip(digests, ("format-1-churn", "format-2-spend")):
        place = folder / "files" / digest[:2] / digest
        place.parent.mkdir(parents=True)
        shutil.copy(OLDER / f"{name}.foretell", place)
    shutil.copy(OLDER / "registry-1.db", folder / "registry.db")
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A registry of two versions of a few bytes."""
    folder = tmp_path / "models"
    with Registry(folder) as registry:
        for data in (b"one", b"two"):
            registry.add_file("churn", data, RECORD, reason="made")
    return folder


def said(folder: Path) -> object:
    with Registry(folder) as registry:
        return (registry.standing("churn"), registry.versions("churn"), registry.history("churn"))


# ── older and newer formats ──


@pytest.mark.parametrize(
    ("name", "column"), [("format-1-churn", "probability"), ("format-2-spend", "prediction")]
)
def test_model_files_of_earlier_releases_predict_as_they_did(name: str, column: str) -> None:
    """Each was written by the release that first had its format, beside what it predicted."""
    model = foretell.load(OLDER / f"{name}.foretell")
    rows = model.predict(events(), as_of="2024-04-25").rows()
    expected = json.loads((OLDER / f"{name}.json").read_text())
    assert {str(r["id"]): r[column] for r in rows} == pytest.approx(expected, abs=2e-6)


def test_a_registry_of_format_1_is_read(old: Path) -> None:
    with Registry(old) as registry:
        assert registry.names() == ("churn", "spend")
        standing = registry.standing("churn")
        assert (standing.champion, standing.challenger, standing.epoch) == (1, None, 4)
        assert [e.action for e in registry.history("churn")][-2:] == ["promoted", "rolled back"]
        assert registry.version("churn").clean is True
        assert registry.entries("churn", "grade")[0].record == {"value": 0.5}
        for name in ("churn@1", "churn@2", "spend"):
            assert registry.load(name).features
        assert registry.diff("churn@1", "churn@2").query
        assert registry.add("churn", registry.load("churn")).number == 3


def test_an_older_format_is_brought_up_to_date_and_kept_as_it_was(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = said(made)
    monkeypatch.setattr(ledger, "FORMAT", 3)
    monkeypatch.setattr(ledger, "MIGRATIONS", (INDEX, COLUMN))
    assert said(made) == before
    with Registry(made) as registry:
        assert registry.ledger.rows("SELECT note FROM versions")[0]["note"] == ""
        assert registry.ledger.rows("PRAGMA user_version")[0][0] == 3
    monkeypatch.setattr(ledger, "FORMAT", 1)
    with pytest.raises(ModelFileError, match="has format 3, newer than this release's 1") as error:
        Registry(made)
    assert error.value.mend == "pip install --upgrade foretell"
    (made / "registry.db.format-1").replace(made / "registry.db")
    assert said(made) == before


def test_a_migration_that_fails_changes_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = said(made)
    with monkeypatch.context() as newer:
        newer.setattr(ledger, "FORMAT", 3)
        newer.setattr(ledger, "MIGRATIONS", (INDEX, "ALTER TABLE nowhere ADD COLUMN x TEXT;\n"))
        with pytest.raises(ModelFileError, match="no such table"):
            Registry(made)
    assert said(made) == before
    with Registry(made) as registry:
        assert not registry.ledger.rows("SELECT 1 FROM sqlite_master WHERE name = 'events_by_name'")


CROWD = """
import sys
from pathlib import Path
from foretell.lifecycle import ledger
place, release, script = sys.argv[1:]
if release == "newer":
    ledger.FORMAT, ledger.MIGRATIONS = 2, (script,)
sys.stdin.readline()
for _ in range(5):
    opened = ledger.Ledger(Path(place))
    with opened.changing() as connection:
        connection.execute("INSERT INTO events (name, at, action, reason) VALUES ('x', 0, 'seen', '')")
    opened.close()
"""


@pytest.mark.parametrize("release", ["same", "newer"])
def test_several_that_open_a_new_or_an_older_registry_at_once(
    release: str, made: Path, tmp_path: Path
) -> None:
    place = (tmp_path / "new" if release == "same" else made) / "registry.db"
    command = [sys.executable, "-c", CROWD, str(place), release, INDEX]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ends = [c.communicate() for c in children]
    assert [err for _, err in ends if err] == []
    with closing(sqlite3.connect(place)) as found:
        assert found.execute("SELECT count(*) FROM events WHERE action = 'seen'").fetchone() == (20,)
        assert found.execute("PRAGMA user_version").fetchone() == (1 if release == "same" else 2,)
    if release == "newer":
        with closing(sqlite3.connect(place.with_name("registry.db.format-1"))) as found:
            assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert found.execute("SELECT count(*) FROM events").fetchone() == (2,)


# ── what is no registry, or is damaged ──


def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "registry.db"
    with closing(sqlite3.connect(place)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = place.read_bytes()
    with pytest.raises(ModelFileError, match="is a SQLite file, but no registry of foretell"):
        Registry(tmp_path)
    place.write_bytes(b"not SQLite at all" * 1000)
    with pytest.raises(ModelFileError, match="is damaged, or no registry"):
        Registry(tmp_path)
    place.write_bytes(before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["registry.db"]


def test_an_empty_file_becomes_a_registry(tmp_path: Path) -> None:
    (tmp_path / "registry.db").touch()
    with Registry(tmp_path) as registry:
        assert registry.add_file("churn", b"x", RECORD, reason="made").number == 1


def test_bytes_changed_at_random_are_an_error_or_change_no_file(made: Path) -> None:
    """SQLite does not checksum its pages: a changed byte is told, or read; a model is its sha256's."""
    with Registry(made) as registry:
        registry.ledger.connection.execute("PRAGMA journal_mode = DELETE")
    sound, rng, told = (made / "registry.db").read_bytes(), random.Random(0), 0
    for _ in range(150):
        damaged = bytearray(sound)
        for _ in range(8):
            damaged[rng.randrange(len(sound))] = rng.randrange(256)
        (made / "registry.db").write_bytes(bytes(damaged))
        try:
            with Registry(made) as registry:
                for name in registry.names():
                    for version in registry.versions(name):
                        assert registry.artifacts.read(version.sha256) in (b"one", b"two")
                    registry.history(name)
                    registry.standing(name)
        except ForetellError:
            told += 1
    assert told > 20


def test_half_a_file_is_an_error(made: Path) -> None:
    place = made / "registry.db"
    with Registry(made) as registry:
        registry.ledger.connection.execute("PRAGMA journal_mode = DELETE")
    place.write_bytes(place.read_bytes()[:4096])
    with pytest.raises(ForetellError), Registry(made) as registry:
        registry.versions("churn")


# ── folders ──


def test_a_file_or_an_impossible_name_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(UsageError, match="is a file, expected the registry's folder"):
        Registry(tmp_path / "models")
    with pytest.raises(UsageError, match="cannot be a folder"):
        Registry("mod\0els")


@pytest.mark.parametrize("depth", ["files", "files/ab", "file"])
def test_nothing_is_read_written_or_removed_through_a_link(depth: str, made: Path, tmp_path: Path) -> None:
    with Registry(made) as registry:
        place = registry.artifacts.path(registry.version("churn").sha256)
        linked = {"files": made / "files", "files/ab": place.parent, "file": place}[depth]
        linked.rename(tmp_path / "elsewhere")
        linked.symlink_to(tmp_path / "elsewhere")
        kept = sorted(p for p in (tmp_path / "elsewhere").rglob("*"))
        with pytest.raises(RegistryError, match="is a symbolic link"):
            registry.load("churn")
        with pytest.raises(RegistryError, match="is a symbolic link"):
            registry.add_file("churn", b"one", RECORD, reason="made")
        assert sorted(p for p in (tmp_path / "elsewhere").rglob("*")) == kept
        assert len(registry.versions("churn")) == 2


def test_the_folder_itself_may_be_a_link(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made)
    assert said(tmp_path / "link") == said(made)


def test_a_full_disk_is_told_and_nothing_is_left(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    before, files = said(made), set((made / "files").rglob("*"))
    with monkeypatch.context() as broken, Registry(made) as registry:
        broken.setattr(os, "fsync", full)
        with pytest.raises(RegistryError, match="No space left on device") as error:
            registry.add_file("churn", b"three", RECORD, reason="made")
    assert error.value.mend is not None and "nothing was changed" in error.value.mend
    assert said(made) == before
    assert {p for p in (made / "files").rglob("*") if p.is_file()} == {p for p in files if p.is_file()}


READER = """
import os, sys
from foretell.core.errors import RegistryError
from foretell.lifecycle.registry import Registry
if os.geteuid() == 0:
    os.setuid(65534)  # root may write whatever the permissions
with Registry(sys.argv[1]) as registry:
    champion = registry.version("churn")
    print([str(v) for v in registry.versions("churn")], registry.artifacts.read(champion.sha256))
    for change in (registry.ready, lambda: registry.promote("churn@2")):
        try:
            change()
        except RegistryError as error:
            print(error.message)
"""


@pytest.fixture
def sealed(made: Path) -> Iterator[Path]:
    """A registry that cannot be written, outside of the tests' own folder, which nobody else may enter."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(made, folder / "models")
    places = [folder, *folder.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    yield folder / "models"
    for place in places:
        place.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name != "posix", reason="permissions of files")
def test_a_folder_that_cannot_be_written_is_read(sealed: Path) -> None:
    command = [sys.executable, "-c", READER, str(sealed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "['churn@1', 'churn@2'] b'one'"
    assert "readonly database" in second and "readonly database" in third


def test_drafts_of_the_killed_are_swept_when_they_are_old(made: Path) -> None:
    with Registry(made, clock=lambda: 0) as registry:
        place = registry.artifacts.path(registry.version("churn").sha256).parent
        young, old = place / ".draft-young", place / ".draft-old"
        for draft in (young, old):
            draft.write_bytes(b"half")
        os.utime(old, (0, 0))
        registry.prune()
        assert young.exists() and not old.exists()
