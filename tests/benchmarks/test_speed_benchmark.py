"""The speed benchmark: the same data each time, runs that agree, and a difference voids a comparison."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from foretell import kernel

SPEED = Path(__file__).parents[2] / "benchmarks/speed"


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SPEED / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generator_makes_the_same_rows_for_the_same_arguments(tmp_path: Path) -> None:
    sizes = ("--orders", "900", "--clicks", "200", "--customers", "20")
    for folder in ("a", "b"):
        assert run("generate.py", tmp_path / folder, *sizes).returncode == 0
    assert run("generate.py", tmp_path / "c", *sizes, "--seed", "1").returncode == 0
    for table in ("customers", "products", "orders", "clicks"):
        a, b, c = (pq.read_table(tmp_path / f / f"{table}.parquet") for f in ("a", "b", "c"))
        assert a.equals(b)
        assert not a.equals(c)
    orders = pq.read_table(tmp_path / "a/orders.parquet")
    assert orders.num_rows == 900
    assert orders["discount"].null_count > 300


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")
@pytest.mark.skipif(not kernel.AVAILABLE, reason="it measures the native engine")
def test_engines_are_compared_and_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    asked = ["--orders", "600", "--clicks", "200", "--customers", "6", "--cutoffs", "2", "--repeat", "1"]
    asked += ["--threads", "2", "--work", str(tmp_path / "work"), "--result", str(result)]
    first = run("compare.py", *asked, "--only", "filter", "--scale", "filter=1")
    assert first.returncode == 0, first.stderr
    again = run("compare.py", *asked, "--only", "filter", "--scale", "filter=1")
    runs = json.loads(result.read_text())["runs"]
    assert [r["tool"] for r in runs] == ["foretell", "filter"]
    assert {r["ended"] for r in runs} == {"ok"}
    assert runs[1]["compared"] > 200 and runs[1]["differ"] == []
    assert again.stdout == first.stdout


def test_values_that_differ_void_the_comparison(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    found = {"a": np.array([1.0, np.nan, 3.0]), "b": np.array([0.0, 5.0, 6.0])}
    np.savez(samples / "foretell-1.npz", **found)
    for name, planted in (
        ("same", {}),
        ("value", {"a": [1.0, np.nan, 3.001]}),
        ("null", {"b": [np.nan, 5, 6]}),
    ):
        np.savez(samples / f"{name}-1.npz", **found | {k: np.array(v, float) for k, v in planted.items()})
    code = (
        f"import sys; sys.path.insert(0, {str(SPEED)!r}); import compare, json, pathlib; "
        f"w = pathlib.Path({str(tmp_path)!r}); "
        "print(json.dumps([compare._compared(w, n, 1.0, empty_is_zero=False)['differ'] "
        "for n in ('same', 'value', 'null')]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [[], ["a"], ["b"]]
