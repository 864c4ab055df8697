"""The commands of the registry, as a user calls them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foretell import Registry
from foretell.cli.app import main
from foretell.core.lazy import installed

OLDER = Path(__file__).parents[1] / "lifecycle" / "older"
LEAK = {"clean": False, "verdict": "Leak found by perturb: 3 features moved.", "detectors": []}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join(self.out.split())

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Shell:
    """`foretell models …` in a folder whose registry has two versions of churn and a file to import."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["models", *arguments])
        out, err = self.capsys.readouterr()
        assert isinstance(left.value.code, int) and "Traceback" not in err
        return Said(left.value.code, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    shutil.copy(OLDER / "format-1-churn.foretell", place / "churn-1.foretell")
    shutil.copy(OLDER / "format-2-spend.foretell", place / "spend.foretell")
    for file in ("churn-1.foretell", "spend.foretell"):
        with pytest.raises(SystemExit) as left:
            main(
                ["models", "import", str(place / file), "--name", "churn", "--models", str(place / "models")]
            )
        assert left.value.code == 0
    return place


@pytest.fixture
def shell(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORETELL_MODELS", raising=False)
    return Shell(capsys)


def test_list_shows_each_model(shell: Shell) -> None:
    said = shell("list")
    assert said.code == 0
    assert "churn 1 2 2 AUROC" in said.words and "not made" in said.out
    (model,) = shell("list", "--format", "json").data
    assert (model["name"], model["champion"], model["challenger"]) == ("churn", 1, 2)
    assert [v["version"] for v in model["versions"]] == [1, 2]


def test_list_of_nothing_says_how_to_begin_and_makes_nothing(shell: Shell, tmp_path: Path) -> None:
    said = shell("list", "--models", str(tmp_path / "none"))
    assert said.code == 0 and "foretell fit" in said.out
    assert not (tmp_path / "none").exists()


def test_show_tells_all_of_a_version(shell: Shell) -> None:
    said = shell("show", "churn@2")
    assert said.code == 0
    for part in ("churn@2, the challenger", "PREDICT SUM(orders.amount, 0, 14, days)", "Backtest", "not made",
                 "imported from spend.foretell", "python"):  # fmt: skip
        assert part in said.words, part
    told = shell("show", "churn", "--format", "json").data
    assert told["version"] == 1 and told["standing"]["challenger"] == 2 and len(told["history"]) == 2


def test_diff_shows_what_differs(shell: Shell) -> None:
    said = shell("diff", "churn", "churn@challenger")
    assert "- PREDICT COUNT(orders.*, 0, 14, days) = 0" in said.out
    assert "kind: binary → regression" in said.words and "different questions" in said.words
    told = shell("diff", "churn@1", "churn@2", "--format", "json").data
    assert told["before"] == "churn@1" and {"query", "schema", "features", "scores"} <= set(told)


def test_promote_warns_of_what_was_not_audited_and_rollback_goes_back(shell: Shell) -> None:
    said = shell("promote", "churn@2", "--reason", "a try")
    assert said.code == 0 and "churn@2 is the champion; before it, version 1 was." in said.words
    assert "was not audited" in said.err
    assert "already; nothing was changed" in shell("promote", "churn@2").words
    assert "churn@1 is the champion again" in shell("rollback", "churn").words
    history = shell("show", "churn", "--format", "json").data["history"]
    assert [(e["action"], e["reason"]) for e in history[2:]] == [
        ("promoted", "a try"),
        ("rolled back", "asked for"),
    ]


def test_a_leaking_version_is_a_gate(shell: Shell) -> None:
    with Registry("models") as registry:
        registry.add("churn", registry.load("churn@1"), audit=LEAK)
    said = shell("promote", "churn@3")
    assert said.code == 1 and "3 features moved" in said.err and "--force" in said.err
    assert shell("promote", "churn@3", "--force").code == 0
    assert "Leak found by perturb" in shell("show", "churn").out


def test_what_is_exported_is_what_was_kept(shell: Shell, tmp_path: Path) -> None:
    said = shell("export", "churn@2", "-o", "out.foretell")
    assert said.code == 0 and "Wrote churn@2 to out.foretell." in said.out
    with Registry("models") as registry:
        assert (tmp_path / "out.foretell").read_bytes() == registry.artifacts.read(
            registry.version("churn@2").sha256
        )
    assert shell("export", "churn@2", "-o", "out.foretell").code == 2
    assert shell("export", "churn@1", "-o", "out.foretell", "--force").code == 0
    again = shell("import", "out.foretell", "--name", "lapsed", "--format", "json").data
    assert again == {"name": "lapsed", "version": 1, "champion": 1}


def test_prune_lets_go_of_old_versions(shell: Shell) -> None:
    for _ in range(3):
        shell("import", "spend.foretell", "--name", "churn")
    assert (
        shell("prune", "churn", "--keep", "1").out == "Let go of 3 versions: churn@2, churn@3 and churn@4.\n"
    )
    assert shell("prune").out == "Nothing to let go of.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["show", "chrun"], 2, "did you mean 'churn'?"),
        (["show", "churn@9"], 2, "churn has versions 1, 2"),
        (["show", "../churn"], 2, "cannot be a model's name"),
        (["diff", "churn@1", "churn@new"], 2, "expected a version's number or alias"),
        (["promote", "churn"], 2, "such as churn@challenger"),
        (["rollback", "churn"], 2, "no other champion"),
        (["prune", "--keep", "-1"], 2, "--keep"),
        (["export", "churn", "-o", "x", "--mlflow", "y"], 2, "expected one of them"),
        (["import", "nowhere.foretell", "--name", "x"], 1, "there is no model file"),
        (["import", "models/registry.db", "--name", "x"], 1, "is not a foretell model"),
        (["import", "spend.foretell", "--name", "a/b"], 2, "cannot be a model's name"),
    ],
)
def test_slips(shell: Shell, arguments: list[str], code: int, part: str) -> None:
    said = shell(*arguments)
    assert (said.code, said.out) == (code, "") and part in said.err


def test_mlflow_has_an_extra(shell: Shell, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    said = shell("export", "churn", "--mlflow", address, "--format", "json")
    if not installed("mlflow"):
        assert said.code == 2 and "pip install 'foretell[mlflow]'" in json.loads(said.err)["mend"]
        return
    mlflow = pytest.importorskip("mlflow")
    run = mlflow.MlflowClient(tracking_uri=address).get_run(said.data["run"])
    assert run.data.metrics["auroc"] > 0 and run.data.params["kind"] == "binary"
